package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"

	"penstock/internal/bzip2"
)

// fullRecords is the number of records of 533 bytes in a full Lambda payload of 6 MiB.
const fullRecords = 4856

// freeCores is what a plain loop must gain from a second goroutine for wall time to say anything.
const freeCores = 1.85

// onTwoCores measures a figure of wall time on two cores, if there are two and nobody else keeps them busy. Between the
// runs a plain loop is timed on one goroutine and on two.
func (b *bench) onTwoCores(f figure, once func() (float64, string, error)) error {
	if !b.wants(f.name) {
		return nil
	}
	if runtime.NumCPU() < 2 {
		f.missing = "one core"
		b.figures = append(b.figures, f)
		return nil
	}
	var gains []float64
	if err := b.add(f, func() (float64, string, error) {
		gains = append(gains, loopGain())
		return once()
	}); err != nil {
		return err
	}
	if gain := f.ofRatios(gains).value; gain < freeCores {
		last := &b.figures[len(b.figures)-1]
		last.note = fmt.Sprintf("saw %s; %s", format(last.value), last.note)
		last.missing = fmt.Sprintf("cores are busy, a plain loop gains %.2f", gain)
	}
	return nil
}

// loopGain returns how many times as fast two goroutines are as one at counting.
func loopGain() float64 {
	count := func(n int) int {
		x := 1
		for i := range n {
			x += x>>1 ^ i
		}
		return x
	}
	const n = 15_000_000
	var sums [3]int
	one := wallOf(func() { sums[0] = count(2 * n) })
	two := wallOf(func() {
		done := make(chan struct{})
		go func() {
			sums[1] = count(n)
			close(done)
		}()
		sums[2] = count(n)
		<-done
	})
	if sums[1] != sums[2] {
		panic("two loops count differently")
	}
	return float64(one) / float64(two)
}

// goroutines measures two goroutines against one on a full payload.
func (b *bench) goroutines(lines [][]byte) error {
	f := figure{name: "encoder, 2 goroutines / 1, full payload, wall", gate: 1.7}
	object := objects(lines, fullRecords)[0]
	one, two := bzip2.Encoder{Procs: 1}, bzip2.Encoder{Procs: 2}
	out := two.Encode(one.Encode(nil, object)[:0], object)
	return b.onTwoCores(f, func() (float64, string, error) {
		t1 := wallOf(func() { out = one.Encode(out[:0], object) })
		t2 := wallOf(func() { out = two.Encode(out[:0], object) })
		t1 += wallOf(func() { out = one.Encode(out[:0], object) })
		return float64(t1) / 2 / float64(t2), fmt.Sprintf("%.1f MB in %d us", float64(len(object))/1e6, t2.Microseconds()), nil
	})
}

// recompress decodes streams and encodes them again as one.
type recompress struct {
	r   *bzip2.Reader
	w   *bzip2.Writer
	buf []byte
}

func newRecompress(procs int) (*recompress, error) {
	r, err := bzip2.NewReader(nil, bzip2.ReaderConfig{Procs: procs})
	if err != nil {
		return nil, err
	}
	w, err := bzip2.NewWriter(nil, bzip2.WriterConfig{Procs: procs})
	return &recompress{r, w, make([]byte, 256<<10)}, err
}

func (x *recompress) run(streams ...[]byte) error {
	x.w.Reset(io.Discard)
	for _, s := range streams {
		x.r.Reset(bytes.NewReader(s))
		if _, err := io.CopyBuffer(x.w, struct{ io.Reader }{x.r}, x.buf); err != nil {
			return err
		}
	}
	return x.w.Close()
}

// recompression measures decoding and encoding a stream of eight blocks on two cores against one.
func (b *bench) recompression(lines [][]byte) error {
	f := figure{name: "recompression, 2 cores / 1, wall", gate: 0.6, atMost: true}
	object := objects(lines, len(lines))[0]
	stream := new(bzip2.Encoder).Encode(nil, object)
	one, err := newRecompress(1)
	if err != nil {
		return err
	}
	two, err := newRecompress(2)
	if err != nil {
		return err
	}
	if err := two.run(stream); err != nil {
		return err
	}
	return b.onTwoCores(f, func() (float64, string, error) {
		t1 := wallOf(func() { err = one.run(stream) })
		t2 := wallOf(func() { err = two.run(stream) })
		return float64(t2) / float64(t1), fmt.Sprintf("%.1f MB in %d ms", float64(len(object))/1e6, t2.Milliseconds()), err
	})
}

// reader measures the own block decoder against dsnet's; issue 6 asks for one of our own if it is worth 1.5.
func (b *bench) reader(lines [][]byte) error {
	object := objects(lines, len(lines))[0]
	stream := new(bzip2.Encoder).Encode(nil, object)
	buf := make([]byte, 256<<10)
	var readers []*bzip2.Reader
	for _, c := range []bzip2.ReaderConfig{{}, {Codec: bzip2.CodecDsnet}} {
		r, err := bzip2.NewReader(nil, c)
		if err != nil {
			return err
		}
		readers = append(readers, r)
	}
	var err error
	run := func(i int) float64 {
		return float64(cpuOf(func() {
			readers[i].Reset(bytes.NewReader(stream))
			_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{readers[i]}, buf)
		}))
	}
	run(0)
	return b.add(figure{name: "reader / dsnet reader, 10 000 records", gate: 1.5}, func() (float64, string, error) {
		own := run(0)
		return run(1) / own, fmt.Sprintf("%.0f MB/s", float64(len(object))/own*1e3), err
	})
}
