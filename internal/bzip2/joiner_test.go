package bzip2

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// byDsnet encodes with an encoder that is not ours.
func byDsnet(t testing.TB, level int, b []byte) []byte {
	t.Helper()
	return encode(t, WriterConfig{Level: level, Codec: CodecDsnet}, b)
}

func TestJoinOfStreamsOfAnyKind(t *testing.T) {
	rng := newRand(11)
	parts := [][]byte{
		repeat("one line\n", 101_000), nil, nasty("line", 10_000), randomBytes(rng, 10_000, 256), []byte("x"),
		nasty("runs", 10_000), nasty("one symbol", 20_000), repeat("event\n", 201_000), // the first and the last: two blocks
	}
	var streams [][]byte
	blocks := int64(0)
	for i, p := range parts {
		level := 1 + (i*4)%9
		c := encode(t, WriterConfig{Level: level}, p)
		if i%2 == 1 {
			c = byDsnet(t, level, p)
		}
		info, err := Scan(bytes.NewReader(c), nil)
		if err != nil || info.Level != level || info.Bytes != int64(len(c)) {
			t.Fatalf("scan of part %d: %+v, %v", i, info, err)
		}
		blocks += info.Blocks
		streams = append(streams, c)
	}
	if blocks != int64(len(parts))-1+2 { // none in the empty one
		t.Fatalf("%d blocks of %d parts", blocks, len(parts))
	}
	var first []byte
	for round, read := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
	} {
		var out bytes.Buffer
		j := NewJoiner(&out)
		for i, c := range streams {
			if _, err := j.Add(read(bytes.NewReader(c))); err != nil {
				t.Fatalf("round %d, part %d: %v", round, i, err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if j.Blocks() != blocks {
			t.Errorf("%d blocks, want %d", j.Blocks(), blocks)
		}
		if round > 0 {
			if !bytes.Equal(first, out.Bytes()) {
				t.Errorf("round %d: other bytes", round)
			}
			continue
		}
		first = out.Bytes()
		for name := range decoders {
			mustDecode(t, name, first, slices.Concat(parts...))
		}
		info, err := Scan(bytes.NewReader(out.Bytes()), nil)
		if err != nil || info.Blocks != blocks || info.Level != 9 {
			t.Errorf("scan of the result: %+v, %v", info, err)
		}
	}
}

func TestJoinMixesStreamsAndFreshBytes(t *testing.T) {
	small := []byte(strings.Repeat("a small object\n", 40))
	big := nasty("mutated line", 101_000)
	var first []byte
	for _, procs := range []int{0, 2, 3} {
		var out bytes.Buffer
		j := NewJoiner(io.Discard)
		j.Procs = procs
		if _, err := j.Write(big); err != nil { // forgotten by Reset
			t.Fatal(err)
		}
		j.Reset(&out)
		var want []byte
		for range 5 {
			if _, err := j.Write(small); err != nil {
				t.Fatal(err)
			}
			want = append(want, small...)
		}
		if _, err := j.Add(bytes.NewReader(encode(t, WriterConfig{Level: 1}, big))); err != nil {
			t.Fatal(err)
		}
		want = append(want, big...)
		if n, err := j.AddRaw(bytes.NewReader(big)); err != nil || n != int64(len(big)) {
			t.Fatalf("AddRaw: %d, %v", n, err)
		}
		if _, err := j.Write(small); err != nil {
			t.Fatal(err)
		}
		want = append(append(want, big...), small...)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j.Blocks() != 1+2+1 { // five small ones share a block, and the last one shares that of what was added raw
			t.Errorf("%d blocks", j.Blocks())
		}
		mustDecode(t, "standard library", out.Bytes(), want)
		if first == nil {
			first = out.Bytes()
		} else if !bytes.Equal(first, out.Bytes()) {
			t.Errorf("%d goroutines: other bytes", procs)
		}
	}
}

func TestJoinOfNothingIsAnEmptyStream(t *testing.T) {
	var out bytes.Buffer
	if err := NewJoiner(&out).Close(); err != nil {
		t.Fatal(err)
	}
	mustDecode(t, "dsnet", out.Bytes(), nil)
}

type damage struct {
	data []byte
	kind error
}

// broken returns streams that are not well formed, and what is wrong with them. They are made once and not to be
// changed.
func broken(t testing.TB) map[string]damage {
	if brokenStreams == nil {
		brokenStreams = breakStream(t)
	}
	return brokenStreams
}

var brokenStreams map[string]damage

func breakStream(t testing.TB) map[string]damage {
	t.Helper()
	good := encode(t, WriterConfig{Level: 1}, nasty("mutated line", 101_000))
	change := func(f func(b []byte) []byte) []byte { return f(slices.Clone(good)) }
	bit := func(at int) []byte {
		return change(func(b []byte) []byte { b[at/8] ^= 128 >> (at % 8); return b })
	}
	var second int
	if _, err := Scan(bytes.NewReader(good), func(b Block) error { second = int(b.Offset); return nil }); err != nil {
		t.Fatal(err)
	}
	return map[string]damage{
		"nothing":                     {nil, ErrTruncated},
		"half a header":               {good[:3], ErrTruncated},
		"header only":                 {good[:4], ErrTruncated},
		"cut in a block":              {good[:len(good)/2], ErrTruncated},
		"cut in the footer":           {good[:len(good)-3], ErrTruncated},
		"last byte missing":           {good[:len(good)-1], ErrTruncated},
		"not bzip2":                   {[]byte("PK\x03\x04 something else"), ErrFormat},
		"level 0":                     {change(func(b []byte) []byte { b[3] = '0'; return b }), ErrFormat},
		"a byte more":                 {change(func(b []byte) []byte { return append(b, 0) }), ErrTrailing},
		"300 kB more":                 {change(func(b []byte) []byte { return append(b, make([]byte, 300_000)...) }), ErrTrailing},
		"two streams":                 {change(func(b []byte) []byte { return append(b, good...) }), ErrTrailing},
		"first block's magic broken":  {bit(33), ErrCorrupt},
		"second block's magic broken": {bit(second + 1), ErrCorrupt},
		"block CRC":                   {bit(second + 50), ErrCorrupt},
		"stream CRC":                  {bit(len(good)*8 - 20), ErrCorrupt},
		"randomised":                  {bit(second + 80), ErrRandomised},
	}
}

func TestJoinRefusesBrokenStreams(t *testing.T) {
	for name, d := range broken(t) {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			j := NewJoiner(&out)
			if _, err := j.Write([]byte("something before")); err != nil {
				t.Fatal(err)
			}
			_, err := j.Add(bytes.NewReader(d.data))
			var detail *FormatError
			if !errors.Is(err, d.kind) || !errors.As(err, &detail) {
				t.Fatalf("Add: %v, want %v", err, d.kind)
			}
			if _, again := j.Add(bytes.NewReader(d.data)); !errors.Is(again, d.kind) {
				t.Errorf("second Add: %v", again)
			}
			if _, err := j.Write([]byte("x")); !errors.Is(err, d.kind) {
				t.Errorf("Write after the error: %v", err)
			}
			if _, err := j.AddRaw(strings.NewReader("x")); !errors.Is(err, d.kind) {
				t.Errorf("AddRaw after the error: %v", err)
			}
			if err := j.Close(); !errors.Is(err, d.kind) {
				t.Errorf("Close: %v", err)
			}
			if _, err := Scan(bytes.NewReader(out.Bytes()), nil); err == nil {
				t.Error("what was written looks complete")
			}
		})
	}
}

func TestJoinReportsErrorsOfReaderAndWriter(t *testing.T) {
	c := encode(t, WriterConfig{}, nasty("random", 150_000))
	j := NewJoiner(&failingWriter{100_000})
	if _, err := j.Add(bytes.NewReader(c)); !errors.Is(err, errDisk) {
		t.Errorf("failing writer: %v", err)
	}
	if err := j.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close after a failing writer: %v", err)
	}
	j.Reset(io.Discard)
	if _, err := j.Add(iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(c)))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("failing reader: %v", err)
	}
	j.Reset(io.Discard)
	if _, err := j.Add(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("reader that brings nothing: %v", err)
	}
	j.Reset(io.Discard)
	j.Procs = -1
	if _, err := j.Write([]byte("x")); !errors.Is(err, ErrConfig) {
		t.Errorf("negative number of goroutines: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// Streams end at every bit offset; a join meets each pair of them.
func TestJoinAtEveryBitOffset(t *testing.T) {
	ends := make(map[int64][]byte) // by the bit at which the footer begins
	contents := make(map[int64][]byte)
	rng := newRand(5)
	for n := 1; len(ends) < 8; n++ {
		b := randomBytes(rng, n, 256)
		c := encode(t, WriterConfig{}, b)
		s := scanner{}
		if _, err := s.scan(bytes.NewReader(c)); err != nil {
			t.Fatal(err)
		}
		ends[s.end%8], contents[s.end%8] = c, b
	}
	for a := range int64(8) {
		for b := range int64(8) {
			var out bytes.Buffer
			j := NewJoiner(&out)
			for _, c := range [][]byte{ends[a], ends[b], ends[a]} {
				if _, err := j.Add(bytes.NewReader(c)); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			mustDecode(t, "standard library", out.Bytes(), slices.Concat(contents[a], contents[b], contents[a]))
		}
	}
}

func TestScanVisitsEveryBlock(t *testing.T) {
	in := nasty("runs", 350_000)
	c := byDsnet(t, 1, in)
	var blocks []Block
	info, err := Scan(bytes.NewReader(c), func(b Block) error { blocks = append(blocks, b); return nil })
	if err != nil || int64(len(blocks)) != info.Blocks || blocks[0].Offset != 32 {
		t.Fatalf("%+v, %+v, %v", info, blocks, err)
	}
	var fold uint32
	for _, b := range blocks {
		fold = foldCRC(fold, b.CRC)
	}
	if fold != info.CRC {
		t.Error("blocks do not fold to the stream's CRC")
	}
	stop := errors.New("stop")
	if _, err := Scan(bytes.NewReader(c), func(Block) error { return stop }); err != stop {
		t.Errorf("visit's error: %v", err)
	}
}
