package bzip2

import "math/bits"

// symbol is what strings are made of: bytes on the first level, ranks of 16 or 32 bits below it.
type symbol interface{ byte | uint16 | uint32 }

// rankPad is how many symbols are kept after a string of ranks, so that packSymbols can read at every place.
const rankPad = 4

// orderLMS fills sorted with the entries of the LMS places of level l (in the order of the text: entries) in the order
// of their suffixes. The level's phrases are numbered in its ids and different in so many cases.
func (s *sorter) orderLMS(l int, entries, sorted []uint32, different int) {
	lv := s.level(l)
	m := len(entries)
	switch {
	case different == m: // no two phrases are equal: the order of the phrases is that of the suffixes
		for i, p := range s.order.items {
			sorted[i] = entries[p.id]
		}
		s.turn.pass() // once a block, on the deepest level
	case different <= 1<<16:
		lv.narrow = grow(lv.narrow, m+1+rankPad)
		writeRanks(s, lv.ids, lv.narrow)
		sortRanks(s, l+1, lv.narrow, different, entries, sorted)
	default:
		lv.wide = grow(lv.wide, m+1+rankPad)
		writeRanks(s, lv.ids, lv.wide)
		sortRanks(s, l+1, lv.wide, different, entries, sorted)
	}
}

// writeRanks writes the rank of each LMS place's phrase to str[1:], the last one to str[0] and the first ones after
// the end.
func writeRanks[T symbol](s *sorter, ids []uint32, str []T) {
	s.rank = grow(s.rank, len(s.order.items))
	for i, p := range s.order.items {
		s.rank[p.id] = uint32(i)
	}
	m := len(ids)
	for i, id := range ids {
		str[i+1] = T(s.rank[id])
	}
	str[0] = str[m]
	for i := range rankPad {
		str[m+1+i] = str[1+i%m]
	}
}

// sortRanks sorts the suffixes of a Lyndon word of symbols below k, str[1:len(str)-rankPad], and stores
// entries[place] in that order.
func sortRanks[T symbol](s *sorter, l int, str []T, k int, entries, sorted []uint32) {
	n := len(str) - 1 - rankPad
	before, r := str, str[1:] // before[j] is the symbol before place j
	lv := s.level(l)
	pos := lmsPlaces(lv, r[:n])
	m := len(pos) - 1
	lv.ids = grow(lv.ids, m)
	different := nameRanks(s, r, pos, lv.ids, uint(bits.Len(uint(k))))

	lv.bounds = grow(lv.bounds, k+1)
	lv.heads = grow(lv.heads, k)
	lv.tails = grow(lv.tails, k)
	lv.lmsSize = grow(lv.lmsSize, k)
	bounds, heads, tails, lmsSize := lv.bounds, lv.heads, lv.tails, lv.lmsSize
	clear(tails)
	clear(lmsSize)
	for _, c := range r[:n] {
		tails[c]++
	}
	for _, p := range pos[:m] {
		lmsSize[r[p]]++
	}
	pos[0] = uint32(n) // the place before the first is the last
	lv.sorted = grow(lv.sorted, m)
	s.orderLMS(l, pos[:m], lv.sorted, different)

	sum := uint32(0)
	for c, size := range tails {
		bounds[c], heads[c] = sum, sum
		sum += size
		tails[c] = sum
	}
	bounds[k] = sum
	s.sa = grow(s.sa, n)
	sa, lms := s.sa, lv.sorted
	for c := range k { // L suffixes, left to right, as in sorter.induce
		for i := bounds[c]; i < heads[c]; i++ {
			j := sa[i]
			b := before[j]
			if b >= T(c) {
				h := heads[b]
				heads[b] = h + 1
				sa[h] = j - 1
			}
		}
		for _, j := range lms[:lmsSize[c]] {
			j--
			b := r[j]
			h := heads[b]
			heads[b] = h + 1
			sa[h] = j
		}
		lms = lms[lmsSize[c]:]
	}
	for i := n - 1; i >= 0; i-- { // S suffixes, right to left
		j := sa[i]
		sorted[i] = entries[j]
		b, c := before[j], before[j+1]
		if b < c || b == c && uint32(i) >= tails[c] {
			h := tails[b] - 1
			tails[b] = h
			sa[h] = j - 1
		}
	}
}
