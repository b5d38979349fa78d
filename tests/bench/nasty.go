package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"

	"penstock/internal/bzip2"
)

// nastyBlocks are full blocks that are hard for some sorter, by name and in a fixed order.
func nastyBlocks(seed uint64) (names []string, blocks [][]byte) {
	const n = 899_981
	rng := rand.New(rand.NewPCG(seed, seed))
	random := make([]byte, n)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	grown := func(f func(i int) []byte) []byte {
		var b []byte
		for i := 0; len(b) < n; i++ {
			b = append(b, f(i)...)
		}
		return b[:n]
	}
	fibonacci := []string{"a", "ab"}
	for len(fibonacci[1]) < n {
		fibonacci = []string{fibonacci[1], fibonacci[1] + fibonacci[0]}
	}
	add := func(name string, b []byte) { names, blocks = append(names, name), append(blocks, b) }
	add("random", random)
	add("random twice", bytes.Repeat(random[:n/2+1], 2)[:n])
	add("random bits", grown(func(i int) []byte { return []byte{'a' + random[i]&1} }))
	add("one symbol", bytes.Repeat([]byte("a"), n))
	add("ten symbols in turn", grown(func(int) []byte { return []byte("abcdefghij") }))
	add("fibonacci", []byte(fibonacci[1][:n]))
	add("a^i b", grown(func(i int) []byte { return append(bytes.Repeat([]byte("a"), i), 'b') }))
	add("(ab)^i c", grown(func(i int) []byte { return append(bytes.Repeat([]byte("ab"), i), 'c') }))
	add("one line", grown(func(int) []byte { return random[:533] }))
	add("hills", grown(func(i int) []byte { return []byte{'a', 'b' + random[i%n]&1} }))
	return names, blocks
}

// nasty measures the worst speed over blocks that are hard to sort.
func (b *bench) nasty([][]byte) error {
	f := figure{name: "writer / libbz2 -9, worst nasty block", gate: 0.8}
	if b.peer == nil {
		f.missing = b.peerName
		b.figures = append(b.figures, f)
		return nil
	}
	names, blocks := nastyBlocks(b.seed)
	rounds := b.rounds
	w, err := bzip2.NewWriter(io.Discard, bzip2.WriterConfig{})
	if err != nil {
		return err
	}
	worst := f
	if !b.wants(f.name) {
		return nil
	}
	for i, block := range blocks {
		var ratios []float64
		for range min(rounds, 5) {
			own := cpuOf(func() {
				w.Reset(io.Discard)
				if _, err = w.Write(block); err == nil {
					err = w.Close()
				}
			})
			if err != nil {
				return err
			}
			theirs, err := b.peer.compress(block)
			if err != nil {
				return err
			}
			ratios = append(ratios, float64(theirs.cpu)/float64(own))
		}
		if g := f.ofRatios(ratios); worst.note == "" || g.value < worst.value {
			worst = g
			worst.note = names[i]
		}
	}
	worst.note = fmt.Sprintf("%s, of %d kinds", worst.note, len(blocks))
	b.figures = append(b.figures, worst)
	return nil
}
