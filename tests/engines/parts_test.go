package engines

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"penstock/internal/bzip2"
)

// part is a bzip2 file as compaction writes it and the lines in it.
type part struct {
	name string
	file string
	raw  []byte
	cuts int // how many times to split in two, evenly over the file
}

// lines returns the number of lines and the sum of their hashes, as SplitCheck
// does. Hadoop ends a line at CR LF, too.
func (p part) lines() (n int, sum uint64) {
	for line := range bytes.Lines(p.raw) {
		h := fnv.New64a()
		h.Write(bytes.TrimRight(line, "\r\n"))
		sum += h.Sum64()
		n++
	}
	return n, sum
}

// step is the distance between cuts.
func (p part) step() int { return max(1, p.size()/p.cuts) }

func (p part) size() int {
	info, err := os.Stat(p.file)
	if err != nil {
		panic(err) // corpus has written it
	}
	return int(info.Size())
}

// compress makes the one stream that an archive object is.
func compress(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := bzip2.NewWriter(&b, bzip2.WriterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// objects cuts lines into n pieces of about equal length.
func objects(raw []byte, n int) (all [][]byte) {
	size := len(raw)/n + 1
	for len(raw) > 0 {
		end := min(size, len(raw))
		if i := bytes.IndexByte(raw[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(raw)
		}
		all, raw = append(all, raw[:end]), raw[end:]
	}
	return all
}

// join makes a part: objects are joined bit by bit, or compressed anew where
// again says so.
func join(t testing.TB, all [][]byte, again func(i int) bool) []byte {
	t.Helper()
	var b bytes.Buffer
	j := bzip2.NewJoiner(&b)
	for i, raw := range all {
		if again(i) {
			if _, err := j.Write(raw); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := j.Add(bytes.NewReader(compress(t, raw))); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const every = 1 << 30 // cuts: one at each byte

func never(int) bool  { return false }
func always(int) bool { return true }
func odd(i int) bool  { return i%2 == 1 }

// corpus writes parts of every kind.
func corpus(t testing.TB) (all []part) {
	t.Helper()
	dir := t.TempDir()
	add := func(name string, cuts int, again func(int) bool, pieces ...[]byte) {
		p := part{name: name, file: filepath.Join(dir, name+".bz2"), raw: bytes.Join(pieces, nil), cuts: cuts}
		if err := os.WriteFile(p.file, join(t, pieces, again), 0o644); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	day := events(t, 7, 3000, 50)
	add("joined", 20, never, objects(day, 12)...)
	add("encoded-again", 10, always, objects(day, 40)...)
	trimmed := objects(day, 6)
	trimmed[2] = trimmed[2][bytes.IndexByte(trimmed[2], '\n')+1:]
	add("trimmed", 20, odd, trimmed...)
	small := objects(day[:bytes.IndexByte(day[1500:], '\n')+1501], 4)
	add("tiny", every, never, small...)
	add("one-event", 40, never, day[:bytes.IndexByte(day, '\n')+1])
	add("first-empty", 60, never, append([][]byte{nil}, small[:3]...)...)
	add("crlf", 60, never, objects(bytes.ReplaceAll(day[:len(small[0])*3], []byte{'\n'}, []byte("\r\n")), 3)...)
	add("no-events", every, never)
	var long [][]byte
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 3 {
		line := fmt.Appendf(nil, `{"n":%d,"text":"`, i)
		for len(line) < 1<<20+i*1000 {
			line = append(line, "abcdefghijklmnopqrstuvwxyz012345"[random.IntN(32)])
		}
		long = append(long, append(line, "\"}\n"...))
	}
	add("long-lines", 4, odd, long...)
	return all
}
