package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	dsnet "github.com/dsnet/compress/bzip2"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 6)) }

func randomBytes(r *rand.Rand, n, alphabet int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(alphabet))
	}
	return b
}

// fibonacci and thueMorse are strings with as many repetitions, and as few, as can be.
func fibonacci(n int) []byte {
	a, b := "a", "ab"
	for len(b) < n {
		a, b = b, b+a
	}
	return []byte(b[:n])
}

func thueMorse(n int) []byte {
	s := make([]byte, n)
	for i := range s {
		c := byte(0)
		for x := i; x > 0; x &= x - 1 {
			c ^= 1
		}
		s[i] = 'a' + c
	}
	return s
}

// nasty returns blocks of n bytes that are hard for some sorter, by name.
func nasty(n int) map[string][]byte {
	rng := newRand(7)
	random := randomBytes(rng, n, 256)
	repeat := func(s string) []byte { return bytes.Repeat([]byte(s), n/len(s)+1)[:n] }
	line := repeat(string(random[:min(533, n)]))
	mutated := slices.Clone(line)
	for i := 0; i < n; i += 5000 {
		mutated[i]++
	}
	lastLarger, firstLarger := repeat("a"), repeat("a")
	lastLarger[n-1], firstLarger[0] = 'b', 'b'
	var ramp, pairRamp, hills []byte
	for i := 1; len(ramp) < n; i++ {
		ramp = append(append(ramp, bytes.Repeat([]byte("a"), i)...), 'b')
	}
	for i := 1; len(pairRamp) < n; i++ {
		pairRamp = append(append(pairRamp, bytes.Repeat([]byte("ab"), i)...), 'c')
	}
	for len(hills) < n { // the most LMS places that there can be
		hills = append(hills, 'a', byte('b'+rng.IntN(2)))
	}
	count := make([]byte, n)
	for i := range count {
		count[i] = byte(i)
	}
	runs := make([]byte, 0, n+300)
	for i := 0; len(runs) < n; i++ {
		runs = append(runs, bytes.Repeat([]byte{byte(i)}, 1+rng.IntN(270))...)
	}
	return map[string][]byte{
		"random": random, "random bits": randomBytes(rng, n, 2), "one symbol": repeat("a"), "count byte": repeat("\xfb"),
		"ab": repeat("ab"), "ten": repeat("abcdefghij"), "fours": repeat("aaaabbbbccccdddd"), "fibonacci": fibonacci(n), "thue-morse": thueMorse(n),
		"random twice": bytes.Repeat(random[:(n+1)/2], 2)[:n], "line": line, "mutated line": mutated, "a..ab": lastLarger, "ba..a": firstLarger,
		"a^i b": ramp[:n], "(ab)^i c": pairRamp[:n], "counting": count, "hills": hills[:n], "runs": runs[:n],
	}
}

// decoders are those that everyone has; the tests of commands add others.
var decoders = map[string]func(c []byte) ([]byte, error){
	"standard library": func(c []byte) ([]byte, error) { return io.ReadAll(stdbzip2.NewReader(bytes.NewReader(c))) },
	"dsnet": func(c []byte) ([]byte, error) {
		r, err := dsnet.NewReader(bytes.NewReader(c), nil)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
	"own": func(c []byte) ([]byte, error) {
		r, err := NewReader(bytes.NewReader(c), ReaderConfig{})
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	},
}

func mustDecode(t testing.TB, decoder string, c, want []byte) {
	t.Helper()
	got, err := decoders[decoder](c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s decodes %d bytes to %d, %v; want %d", decoder, len(c), len(got), err, len(want))
	}
}

func encode(t testing.TB, c WriterConfig, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
