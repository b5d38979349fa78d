package bzip2

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readers are configurations that must read the same.
var readers = []ReaderConfig{{}, {Procs: 2}, {Procs: 4}}[:readerCount()]

func readerCount() int {
	if raceEnabled { // what differs between two goroutines and four is not what the race detector sees
		return 2
	}
	return 3
}

func readAll(t testing.TB, c ReaderConfig, data []byte) ([]byte, error) {
	t.Helper()
	z, err := NewReader(bytes.NewReader(data), c)
	if err != nil {
		t.Fatal(err)
	}
	return io.ReadAll(z)
}

func TestReaderReadsSeveralStreams(t *testing.T) {
	parts := [][]byte{
		[]byte("first"), nil, nasty("mutated line", 30_000), nasty("runs", 1500), randomBytes(newRand(2), 10_000, 256), nil, []byte("last\n"),
	}
	var data []byte
	for i, p := range parts {
		level := 1 + (i*4)%9
		if i%2 == 0 {
			data = append(data, encode(t, WriterConfig{Level: level}, p)...)
		} else {
			data = append(data, byDsnet(t, level, p)...)
		}
	}
	want := slices.Concat(parts...)
	for _, c := range readers {
		z, err := NewReader(strings.NewReader("to be forgotten"), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(z); !errors.Is(err, ErrFormat) {
			t.Errorf("%+v: other data: %v", c, err)
		}
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, iotest.HalfReader} {
			z.Reset(wrap(bytes.NewReader(data)))
			if _, err := io.CopyN(io.Discard, z, 1000); err != nil {
				t.Fatal(err)
			}
			z.Reset(wrap(bytes.NewReader(data)))
			got, err := io.ReadAll(wrap(z))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%+v: %d bytes, %v", c, len(got), err)
			}
		}
		c.Single = true
		if got, err := readAll(t, c, data); !errors.Is(err, ErrTrailing) || !bytes.Equal(got, parts[0]) {
			t.Errorf("%+v: %d bytes, %v", c, len(got), err)
		}
	}
	if got, err := readAll(t, ReaderConfig{Codec: CodecDsnet}, data); err != nil || !bytes.Equal(got, want) {
		t.Errorf("fallback codec: %d bytes, %v", len(got), err)
	}
}

func TestReaderRefusesBrokenStreams(t *testing.T) {
	for name, d := range broken(t) {
		t.Run(name, func(t *testing.T) {
			for _, c := range readers {
				c.Single = true
				got, err := readAll(t, c, d.data)
				var detail *FormatError
				if !errors.Is(err, d.kind) || !errors.As(err, &detail) {
					t.Errorf("%+v: %v after %d bytes, want %v", c, err, len(got), d.kind)
				}
			}
			if name == "two streams" {
				return
			}
			if _, err := readAll(t, ReaderConfig{Codec: CodecDsnet}, d.data); err == nil || err == io.EOF {
				t.Errorf("fallback codec: %v", err)
			}
		})
	}
	content := encode(t, WriterConfig{Level: 1}, nasty("mutated line", 120_000))
	content[len(content)/2] ^= 4
	for _, c := range readers {
		if _, err := readAll(t, c, content); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: a bit in a block: %v", c, err)
		}
	}
}

func TestReaderReportsErrorsOfItsReader(t *testing.T) {
	data := encode(t, WriterConfig{Level: 1}, randomBytes(newRand(1), 130_000, 256))
	for _, c := range readers {
		for _, n := range []int{0, 2, 10, 5000, 110_000, len(data) - 1, len(data)} {
			z, err := NewReader(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(errDisk)), c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(z); !errors.Is(err, errDisk) {
				t.Errorf("%+v: error after %d bytes: %v", c, n, err)
			}
		}
		z, err := NewReader(stuck{}, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Read(make([]byte, 1)); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%+v: reader that brings nothing: %v", c, err)
		}
	}
	if _, err := NewReader(nil, ReaderConfig{Procs: -1}); !errors.Is(err, ErrConfig) {
		t.Errorf("negative number of goroutines: %v", err)
	}
}

// Patterns inside of a block that look as if another block, or the footer, began there.
func TestSpuriousMagicIsNotTakenForABlock(t *testing.T) {
	rng := newRand(9)
	symbols := func(n int, magics ...[]byte) []byte {
		var s []byte
		for _, m := range append(magics, nil) {
			part := randomBytes(rng, n, 200)
			for i := range part {
				part[i] += 2 // no runs
			}
			s = append(append(s, part...), m...)
		}
		return s
	}
	for name, magics := range map[string][][]byte{
		"block": {magicOfBlock}, "footer": {magicOfFooter}, "both": {magicOfFooter, magicOfBlock}, "three": {magicOfBlock, magicOfBlock, magicOfBlock},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrafted(9)
			var want []byte
			want = append(want, expand(c.block(t, symbols(1500), 7))...)
			want = append(want, expand(c.block(t, symbols(3000, magics...), 70))...)
			for range 6 {
				want = append(want, expand(c.block(t, symbols(500), 3))...)
			}
			data := c.finish()
			mustDecode(t, "standard library", data, want)
			for _, conf := range readers {
				if got, err := readAll(t, conf, data); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%+v: %d bytes, %v; want %d", conf, len(got), err, len(want))
				}
				cut := data[:c.ends[1]/8-100]
				if _, err := readAll(t, conf, cut); !errors.Is(err, ErrTruncated) {
					t.Errorf("%+v: cut in the block: %v", conf, err)
				}
			}
			var out bytes.Buffer
			j := NewJoiner(&out)
			info, err := j.Add(bytes.NewReader(data))
			if name == "three" {
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("join: %+v, %v", info, err)
				}
				return
			}
			if err != nil || info.Blocks != 8 || (info.Spurious != 0) != (name != "footer") {
				t.Fatalf("join: %+v, %v", info, err)
			}
			if _, err := j.Add(bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			mustDecode(t, "standard library", out.Bytes(), slices.Concat(want, want))
		})
	}
}

// A column and row that no transform gives: the rows do not make one circle. All decoders walk forward.
func TestReaderWalksAsOthersDoWhereRowsMakeNoCircle(t *testing.T) {
	rng := newRand(4)
	for round := range 24 {
		n := 1 + rng.IntN(2000)
		if round%6 == 0 {
			n = 1<<15 + rng.IntN(1000)
		}
		symbols := randomBytes(rng, n, 2+rng.IntN(60))
		for i := range symbols {
			symbols[i] += 2
		}
		c := newCrafted(1)
		want := expand(c.block(t, symbols, uint32(rng.IntN(n))))
		data := c.finish()
		mustDecode(t, "standard library", data, want)
		mustDecode(t, "own", data, want)
	}
}

func TestInverseTransformOfEveryRow(t *testing.T) {
	var v inverter
	rng := newRand(8)
	for _, n := range []int{1, 2, 3, 4, 5, 300, markSpace - 1, markSpace, markSpace + 1, lanes*markSpace + 1, 2*lanes*laneChunk + 3} {
		for _, alphabet := range []int{1, 2, 50, 256} { // 50: pairs can be numbered; 256: they cannot
			last := randomBytes(rng, n, alphabet)
			got, want := make([]byte, n), make([]byte, n)
			for range 2 {
				row := uint32(rng.IntN(n))
				walkForward(last, row, want)
				count := histogram(last)
				v.invert(last, &count, row, got)
				if !bytes.Equal(got, want) {
					t.Fatalf("%d bytes of %d symbols, row %d", n, alphabet, row)
				}
			}
			var s sorter // and of real transforms
			copy(want, last)
			count := histogram(last)
			row := s.transform(last, &count)
			count = histogram(last)
			if v.invert(last, &count, uint32(row), got); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %d symbols", n, alphabet)
			}
		}
	}
}

func TestReaderRefusesABlockLongerThanItsLevel(t *testing.T) {
	for n, want := range map[int]error{levelUnit: nil, levelUnit + 1: ErrCorrupt} {
		c := newCrafted(1)
		symbols := make([]byte, n)
		for i := range symbols {
			symbols[i] = byte(2 + i%3)
		}
		c.block(t, symbols, 5)
		data := c.finish()
		for _, conf := range readers {
			if _, err := readAll(t, conf, data); !errors.Is(err, want) {
				t.Errorf("%d bytes at level 1: %v, want %v", n, err, want)
			}
		}
	}
}

// The 100 000 bytes of a block at level 1 can stand for 5 MB, after RLE1; the reader must not hold them.
func TestReaderExpandsInBoundedMemory(t *testing.T) {
	const n = 6 << 20
	zeros := make([]byte, 1<<20)
	out := bytes.NewBuffer(encode(t, WriterConfig{Level: 1}, bytes.Repeat(zeros, n>>20)))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	z, err := NewReader(out, ReaderConfig{Procs: 2})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{z}, zeros)
	runtime.ReadMemStats(&after)
	if err != nil || got != int64(n) {
		t.Fatalf("%d bytes, %v", got, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 3<<20 {
		t.Errorf("allocated %d kB", used>>10)
	}
}

func TestReaderLeavesNoGoroutineBehind(t *testing.T) {
	data := encode(t, WriterConfig{Level: 1}, nasty("mutated line", 310_000))
	before := runtime.NumGoroutine()
	for range 3 {
		z, err := NewReader(bytes.NewReader(data), ReaderConfig{Procs: 4})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
