package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"io"
	"maps"
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

func repeat(s string, n int) []byte { return bytes.Repeat([]byte(s), n/len(s)+1)[:n] }

// grown appends what f makes of 0, 1, 2, ... until there are n bytes.
func grown(n int, f func(i int) []byte) []byte {
	b := make([]byte, 0, n+300)
	for i := 0; len(b) < n; i++ {
		b = append(b, f(i)...)
	}
	return b[:n]
}

// nastyKinds make blocks of n bytes that are hard for some sorter.
var nastyKinds = map[string]func(n int) []byte{
	"random":      func(n int) []byte { return randomBytes(newRand(7), n, 256) },
	"random bits": func(n int) []byte { return randomBytes(newRand(7), n, 2) },
	"one symbol":  func(n int) []byte { return repeat("a", n) },
	"count byte":  func(n int) []byte { return repeat("\xfb", n) },
	"ab":          func(n int) []byte { return repeat("ab", n) },
	"ten":         func(n int) []byte { return repeat("abcdefghij", n) },
	"fours":       func(n int) []byte { return repeat("aaaabbbbccccdddd", n) },
	"fibonacci":   fibonacci,
	"thue-morse":  thueMorse,
	"random twice": func(n int) []byte {
		return bytes.Repeat(randomBytes(newRand(7), (n+1)/2, 256), 2)[:n]
	},
	"line": func(n int) []byte { return repeat(string(randomBytes(newRand(7), 533, 256)), n) },
	"mutated line": func(n int) []byte {
		b := repeat(string(randomBytes(newRand(7), 533, 256)), n)
		for i := 0; i < n; i += 5000 {
			b[i]++
		}
		return b
	},
	"a..ab":    func(n int) []byte { return append(repeat("a", n), 'b')[1:] },
	"ba..a":    func(n int) []byte { return append([]byte("b"), repeat("a", n)...)[:n] },
	"a^i b":    func(n int) []byte { return grown(n, func(i int) []byte { return append(repeat("a", i), 'b') }) },
	"(ab)^i c": func(n int) []byte { return grown(n, func(i int) []byte { return append(repeat("ab", 2*i), 'c') }) },
	"counting": func(n int) []byte { return grown(n, func(i int) []byte { return []byte{byte(i)} }) },
	"hills": func(n int) []byte { // the most LMS places that there can be
		rng := newRand(7)
		return grown(n, func(int) []byte { return []byte{'a', byte('b' + rng.IntN(2))} })
	},
	"runs": func(n int) []byte {
		rng := newRand(7)
		return grown(n, func(i int) []byte { return repeat(string([]byte{byte(i)}), 1+rng.IntN(270)) })
	},
}

func nasty(kind string, n int) []byte { return nastyKinds[kind](n) }

func nastyNames() []string { return slices.Sorted(maps.Keys(nastyKinds)) }

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
