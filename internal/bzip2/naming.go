package bzip2

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// longKey marks keys that are hashes of a phrase, not the phrase itself.
const longKey = 1 << 63

// naming gives equal phrases equal numbers, 0, 1, 2, ... in the order of their first occurrence. It is a hash table
// with linear probing, never more than half full.
//
// The multipliers are drawn for each sorter, so that no input can be built to collide. A hash is the two halves of a
// 128-bit product: in a plain product the top bit of a factor reaches the top bit of the result only, whatever the
// multiplier, and two such flips a word apart would cancel out. Nothing that is written depends on the multipliers.
type naming struct {
	mul   uint64   // odd; 0 before the first use
	seed  uint64   // start of every hash
	table []uint32 // number of a phrase + 1, or 0
	shift uint     // 64 - log2(len(table))
	limit int      // phrases that the table takes before it must grow
	keys  []uint64 // by number
	first []uint32 // by number: index of the phrase's first occurrence
}

func (h *naming) start() {
	for h.mul == 0 {
		h.mul, h.seed = rand.Uint64()|1, rand.Uint64()
	}
	h.keys, h.first = h.keys[:0], h.first[:0]
	h.resize(12)
}

func (h *naming) resize(logSize uint) {
	h.table = grow(h.table, 1<<logSize)
	clear(h.table)
	h.shift = 64 - logSize
	h.limit = 1 << (logSize - 1)
}

// mix returns the folded product of x and the multiplier.
func mix(x, mul uint64) uint64 {
	hi, lo := bits.Mul64(x, mul)
	return hi ^ lo
}

// add numbers a new phrase that belongs at slot x of the table.
func (h *naming) add(x, key uint64, index uint32) uint32 {
	h.keys = append(h.keys, key)
	h.first = append(h.first, index)
	h.table[x] = uint32(len(h.keys))
	if len(h.keys) > h.limit {
		h.resize(64 - h.shift + 2)
		for i, key := range h.keys {
			x := mix(key^h.seed, h.mul) >> h.shift
			for h.table[x] != 0 {
				x = (x + 1) & uint64(len(h.table)-1)
			}
			h.table[x] = uint32(i + 1)
		}
	}
	return uint32(len(h.keys) - 1)
}

// nameBytes numbers the phrases of t, from one LMS place to the next, both included, sorts the different ones
// (s.order.items) and returns how many there are.
func (s *sorter) nameBytes(t []byte, pos, ids []uint32) int {
	h := &s.names
	h.start()
	mul, seed := h.mul, h.seed
	m := len(pos) - 1
	for k := range m {
		p := pos[k]
		n := pos[k+1] - p + 1
		key := binary.BigEndian.Uint64(t[p:])
		if n <= 7 {
			key = key>>(64-8*n) | uint64(n)<<56
		} else {
			b := t[p : p+n]
			x := seed ^ uint64(n)
			for len(b) > 8 {
				x = mix(x^binary.LittleEndian.Uint64(b), mul)
				b = b[8:]
			}
			key = mix(x^binary.LittleEndian.Uint64(t[p+n-8:]), mul) | longKey
		}
		x := mix(key^seed, mul) >> h.shift
		for {
			id := h.table[x]
			if id == 0 {
				ids[k] = h.add(x, key, uint32(k))
				break
			}
			if h.keys[id-1] == key {
				f := h.first[id-1]
				if key < longKey || pos[f+1]-pos[f]+1 == n && bytes.Equal(t[pos[f]:pos[f]+n], t[p:p+n]) {
					ids[k] = id - 1
					break
				}
			}
			x = (x + 1) & uint64(len(h.table)-1)
		}
	}
	s.turn.pass()
	s.order.sort(h.first, 8, func(index, depth uint32) uint64 {
		p := pos[index] + depth
		for p >= pos[m] {
			p -= pos[m]
		}
		return binary.BigEndian.Uint64(t[p:])
	})
	return len(h.keys)
}

// packSymbols joins four symbols of width <= 15 bits, or three of up to 20, in their order.
func packSymbols[T symbol](r []T, p uint32, width uint) uint64 {
	q := r[p : p+4]
	x := (uint64(q[0])<<width|uint64(q[1]))<<width | uint64(q[2])
	if width <= 15 {
		x = x<<width | uint64(q[3])
	}
	return x
}

// nameRanks is nameBytes for a string of symbols of at most 20 bits, none of which has all of its width bits set.
func nameRanks[T symbol](s *sorter, r []T, pos, ids []uint32, width uint) int {
	h := &s.names
	h.start()
	mul, seed := h.mul, h.seed
	per, fill := uint32(3), uint64(0) // symbols of a key; what marks a key of three where four fit
	if width <= 15 {
		per, fill = 4, 1<<width-1
	}
	m := len(pos) - 1
	for k := range m {
		p := pos[k]
		n := pos[k+1] - p + 1
		key := packSymbols(r, p, width)
		if n < per {
			key |= fill
		} else if n > per {
			x := seed ^ key
			for _, v := range r[p+per : p+n] {
				x = mix(x^uint64(v), mul)
			}
			key = x | longKey
		}
		x := mix(key^seed, mul) >> h.shift
		for {
			id := h.table[x]
			if id == 0 {
				ids[k] = h.add(x, key, uint32(k))
				break
			}
			if h.keys[id-1] == key {
				f := h.first[id-1]
				if key < longKey || pos[f+1]-pos[f]+1 == n && slices.Equal(r[pos[f]:pos[f]+n], r[p:p+n]) {
					ids[k] = id - 1
					break
				}
			}
			x = (x + 1) & uint64(len(h.table)-1)
		}
	}
	s.order.sort(h.first, per, func(index, depth uint32) uint64 {
		p := pos[index] + depth
		for p >= pos[m] {
			p -= pos[m]
		}
		return packSymbols(r, p, width)
	})
	return len(h.keys)
}
