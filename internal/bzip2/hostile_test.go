package bzip2

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"testing"
)

// With a multiplier of 1 the hash is the key itself, and almost all phrases collide. Only time may depend on it.
func TestTransformDoesNotDependOnTheHash(t *testing.T) {
	good, weak, other := new(sorter), new(sorter), new(sorter)
	weak.names.mul = 1
	other.names.mul, other.names.seed = 0x9e3779b97f4a7c15, 12345
	for _, name := range nastyNames() {
		want := nasty(name, 5000)
		count := histogram(want)
		row := good.transform(want, &count)
		for _, s := range []*sorter{weak, other} {
			got := nasty(name, 5000)
			count := histogram(got)
			if r := s.transform(got, &count); r != row || !bytes.Equal(got, want) {
				t.Errorf("%s: another transform with multiplier %#x", name, s.names.mul)
			}
		}
	}
}

// In a plain product the top bit of a word reaches only the top bit of the hash, whatever the multiplier. Two flips
// then cancel out: the second in the bits to which the first was spread.
func TestFlipsThatCancelInAPlainProductDoNotCollide(t *testing.T) {
	rng := newRand(1)
	const top, spread = 1 << 63, 1<<63 | 1<<34
	for range 1000 {
		mul, seed := rng.Uint64()|1, rng.Uint64()
		w0, w1 := rng.Uint64(), rng.Uint64()
		plain := func(a, b uint64) uint64 {
			h := (seed ^ a) * mul
			h ^= h >> 29
			return (h ^ b) * mul
		}
		if plain(w0, w1) != plain(w0^top, w1^spread) {
			t.Fatal("the attack does not work on a plain product: the test is wrong")
		}
		if mix(mix(seed^w0, mul)^w1, mul) == mix(mix(seed^w0^top, mul)^w1^spread, mul) {
			t.Fatalf("multiplier %#x: collision", mul)
		}
	}
}

// Keys that are regular must not make long clusters in the table.
func TestRegularKeysDoNotCluster(t *testing.T) {
	const keys = 40_000
	for name, key := range map[string]func(i uint64) uint64{
		"counting":       func(i uint64) uint64 { return i },
		"high bits":      func(i uint64) uint64 { return i << 47 },
		"reversed":       bits.Reverse64,
		"both halves":    func(i uint64) uint64 { return i<<32 | i },
		"low byte apart": func(i uint64) uint64 { return i << 8 },
		"golden":         func(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 },
	} {
		for range 2 {
			var h naming
			h.start()
			for i := range uint64(keys) {
				k := key(i)
				x := mix(k^h.seed, h.mul) >> h.shift
				for h.table[x] != 0 {
					x = (x + 1) & uint64(len(h.table)-1)
				}
				h.add(x, k, uint32(i))
			}
			longest, run := 0, 0
			for _, id := range h.table {
				if run++; id == 0 {
					run = 0
				}
				longest = max(longest, run)
			}
			if longest > 1000 {
				t.Errorf("%s: %d slots in a row are taken", name, longest)
			}
		}
	}
}

// The phrases a, ab, aab, aaab, ... share as much as different phrases can: comparing them may not cost more than
// reading them.
func TestSortingPhrasesLooksAtEachSymbolOnce(t *testing.T) {
	var text []byte
	var first []uint32
	var starts []uint32
	for i := range 600 {
		first = append(first, uint32(i))
		starts = append(starts, uint32(len(text)))
		text = append(append(text, bytes.Repeat([]byte("a"), i)...), 'b', 'c')
	}
	text = append(text, make([]byte, 16)...)
	newRand(1).Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	calls := 0
	var o phraseSorter
	o.sort(first, 8, func(index, depth uint32) uint64 {
		calls++
		return byteKey(text[starts[index]+depth:])
	})
	for i, p := range o.items {
		if want := uint32(len(first) - 1 - i); first[p.id] != want {
			t.Fatalf("phrase %d is at %d", first[p.id], i)
		}
	}
	if most := len(text)/8 + 2*len(first); calls > most {
		t.Errorf("%d keys were read of %d phrases with %d bytes, want %d at most", calls, len(first), len(text), most)
	}
}

func byteKey(b []byte) (key uint64) {
	for i := range 8 {
		key = key<<8 | uint64(b[i])
	}
	return key
}

func TestQuicksortOnPatternsThatBreakPivots(t *testing.T) {
	rng := newRand(2)
	for _, n := range []int{0, 1, 2, 12, 13, 100, 399, 401, 5000} {
		for name, key := range map[string]func(i int) uint64{
			"equal":       func(int) uint64 { return 7 },
			"two values":  func(i int) uint64 { return uint64(i % 2) },
			"ascending":   func(i int) uint64 { return uint64(i) },
			"descending":  func(i int) uint64 { return uint64(-i) },
			"organ pipe":  func(i int) uint64 { return uint64(min(i, n-i)) },
			"saw":         func(i int) uint64 { return uint64(i % 17) },
			"random":      func(int) uint64 { return rng.Uint64() },
			"few":         func(int) uint64 { return rng.Uint64() % 5 },
			"least pivot": func(i int) uint64 { return pivotTrap(i, n) },
		} {
			a := make([]phrase, n)
			for i := range a {
				a[i] = phrase{key(i), uint32(i)}
			}
			want := slices.Clone(a)
			slices.SortStableFunc(want, func(x, y phrase) int { return cmp.Compare(x.key, y.key) })
			quicksort(a)
			seen := make([]bool, n)
			for i := range a {
				if a[i].key != want[i].key || seen[a[i].id] {
					t.Fatalf("%s, %d: not sorted", name, n)
				}
				seen[a[i].id] = true
			}
		}
	}
}

// pivotTrap puts the smallest keys where the pivot is looked for.
func pivotTrap(i, n int) uint64 {
	for _, p := range []int{n / 4, n / 2, n - 1 - n/4, n / 8, n / 3, n - 1 - n/3, 0, n - 1 - n/8, n - 1} {
		if i == p {
			return 0
		}
	}
	return uint64(i)
}
