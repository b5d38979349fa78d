package bzip2

import (
	"encoding/binary"
	"slices"
)

// refinements is how often groups choose their cheapest table and tables follow their groups; libbz2's number.
const refinements = 4

// tables codes the symbols of a block with up to six Huffman codes, of which each group of 50 symbols selects one.
type tables struct {
	lens      [maxTables][maxSymbols]uint8
	freq      [maxTables][maxSymbols]int32
	selectors []uint8
}

// tableCount returns how many tables libbz2 uses for a number of symbols.
func tableCount(symbols int) int {
	for i, n := range [...]int{200, 600, 1200, 2400} {
		if symbols < n {
			return 2 + i
		}
	}
	return maxTables
}

// write appends the tables, the selectors and the coded symbols, which are below alphabet.
func (t *tables) write(w *bitWriter, symbols []uint16, alphabet int) {
	count := tableCount(len(symbols))
	t.divide(symbols, alphabet, count)
	groups := (len(symbols) + groupSize - 1) / groupSize
	if cap(t.selectors) < groups {
		t.selectors = make([]uint8, 0, maxSelectors)
	}
	t.selectors = t.selectors[:groups]
	for range refinements {
		t.assign(symbols, alphabet, count)
		for i := range count {
			codeLengths(t.lens[i][:alphabet], t.freq[i][:alphabet])
		}
	}
	t.writeSelectors(w, count)
	t.writeSymbols(w, symbols, alphabet, count)
}

// divide sets the first tables: the alphabet is divided into ranges of equal shares, and each table prefers one.
func (t *tables) divide(symbols []uint16, alphabet, count int) {
	var freq [maxSymbols]int
	for _, x := range symbols {
		freq[x]++
	}
	rest, first := len(symbols), 0
	for p := count; p > 0; p-- {
		share := rest / p
		last, sum := first-1, 0
		for sum < share && last < alphabet-1 {
			last++
			sum += freq[last]
		}
		if last > first && p != count && p != 1 && (count-p)%2 == 1 {
			sum -= freq[last]
			last--
		}
		for v := range alphabet {
			if first <= v && v <= last {
				t.lens[p-1][v] = 0
			} else {
				t.lens[p-1][v] = 15
			}
		}
		first = last + 1
		rest -= sum
	}
}

// assign gives each group the table that codes it in the fewest bits and counts the symbols of each table's groups.
func (t *tables) assign(symbols []uint16, alphabet, count int) {
	// The costs of a group under six tables, below 2^10 each (50 symbols of 17 bits), add up in one word.
	var cost [maxSymbols]uint64
	for i := range count {
		clear(t.freq[i][:alphabet])
		for v, l := range t.lens[i][:alphabet] {
			cost[v] |= uint64(l) << (10 * i)
		}
	}
	for g := range t.selectors {
		group := symbols[g*groupSize : min((g+1)*groupSize, len(symbols))]
		var sum uint64
		for _, x := range group {
			sum += cost[x]
		}
		best := uint64(1 << 40)
		for i := range count {
			best = min(best, sum&1023<<3|uint64(i))
			sum >>= 10
		}
		t.selectors[g] = uint8(best & 7)
		freq := &t.freq[best&7]
		for _, x := range group {
			freq[x]++
		}
	}
}

// writeSelectors appends the number of tables and each group's table: its rank in a move-to-front list, in unary.
func (t *tables) writeSelectors(w *bitWriter, count int) {
	w.put(uint64(count), 3)
	w.put(uint64(len(t.selectors)), 15)
	list := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for _, x := range t.selectors {
		j := uint(0)
		for list[j] != x {
			j++
		}
		copy(list[1:j+1], list[:j])
		list[0] = x
		w.put(1<<(j+1)-2, j+1)
	}
}

// writeSymbols appends the code lengths, as differences, and then the symbols.
func (t *tables) writeSymbols(w *bitWriter, symbols []uint16, alphabet, count int) {
	var codes [maxTables][maxSymbols]uint32 // code << 8 | length
	for i := range count {
		lens := t.lens[i][:alphabet]
		assignCodes(codes[i][:alphabet], lens)
		cur := lens[0]
		w.put(uint64(cur), 5)
		for _, l := range lens {
			for ; cur < l; cur++ {
				w.put(2, 2)
			}
			for ; cur > l; cur-- {
				w.put(3, 2)
			}
			w.put(0, 1)
		}
	}
	out, acc, n := w.buf, w.acc, w.n
	for g, x := range t.selectors {
		table := &codes[x]
		out = slices.Grow(out, groupSize*maxCodeLen/8+8)
		p := len(out)
		out = out[:cap(out)]
		for _, x := range symbols[g*groupSize : min((g+1)*groupSize, len(symbols))] {
			c := table[x]
			l := uint(c & 31)
			acc = acc<<l | uint64(c>>8)
			if n += l; n >= 32 {
				n -= 32
				binary.BigEndian.PutUint32(out[p:], uint32(acc>>n))
				p += 4
			}
		}
		out = out[:p]
	}
	w.buf, w.acc, w.n = out, acc, n
}

// assignCodes sets the canonical codes: shorter codes first, equal lengths in the order of the symbols.
func assignCodes(codes []uint32, lens []uint8) {
	c := uint32(0)
	for l := uint8(1); l <= encodeLimit; l++ {
		for v, x := range lens {
			if x == l {
				codes[v] = c<<8 | uint32(l)
				c++
			}
		}
		c <<= 1
	}
}
