package bzip2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// blockSizes are lengths around which something ends; the race detector, which slows sorting down tenfold, sees some.
func blockSizes() []int {
	if raceEnabled {
		return []int{0, 1, 2, 5, 255, 260, 1000, 99_981}
	}
	return []int{0, 1, 2, 3, 4, 5, 254, 255, 256, 259, 260, 1000, 99_980, 99_981, 99_982, 100_001}
}

func TestRoundTripOfNastyBlocks(t *testing.T) {
	w1, err := NewWriter(io.Discard, WriterConfig{Level: 1})
	if err != nil {
		t.Fatal(err)
	}
	var e Encoder
	for _, n := range blockSizes() {
		for _, name := range nastyNames() {
			b := nasty(name, n)
			var out bytes.Buffer
			w1.Reset(&out)
			if _, err := w1.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := w1.Close(); err != nil {
				t.Fatal(err)
			}
			decoder := []string{"dsnet", "standard library", "own"}[n%3]
			mustDecode(t, decoder, out.Bytes(), b)
			if n < 1001 {
				mustDecode(t, decoder, e.Encode(nil, b), b)
			}
		}
	}
}

func TestRoundTripOfFullBlocks(t *testing.T) {
	names := []string{"runs", "random", "one symbol", "fours", "fibonacci", "a^i b", "hills"}
	if raceEnabled {
		names = names[:1]
	}
	for _, name := range names {
		b := nasty(name, 1_800_100)
		mustDecode(t, "own", encode(t, WriterConfig{Procs: 2}, b), b)
	}
}

// The output must be the same however the input is cut and however many goroutines work.
func TestOutputDependsOnInputAlone(t *testing.T) {
	rng := newRand(3)
	in := slices.Concat(nasty("runs", 120_000), nasty("line", 30_000), nasty("one symbol", 120_000), []byte("tail"))
	want := encode(t, WriterConfig{Level: 1}, in)
	for _, procs := range []int{1, 2, 5} {
		for _, most := range []int{1, 3, 1000, 100_000} {
			if most == 1 && procs != 2 {
				continue
			}
			var out bytes.Buffer
			w, err := NewWriter(&out, WriterConfig{Level: 1, Procs: procs})
			if err != nil {
				t.Fatal(err)
			}
			for b := in; len(b) > 0; {
				n := min(1+rng.IntN(most), len(b))
				if k, err := w.Write(b[:n]); k != n || err != nil {
					t.Fatalf("Write of %d bytes: %d, %v", n, k, err)
				}
				b = b[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, out.Bytes()) {
				t.Fatalf("%d goroutines, writes of up to %d bytes: other bytes", procs, most)
			}
		}
	}
	mustDecode(t, "dsnet", want, in)
	wantEncoded := (&Encoder{Level: 1}).Encode([]byte("before"), in)
	mustDecode(t, "dsnet", wantEncoded[6:], in)
	for _, procs := range []int{2, 3, 7} {
		e := &Encoder{Level: 1, Procs: procs}
		for range 2 {
			if got := e.Encode([]byte("before"), in); !bytes.Equal(got, wantEncoded) {
				t.Fatalf("Encoder with %d goroutines: other bytes", procs)
			}
		}
	}
}

func TestBlocksAreCutEqual(t *testing.T) {
	limit := limitOf(9)
	for n, want := range map[int]int{0: 0, 1: 1, limit: 1, limit + 1: 2, 2 * limit: 2, 2*limit + 1: 3, 3 * limit: 3, 4*limit + 1: 5} {
		if got := equalBlocks(n, limit); got != want {
			t.Errorf("%d bytes are cut into %d blocks, want %d", n, got, want)
		}
	}
	in := randomBytes(newRand(1), 250_003, 4)
	info, err := Scan(bytes.NewReader((&Encoder{Level: 1}).Encode(nil, in)), nil)
	if err != nil || info.Blocks != 3 {
		t.Errorf("250 003 bytes at level 1: %d blocks, %v; want 3", info.Blocks, err)
	}
}

func TestEmptyInputIsAnEmptyStream(t *testing.T) {
	want := []byte("BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00")
	if got := encode(t, WriterConfig{}, nil); !bytes.Equal(got, want) {
		t.Errorf("Writer: % x", got)
	}
	if got := new(Encoder).Encode(nil, nil); !bytes.Equal(got, want) {
		t.Errorf("Encoder: % x", got)
	}
	for name := range decoders {
		mustDecode(t, name, want, nil)
	}
}

func TestFallbackCodec(t *testing.T) {
	in := nasty("line", 101_000)
	c := encode(t, WriterConfig{Level: 1, Codec: CodecDsnet}, in)
	mustDecode(t, "own", c, in)
	e := &Encoder{Level: 1, Codec: CodecDsnet}
	for range 2 {
		if got := e.Encode(nil, in); !bytes.Equal(got, c) {
			t.Error("Encoder and Writer differ with the fallback codec")
		}
	}
	for name, want := range map[string]Codec{"own": CodecOwn, "dsnet": CodecDsnet} {
		if got, err := ParseCodec(name); got != want || err != nil {
			t.Errorf("ParseCodec(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseCodec("libbz2"); !errors.Is(err, ErrConfig) {
		t.Errorf("ParseCodec of an unknown name: %v", err)
	}
}

func TestWriterRefusesBadConfiguration(t *testing.T) {
	for _, c := range []WriterConfig{{Level: -1}, {Level: 10}, {Procs: -1}, {Procs: MaxProcs + 1}, {Codec: 2}} {
		if _, err := NewWriter(io.Discard, c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// failingWriter fails from the n-th byte on.
type failingWriter struct{ left int }

var errDisk = errors.New("disk full")

func (w *failingWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, errDisk
	}
	w.left -= len(b)
	return len(b), nil
}

func TestWriterReportsErrorsOfItsWriter(t *testing.T) {
	in := randomBytes(newRand(1), 130_000, 256)
	for _, procs := range []int{1, 2} {
		for _, left := range []int{0, 60_000, 110_000} { // in the header, the first block, the last
			t.Run(fmt.Sprintf("%d goroutines, after %d bytes", procs, left), func(t *testing.T) {
				w, err := NewWriter(&failingWriter{left}, WriterConfig{Level: 1, Procs: procs})
				if err != nil {
					t.Fatal(err)
				}
				_, errWrite := w.Write(in)
				errClose := w.Close()
				if !errors.Is(errClose, errDisk) || errWrite != nil && !errors.Is(errWrite, errDisk) {
					t.Errorf("Write: %v, Close: %v", errWrite, errClose)
				}
				var out bytes.Buffer
				w.Reset(&out)
				if _, err := w.Write(in[:1000]); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				mustDecode(t, "dsnet", out.Bytes(), in[:1000])
				if _, err := w.Write(in[:1]); !errors.Is(err, ErrClosed) {
					t.Errorf("Write after Close: %v", err)
				}
			})
		}
	}
}

func TestEncodingAllocatesNothingAfterWarmUp(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	in := nasty("mutated line", 220_000)
	for _, procs := range []int{1, 2} {
		e := &Encoder{Level: 1, Procs: procs}
		out := e.Encode(nil, in)
		for range 3 {
			e.Encode(out[:0], in)
		}
		if n := testing.AllocsPerRun(5, func() { e.Encode(out[:0], in) }); n > 0 {
			t.Errorf("Encoder with %d goroutines: %v allocations", procs, n)
		}
		w, err := NewWriter(io.Discard, WriterConfig{Level: 1, Procs: procs})
		if err != nil {
			t.Fatal(err)
		}
		run := func() {
			w.Reset(io.Discard)
			if _, err := w.Write(in); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			run()
		}
		if n := testing.AllocsPerRun(5, run); n > 0 {
			t.Errorf("Writer with %d goroutines: %v allocations", procs, n)
		}
	}
}
