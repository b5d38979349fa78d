package bzip2

import (
	"bytes"
	"slices"
	"testing"
)

// byDefinition sorts the rotations themselves.
func byDefinition(s []byte) (last []byte, rows [][]byte) {
	n := len(s)
	twice := append(slices.Clone(s), s...)
	rows = make([][]byte, n)
	for i := range rows {
		rows[i] = twice[i : i+n]
	}
	slices.SortFunc(rows, bytes.Compare)
	for _, r := range rows {
		last = append(last, r[n-1])
	}
	return last, rows
}

func checkTransform(t *testing.T, s *sorter, b []byte) {
	t.Helper()
	want, rows := byDefinition(b)
	got := slices.Clone(b)
	count := histogram(got)
	row := s.transform(got, &count)
	if !bytes.Equal(want, got) || row < 0 || row >= len(rows) || !bytes.Equal(rows[row], b) {
		t.Fatalf("transform of %d bytes %.80q is not the one by definition (row %d)", len(b), b, row)
	}
}

func TestTransformOfAllShortStrings(t *testing.T) {
	var s sorter
	for alphabet := 1; alphabet <= 3; alphabet++ {
		for n := 1; n <= 12-2*(alphabet-1); n++ {
			total := 1
			for range n {
				total *= alphabet
			}
			b := make([]byte, n)
			for x := range total {
				for i := range b {
					b[i] = "\x00a\xff"[x%alphabet]
					x /= alphabet
				}
				checkTransform(t, &s, b)
			}
		}
	}
}

func TestTransformOfRandomAndPeriodicStrings(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	var s sorter
	rng := newRand(seed)
	rounds := 8000
	if raceEnabled {
		rounds = 1500
	}
	for range rounds {
		alphabet := 1 + rng.IntN(6)
		if rng.IntN(3) == 0 {
			alphabet = 256
		}
		b := randomBytes(rng, 1+rng.IntN(300), alphabet)
		switch rng.IntN(4) {
		case 0:
			p := 1 + rng.IntN(len(b))
			for i := p; i < len(b); i++ {
				b[i] = b[i-p]
			}
			if rng.IntN(2) == 0 {
				b[rng.IntN(len(b))]++
			}
		case 1:
			b = bytes.Repeat(b[:1+rng.IntN(len(b))], 1+rng.IntN(4))
		}
		checkTransform(t, &s, b)
	}
	for n := 1; n < 200; n++ {
		checkTransform(t, &s, fibonacci(n))
		checkTransform(t, &s, thueMorse(n))
	}
	for _, name := range nastyNames() {
		for _, n := range []int{600, 1999} {
			checkTransform(t, &s, nasty(name, n))
		}
	}
}
