package bzip2

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The recorded run has 10 000: go test -run TestRoundTrips -bzip2.roundtrips=10000 -v ./internal/bzip2
var roundTrips = flag.Int("bzip2.roundtrips", 250, "round trips of TestRoundTrips")

// TestRoundTrips encodes seeded inputs of many kinds in every way that this package has, and has each decoded by one
// of the decoders at hand: our own, dsnet, the standard library, the command bzip2 and Python. A third is the join of
// several streams, some of them written by others.
func TestRoundTrips(t *testing.T) {
	const seed = 2026
	rng := newRand(seed)
	others := foreign(t)
	decode := []string{"own", "standard library", "dsnet", "own, 3 goroutines"}
	decoders := map[string]func([]byte) ([]byte, error){
		"own": decoders["own"], "standard library": decoders["standard library"], "dsnet": decoders["dsnet"],
		"own, 3 goroutines": func(b []byte) ([]byte, error) { return readAll(t, ReaderConfig{Procs: 3}, b) },
	}
	encoders := &encoders{}
	encode := map[string]func(level int, b []byte) []byte{
		"dsnet": func(level int, b []byte) []byte {
			return encoders.encode(t, WriterConfig{Level: level, Codec: CodecDsnet}, b)
		},
		"writer": func(level int, b []byte) []byte {
			return encoders.encode(t, WriterConfig{Level: level, Procs: 1 + level%3}, b)
		},
		"encoder": func(level int, b []byte) []byte {
			return (&Encoder{Level: level, Procs: 1 + level%3}).Encode(nil, b)
		},
	}
	for _, o := range others {
		decode = append(decode, o.name)
		decoders[o.name] = o.decode
		encode[o.name] = o.encode
	}
	encodeNames := sortedKeys(encode)
	count := make(map[string]int)
	var raw, compressed, joins int
	joiner := NewJoiner(nil)
	n := *roundTrips
	if raceEnabled {
		n = min(n, 40)
	}
	for i := range n {
		var want, z []byte
		if i%3 == 2 {
			joins++
			var out bytes.Buffer
			joiner.Reset(&out)
			for range rng.IntN(6) {
				b := randomInput(rng)
				want = append(want, b...)
				var err error
				if by := rng.IntN(len(encodeNames) + 1); by == len(encodeNames) {
					_, err = joiner.Write(b)
				} else {
					_, err = joiner.Add(bytes.NewReader(encode[encodeNames[by]](1+rng.IntN(9), b)))
				}
				if err != nil {
					t.Fatalf("round trip %d of seed %d: %v", i, seed, err)
				}
			}
			if err := joiner.Close(); err != nil {
				t.Fatalf("round trip %d of seed %d: %v", i, seed, err)
			}
			z = out.Bytes()
		} else {
			want = randomInput(rng)
			z = encode[[]string{"writer", "encoder"}[rng.IntN(2)]](1+rng.IntN(9), want)
		}
		name := decode[i%len(decode)]
		got, err := decoders[name](z)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round trip %d of seed %d: %s decodes %d bytes to %d, %v; want %d", i, seed, name, len(z), len(got), err, len(want))
		}
		count[name]++
		raw += len(want)
		compressed += len(z)
	}
	t.Logf("seed %d: %d round trips, %d of them joins, %.1f MB to %.1f MB, 0 differences; decoded by %v", seed, n, joins, float64(raw)/1e6, float64(compressed)/1e6, count)
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// randomInput returns mostly short strings of any kind, patched together and edited.
func randomInput(rng *rand.Rand) []byte {
	most := 3000
	switch x := rng.IntN(400); {
	case x == 0 && !raceEnabled:
		most = 1_900_000
	case x < 20:
		most = 110_000
	}
	names := nastyNames()
	var b []byte
	for range 1 + rng.IntN(3) {
		n := rng.IntN(most)
		switch rng.IntN(4) {
		case 0:
			b = append(b, randomBytes(rng, n, 1+rng.IntN(256))...)
		case 1:
			b = append(b, textLike(rng, n)...)
		default:
			if n > 0 {
				b = append(b, nasty(names[rng.IntN(len(names))], n)...)
			}
		}
	}
	for k := rng.IntN(4); k > 0 && len(b) > 0; k-- {
		switch at := rng.IntN(len(b)); rng.IntN(3) {
		case 0:
			b[at] ^= byte(rng.Uint32())
		case 1:
			b = append(b, b[at:min(at+rng.IntN(2000), len(b))]...)
		case 2:
			b = slices.Insert(b, at, repeat(string(b[at:at+1]), rng.IntN(600))...)
		}
	}
	return b
}

// textLike returns lines of few words.
func textLike(rng *rand.Rand, n int) []byte {
	words := strings.Fields(`{"event": "play", "pause", "seek", "video": "session": "position": "bitrate": 0 1 23 456 7890 true} null`)
	return grown(n, func(i int) []byte {
		if i%9 == 8 {
			return []byte("\n")
		}
		return []byte(words[rng.IntN(len(words))])
	})
}

// foreigner is an implementation that is not in Go.
type foreigner struct {
	name   string
	encode func(level int, b []byte) []byte
	decode func(b []byte) ([]byte, error)
}

// foreign returns those that are installed, and says which are not.
func foreign(t *testing.T) (found []foreigner) {
	if path, err := exec.LookPath("bzip2"); err != nil {
		t.Log("the command bzip2 is not installed")
	} else {
		run := func(b []byte, args ...string) ([]byte, error) {
			cmd := exec.Command(path, args...)
			cmd.Stdin = bytes.NewReader(b)
			return cmd.Output()
		}
		found = append(found, foreigner{
			name: "bzip2",
			encode: func(level int, b []byte) []byte {
				out, err := run(b, fmt.Sprintf("-%d", level))
				if err != nil {
					t.Fatalf("bzip2 -%d: %v", level, err)
				}
				return out
			},
			decode: func(b []byte) ([]byte, error) { return run(b, "-d") },
		})
	}
	if p := startPython(t); p == nil {
		t.Log("Python 3 with bz2 is not installed")
	} else {
		found = append(found, foreigner{
			name: "Python",
			encode: func(level int, b []byte) []byte {
				out, err := p.call(byte(level), b)
				if err != nil {
					t.Fatalf("Python bz2.compress: %v", err)
				}
				return out
			},
			decode: func(b []byte) ([]byte, error) { return p.call(0, b) },
		})
	}
	return found
}

// python is a child process that compresses and decompresses: a request is a level (0: decompress), a length and
// bytes; an answer is 0 or 1 (an error), a length and bytes.
type python struct {
	in  io.Writer
	out *bufio.Reader
}

const pythonProgram = `
import bz2, struct, sys
i, o = sys.stdin.buffer, sys.stdout.buffer
while True:
    h = i.read(9)
    if len(h) < 9: break
    level, n = struct.unpack('<BQ', h)
    b = i.read(n)
    try:
        r, b = 0, bz2.compress(b, level) if level else bz2.decompress(b)
    except Exception as e:
        r, b = 1, str(e).encode()
    o.write(struct.pack('<BQ', r, len(b)) + b); o.flush()
`

func startPython(t *testing.T) *python {
	path, err := exec.LookPath("python3")
	if err != nil {
		return nil
	}
	cmd := exec.Command(path, "-c", pythonProgram)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		return nil
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	p := &python{in, bufio.NewReader(out)}
	if _, err := p.call(9, nil); err != nil {
		return nil
	}
	return p
}

func (p *python) call(level byte, b []byte) ([]byte, error) {
	var h [9]byte
	h[0] = level
	binary.LittleEndian.PutUint64(h[1:], uint64(len(b)))
	if _, err := p.in.Write(append(h[:], b...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(p.out, h[:]); err != nil {
		return nil, err
	}
	out := make([]byte, binary.LittleEndian.Uint64(h[1:]))
	if _, err := io.ReadFull(p.out, out); err != nil {
		return nil, err
	}
	if h[0] != 0 {
		return nil, fmt.Errorf("python: %s", out)
	}
	return out, nil
}

// Blocks are cut where libbz2 cuts them, so the CRCs of all blocks are libbz2's as well.
func TestBlocksAreThoseOfLibbz2(t *testing.T) {
	others := foreign(t)
	if len(others) == 0 {
		t.Skip("neither bzip2 nor Python is installed")
	}
	for _, in := range [][]byte{nasty("runs", 900_000), nasty("fours", 250_000), nasty("one symbol", 30_000_000), nasty("random", 220_000)} {
		if raceEnabled {
			in = in[:min(len(in), 110_000)]
		}
		var ours, theirs []uint32
		for _, s := range []struct {
			data []byte
			crcs *[]uint32
		}{{encode(t, WriterConfig{Level: 1}, in), &ours}, {others[0].encode(1, in), &theirs}} {
			if _, err := Scan(bytes.NewReader(s.data), func(b Block) error { *s.crcs = append(*s.crcs, b.CRC); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("%d bytes: block CRCs %x, %s has %x", len(in), ours, others[0].name, theirs)
		}
	}
}
