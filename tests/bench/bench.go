package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"penstock/internal/bzip2"
)

// bench collects figures.
type bench struct {
	file   string
	rounds int
	only   string
	seed   uint64

	peer     *peer
	peerName string // or why there is none
	figures  []figure
}

func (b *bench) close() {
	if b.peer != nil {
		b.peer.close()
	}
}

func (b *bench) wants(name string) bool { return strings.Contains(name, b.only) }

func (b *bench) measure() error {
	var err error
	if b.peer, err = startPeer(); err != nil {
		b.peerName = "libbz2: " + err.Error()
	} else {
		b.peerName = b.peer.name
	}
	lines, err := events(b.seed, 10_000)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name    string
		objects [][]byte
		speed   float64
	}{
		{"500 records", objects(lines, 500)[:8], 2.2},
		{"10 000 records", objects(lines, 10_000), 2.8},
	} {
		if err := b.writer(s.name, s.objects, s.speed); err != nil {
			return err
		}
	}
	if b.file != "" {
		data, err := os.ReadFile(b.file)
		if err != nil {
			return err
		}
		if err := b.writer("file", [][]byte{data}, 2.8); err != nil {
			return err
		}
	}
	for _, figure := range []func([][]byte) error{b.nasty, b.handler, b.goroutines, b.recompression, b.reader, b.join, b.joinMemory} {
		if err := figure(lines); err != nil {
			return err
		}
	}
	return nil
}

// add measures a figure, unless it is not wanted: once returns one ratio of interleaved runs and a note.
func (b *bench) add(f figure, once func() (float64, string, error)) error {
	if !b.wants(f.name) {
		return nil
	}
	var ratios []float64
	for range b.rounds {
		r, note, err := once()
		if err != nil {
			return fmt.Errorf("measure %s: %w", f.name, err)
		}
		ratios = append(ratios, r)
		f.note = note
	}
	b.figures = append(b.figures, f.ofRatios(ratios))
	return nil
}

// writer measures speed and size of the Writer on one goroutine against libbz2.
func (b *bench) writer(name string, objects [][]byte, gate float64) error {
	speed := figure{name: "writer / libbz2 -9, " + name, gate: gate}
	size := figure{name: "size / libbz2 -9, " + name, gate: 1.005, atMost: true}
	if !b.wants(speed.name) && !b.wants(size.name) {
		return nil
	}
	if b.peer == nil {
		speed.missing, size.missing = b.peerName, b.peerName
		b.figures = append(b.figures, speed, size)
		return nil
	}
	var out bytes.Buffer
	w, err := bzip2.NewWriter(&out, bzip2.WriterConfig{})
	if err != nil {
		return err
	}
	encode := func(o []byte) {
		out.Reset()
		w.Reset(&out)
		_, err = w.Write(o)
		if err == nil {
			err = w.Close()
		}
	}
	raw := 0
	var speeds, sizes []float64
	for round := range b.rounds {
		var own, theirs float64
		var ownSize, theirSize int
		for _, o := range objects {
			if round == 0 {
				raw += len(o)
				encode(o) // warm
			}
			own += float64(cpuOf(func() { encode(o) }))
			if err != nil {
				return fmt.Errorf("compress %s: %w", name, err)
			}
			a, err := b.peer.compress(o)
			if err != nil {
				return err
			}
			theirs += float64(a.cpu)
			ownSize, theirSize = ownSize+out.Len(), theirSize+a.size
		}
		speeds = append(speeds, theirs/own)
		sizes = append(sizes, float64(ownSize)/float64(theirSize))
		speed.note = fmt.Sprintf("%.0f MB/s of %.1f MB", float64(raw)/own*1e3, float64(raw)/1e6)
		size.note = fmt.Sprintf("%d / %d bytes", ownSize, theirSize)
	}
	runtime.GC()
	b.figures = append(b.figures, speed.ofRatios(speeds), size.ofRatios(sizes))
	return nil
}
