package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"errors"
	"io"
	"slices"
	"testing"
)

// fuzzMost is how much of an input's content a target looks at.
const fuzzMost = 4 << 20

func FuzzTransform(f *testing.F) {
	for _, name := range nastyNames() {
		f.Add(nasty(name, 300))
	}
	var s sorter
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 {
			checkTransform(t, &s, b[:min(len(b), 3000)])
		}
	})
}

// FuzzInverse inverts columns that need not be those of a transform, so that rows may make any circles.
func FuzzInverse(f *testing.F) {
	for i, name := range nastyNames() {
		f.Add(nasty(name, 700), uint32(i*i*i), uint16(i*i))
	}
	f.Add([]byte("ab"), uint32(1), uint16(2000))
	var v inverter
	f.Fuzz(func(t *testing.T, last []byte, row uint32, repeat uint16) {
		if len(last) == 0 {
			return
		}
		last = last[:min(len(last), 100_000)]
		last = bytes.Repeat(last, 1+min(int(repeat), 100_000/len(last))) // more marks than lanes
		row %= uint32(len(last))
		got, want := make([]byte, len(last)), make([]byte, len(last))
		walkForward(last, row, want)
		count := histogram(last)
		if v.invert(last, &count, row, got); !bytes.Equal(got, want) {
			t.Fatalf("column of %d bytes, row %d", len(last), row)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(nil), byte(0), byte(0), uint16(0))
	for i, name := range nastyNames() {
		f.Add(nasty(name, 150*(i+1)), byte(i), byte(i), uint16(i))
	}
	var writers encoders
	f.Fuzz(func(t *testing.T, b []byte, level, procs byte, repeat uint16) {
		if len(b) > 0 { // long inputs, as block borders need them, out of short ones
			b = bytes.Repeat(b, 1+min(int(repeat), 300_000/len(b)))
		}
		c := WriterConfig{Level: 1 + int(level)%9, Procs: 1 + int(procs)%3}
		z := writers.encode(t, c, b)
		mustDecode(t, "standard library", z, b)
		mustDecode(t, "dsnet", z, b)
		mustDecode(t, "own", z, b)
		e := Encoder{Level: c.Level, Procs: c.Procs}
		mustDecode(t, "own", e.Encode(nil, b), b)
	})
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte("a"), []byte(""), []byte("bc"), uint32(0))
	f.Add(nasty("runs", 3000), nasty("fibonacci", 700), nasty("random", 400), uint32(0x12345678))
	var writers encoders
	j := NewJoiner(nil)
	f.Fuzz(func(t *testing.T, x, y, z []byte, choice uint32) {
		var out bytes.Buffer
		j.Reset(&out)
		for _, b := range [][]byte{x, y, z, x} {
			var err error
			switch choice & 3 {
			case 0:
				_, err = j.Write(b)
			case 1:
				_, err = j.AddRaw(bytes.NewReader(b))
			case 2:
				_, err = j.Add(bytes.NewReader(writers.encode(t, WriterConfig{Level: 1 + int(choice>>2&7)}, b)))
			case 3:
				_, err = j.Add(bytes.NewReader(writers.encode(t, WriterConfig{Level: 1 + int(choice>>2&7), Codec: CodecDsnet}, b)))
			}
			if err != nil {
				t.Fatal(err)
			}
			choice >>= 5
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(x, y, z, x)
		mustDecode(t, "standard library", out.Bytes(), want)
		mustDecode(t, "own", out.Bytes(), want)
		if _, err := Scan(&out, nil); err != nil {
			t.Fatal(err)
		}
	})
}

// encoders keeps a Writer for each configuration.
type encoders struct{ writers map[WriterConfig]*Writer }

func (e *encoders) encode(t testing.TB, c WriterConfig, b []byte) []byte {
	t.Helper()
	w := e.writers[c]
	if w == nil {
		var err error
		if w, err = NewWriter(nil, c); err != nil {
			t.Fatal(err)
		}
		if e.writers == nil {
			e.writers = make(map[WriterConfig]*Writer)
		}
		e.writers[c] = w
	}
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// FuzzMutatedStream feeds what may be no stream to everything that reads one.
func FuzzMutatedStream(f *testing.F) {
	for _, name := range []string{"random", "runs", "line", "fibonacci"} {
		f.Add(encode(f, WriterConfig{Level: 1}, nasty(name, 700)), uint16(0), byte(0))
		f.Add(byDsnet(f, 9, nasty(name, 700)), uint16(100), byte(8))
	}
	for _, d := range broken(f) {
		f.Add(d.data[:min(len(d.data), 8000)], uint16(0), byte(0))
	}
	c := newCrafted(1)
	c.block(f, slices.Concat([]byte("symbols"), magicOfBlock, []byte("symbols"), magicOfFooter), 2)
	f.Add(c.finish(), uint16(0), byte(0))
	f.Add(append(encode(f, WriterConfig{}, []byte("one")), encode(f, WriterConfig{Level: 2}, []byte("two"))...), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte) {
		data = slices.Clone(data)
		if len(data) > 0 {
			data[int(at)%len(data)] ^= flip
		}
		checkHostile(t, data)
	})
}

// checkHostile checks that everything that reads a stream agrees on data, and that errors are typed.
func checkHostile(t *testing.T, data []byte) {
	t.Helper()
	var content []byte
	var failed error
	for i, c := range []ReaderConfig{{Single: true}, {Single: true, Procs: 3}} {
		z, err := NewReader(bytes.NewReader(data), c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.LimitReader(z, fuzzMost))
		checkTyped(t, err)
		if i == 0 {
			content, failed = got, err
		} else if !bytes.Equal(got, content) || (err == nil) != (failed == nil) || err != nil && err.Error() != failed.Error() {
			t.Fatalf("one goroutine: %d bytes, %v; several: %d bytes, %v", len(content), failed, len(got), err)
		}
	}
	_, errScan := Scan(bytes.NewReader(data), nil)
	checkTyped(t, errScan)
	var out bytes.Buffer
	j := NewJoiner(&out)
	_, errAdd := j.Add(bytes.NewReader(data))
	errClose := j.Close()
	if (errAdd == nil) != (errScan == nil) || (errClose == nil) != (errAdd == nil) {
		t.Fatalf("Scan: %v, Add: %v, Close: %v", errScan, errAdd, errClose)
	}
	if failed != nil || len(content) == fuzzMost {
		return
	}
	std, err := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(data)))
	if err != nil || !bytes.Equal(std, content) {
		t.Fatalf("reader: %d bytes; standard library: %d bytes, %v", len(content), len(std), err)
	}
	if errAdd == nil {
		mustDecode(t, "standard library", out.Bytes(), content)
	}
}

func checkTyped(t *testing.T, err error) {
	t.Helper()
	var e *FormatError
	if err != nil && (!errors.As(err, &e) || e.Kind == nil || e.Offset < 0) {
		t.Fatalf("error without a type or place: %v", err)
	}
}

// A quick share of what the fuzz target does for hours: flips, cuts and insertions in valid streams.
func TestMutatedStreams(t *testing.T) {
	const seed = 12
	t.Logf("seed %d", seed)
	rng := newRand(seed)
	var streams [][]byte
	for _, name := range []string{"runs", "line", "random bits", "thue-morse"} {
		streams = append(streams, encode(t, WriterConfig{Level: 1}, nasty(name, 300)), byDsnet(t, 1, nasty(name, 500)))
	}
	rounds := 3000
	if raceEnabled {
		rounds = 300
	}
	for range rounds {
		b := slices.Clone(streams[rng.IntN(len(streams))])
		switch rng.IntN(5) {
		case 0:
			b = b[:rng.IntN(len(b))]
		case 1:
			at := rng.IntN(len(b))
			b = slices.Insert(b, at, randomBytes(rng, 1+rng.IntN(8), 256)...)
		case 2: // the magic of a block or footer in the middle
			copy(b[rng.IntN(len(b)):], [][]byte{magicOfBlock, magicOfFooter}[rng.IntN(2)])
		default:
			for range 1 + rng.IntN(3) {
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			}
		}
		checkHostile(t, b)
	}
}
