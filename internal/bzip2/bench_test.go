package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"fmt"
	"hash/fnv"
	"io"
	"testing"
	"time"

	"penstock/internal/generate"
)

// eventLines returns n lines of generated events of one shard in ten.
func eventLines(tb testing.TB, n int) []byte {
	tb.Helper()
	g, err := generate.New(generate.Config{
		Seed: 1, Start: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC), Duration: time.Hour, Events: 13 * n, MangledEvery: -1,
	})
	if err != nil {
		tb.Fatal(err)
	}
	var b []byte
	for k := 0; k < n; {
		e, ok := g.Next()
		if !ok {
			tb.Fatal("too few events")
		}
		h := fnv.New32a()
		h.Write([]byte(e.Key))
		if h.Sum32()%10 == 0 {
			b = append(append(b, e.Data...), '\n')
			k++
		}
	}
	return b
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{500, 10_000} {
		in := eventLines(b, n)
		for _, c := range []WriterConfig{{}, {Procs: 2}, {Codec: CodecDsnet}} {
			b.Run(fmt.Sprintf("records=%d/codec=%v/procs=%d", n, c.Codec, c.Procs), func(b *testing.B) {
				e := Encoder{Procs: c.Procs, Codec: c.Codec}
				out := e.Encode(nil, in)
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					out = e.Encode(out[:0], in)
				}
			})
		}
	}
}

func BenchmarkEncodeNasty(b *testing.B) {
	for _, name := range nastyNames() {
		in := nasty(name, limitOf(9))
		b.Run(name, func(b *testing.B) {
			var e Encoder
			out := e.Encode(nil, in)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				out = e.Encode(out[:0], in)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{500, 10_000} {
		in := eventLines(b, n)
		c := encode(b, WriterConfig{}, in)
		buf := make([]byte, 64<<10)
		run := func(b *testing.B, reset func(io.Reader) io.Reader) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if k, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{reset(bytes.NewReader(c))}, buf); err != nil || k != int64(len(in)) {
					b.Fatal(k, err)
				}
			}
		}
		for _, conf := range []ReaderConfig{{}, {Procs: 2}, {Codec: CodecDsnet}} {
			z, err := NewReader(bytes.NewReader(c), conf)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("records=%d/codec=%v/procs=%d", n, conf.Codec, conf.Procs), func(b *testing.B) {
				run(b, func(r io.Reader) io.Reader { z.Reset(r); return z })
			})
		}
		b.Run(fmt.Sprintf("records=%d/codec=std", n), func(b *testing.B) {
			run(b, func(r io.Reader) io.Reader { return stdbzip2.NewReader(r) })
		})
	}
}

func BenchmarkDecodeNasty(b *testing.B) {
	for _, name := range nastyNames() {
		in := nasty(name, limitOf(9))
		c := encode(b, WriterConfig{}, in)
		for _, codec := range []Codec{CodecOwn, CodecDsnet} {
			z, err := NewReader(nil, ReaderConfig{Codec: codec})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/codec=%v", name, codec), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				for b.Loop() {
					z.Reset(bytes.NewReader(c))
					if k, err := io.Copy(io.Discard, struct{ io.Reader }{z}); err != nil || k != int64(len(in)) {
						b.Fatal(k, err)
					}
				}
			})
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	in := eventLines(b, 10_000)
	c := encode(b, WriterConfig{}, in)
	j := NewJoiner(io.Discard)
	b.SetBytes(int64(len(c)))
	b.ReportAllocs()
	for b.Loop() {
		j.Reset(io.Discard)
		for range 16 {
			if _, err := j.Add(bytes.NewReader(c)); err != nil {
				b.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
