package bzip2

// The Burrows-Wheeler transform (BWT) of a block is the last column of the sorted list of its rotations. Rotations
// are sorted here as suffixes:
//
// Let t be the least rotation of the block, or of its root if the block is a power (leastRotation). t is a Lyndon
// word: smaller than each of its proper suffixes. For such a word the order of the suffixes is the order of the
// rotations: where one suffix is a prefix of another, the shorter one goes on, as a rotation, with the start of t,
// which is not larger than what the longer one goes on with. So a suffix sorter, linear and without a sentinel,
// does all of the work, and reading past the end of t as if t began again never gives a wrong answer.
//
// The suffix sorter is SA-IS (Nong, Zhang, Chan: Two Efficient Algorithms for Linear Time Suffix Array Construction)
// with one change. A suffix is of type S if it is smaller than the one after it, else of type L; a place is LMS
// (leftmost S) if it is of type S and the place before it is not. SA-IS sorts the phrases between LMS places by a
// first round of induced sorting. Here they are named by a hash table instead (naming.go), and only the different
// ones are sorted (phrases.go): logs and events have twenty times as many phrases as different ones. Where two
// places share a phrase, the string of the phrases' ranks, again a Lyndon word and at most half as long, is sorted in
// the same way (rankstring.go). From the order of the LMS suffixes that of all is induced in two passes (below).

const (
	pad = 8 // bytes kept before and after the text, so that a word can be read at every place

	// A suffix array entry packs a place and the byte before it, which names the bucket of the suffix that it
	// induces, tells that suffix' type and is the output. So the passes do not look into the text to decide.
	placeBits = 24
	placeMask = 1<<placeBits - 1
)

// sorter computes transforms and keeps the memory for it: 16 bytes per byte of the largest block for typical text,
// up to 45 for random data. The zero value is ready. It is not safe for concurrent use.
type sorter struct {
	text   []byte   // pad bytes, the Lyndon word, pad bytes
	sa     []uint32 // suffix array under construction, shared by all levels
	lms    []uint32 // entries of the LMS places in suffix order
	levels []*level
	names  naming
	order  phraseSorter
	turn   *turn
	rank   []uint32 // by phrase: its place among the sorted phrases
}

// level holds what one level of recursion keeps while the levels below it run.
type level struct {
	pos     []uint32 // LMS places, ascending, then the length of the string
	ids     []uint32 // phrase of each LMS place
	narrow  []uint16 // its rank: the string of the next level, if 16 bits hold the ranks, to stay in the cache
	wide    []uint32 // the same if they do not
	sorted  []uint32 // LMS places in suffix order
	lmsSize []uint32 // LMS places by symbol
	bounds  []uint32 // bucket bounds
	heads   []uint32 // by symbol: the next free place for an L suffix
	tails   []uint32 // by symbol: the last used place of an S suffix
}

// grow returns a slice of n elements whose content is undefined.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8)
	}
	return s[:n]
}

func (s *sorter) level(i int) *level {
	for len(s.levels) <= i {
		s.levels = append(s.levels, new(level))
	}
	return s.levels[i]
}

// transform overwrites the block with its transform and returns the row of the block itself among the sorted
// rotations. count holds the number of times each byte occurs in the block and is clobbered. The block has between 1
// and maxBlock bytes.
func (s *sorter) transform(block []byte, count *[256]uint32) int {
	n := len(block)
	if n == 1 {
		return 0
	}
	least := 0
	for count[least] == 0 {
		least++
	}
	start, period := leastRotation(block, byte(least))
	power := n / period
	if power > 1 {
		for c := range count {
			count[c] /= uint32(power)
		}
	}
	s.load(block, start, period)
	row := s.sortLyndon(period, (period-start)%period, count, block[:period])
	if power > 1 { // each rotation of the root stands for power equal ones
		for i := period - 1; i >= 0; i-- {
			c := block[i]
			for k := i * power; k < (i+1)*power; k++ {
				block[k] = c
			}
		}
	}
	return row * power
}

// load sets the text to the n bytes of b from start on, taken cyclically, with what surrounds them.
func (s *sorter) load(b []byte, start, n int) {
	s.text = grow(s.text, n+2*pad)
	t := s.text[pad:]
	k := copy(t[:n], b[start:n])
	copy(t[k:n], b[:start])
	for i := range pad {
		t[n+i] = t[i]
		s.text[pad-1-i] = t[(n*pad-1-i)%n]
	}
}

// sortLyndon writes the last column of the text of n bytes to out and returns the row of the rotation that starts at
// origin.
func (s *sorter) sortLyndon(n, origin int, count *[256]uint32, out []byte) int {
	t, before := s.text[pad:], s.text[pad-1:] // before[j] is the byte before place j
	if n == 1 {
		out[0] = t[0]
		return 0
	}
	lv := s.level(0)
	pos := lmsPlaces(lv, t[:n])
	m := len(pos) - 1
	lv.ids = grow(lv.ids, m)
	different := s.nameBytes(t, pos, lv.ids)

	// From now on an LMS place is kept as the entry that its first use induces: the place before, and the byte there.
	var lmsSize [256]uint32
	for i, p := range pos[:m] {
		lmsSize[t[p]]++
		pos[i] = p - 1 | uint32(before[p])<<placeBits
	}
	pos[0] = uint32(n) - 1 | uint32(before[0])<<placeBits
	s.lms = grow(s.lms, m)
	s.orderLMS(0, pos[:m], s.lms, different)
	return s.induce(n, origin, count, &lmsSize, out)
}

// lmsPlaces returns the LMS places of a Lyndon word and, as the last one, its length. Place 0 is one of them: it is
// the smallest suffix, and what is before it, cyclically, is larger.
//
// The list is filled from its end. Place 1 is not LMS and no two neighbours are, so it has at most (n-1)/2 + 2
// members, and the free place that the loop writes to on every step, without a branch, always exists.
func lmsPlaces[T symbol](lv *level, t []T) []uint32 {
	n := len(t)
	lv.pos = grow(lv.pos, n/2+2)
	pos := lv.pos
	k := len(pos) - 1
	pos[k] = uint32(n)
	k--
	typeS, next := int32(0), int32(t[n-1]) // typeS is 1 for S: the last suffix is L, as place 0 is smaller
	for i := n - 2; i >= 0; i-- {
		c := int32(t[i])
		isS := int32(uint32(c-next-typeS) >> 31) // 1 if c < next, or c == next and the next suffix is S
		pos[k] = uint32(i + 1)
		k -= int(typeS &^ isS)
		typeS, next = isS, c
	}
	pos[k] = 0
	return pos[k:]
}

// induce orders all suffixes from the ordered LMS ones (s.lms, lmsSize of each byte) and writes the byte before each
// to out.
func (s *sorter) induce(n, origin int, count, lmsSize *[256]uint32, out []byte) int {
	t, before := s.text[pad:], s.text[pad-1:]
	s.sa = grow(s.sa, n)
	sa, lms := s.sa, s.lms
	var heads, tails [256]uint32
	var bounds [257]uint32
	sum := uint32(0)
	for c := range 256 {
		bounds[c], heads[c] = sum, sum
		sum += count[c]
		tails[c] = sum
	}
	bounds[256] = sum

	// Left to right: an L suffix is larger than the one after it, so that one has been seen when its own turn comes.
	for c := range uint32(256) {
		if bounds[c] == bounds[c+1] {
			continue
		}
		for i := bounds[c]; i < heads[c]; i++ {
			e := sa[i]
			b := e >> placeBits
			if b >= c { // the suffix before this L suffix is L, too
				j := e&placeMask - 1
				h := heads[b]
				heads[b] = h + 1
				sa[h] = j | uint32(before[j])<<placeBits
			}
		}
		for _, e := range lms[:lmsSize[c]] {
			b := e >> placeBits
			j := e & placeMask
			h := heads[b]
			heads[b] = h + 1
			sa[h] = j | uint32(before[j])<<placeBits
		}
		lms = lms[lmsSize[c]:]
	}

	s.turn.pass()

	// Right to left: the same for S. Every row is passed once, complete, so the last column is written on the way. In
	// a bucket the S suffixes come after the L ones.
	i := n - 1
	for c := uint32(255); i >= 0; c-- {
		for ; i >= int(tails[c]); i-- {
			e := sa[i]
			b := e >> placeBits
			out[i] = byte(b)
			if b <= c {
				j := e&placeMask - 1
				h := tails[b] - 1
				tails[b] = h
				sa[h] = j | uint32(before[j])<<placeBits
			}
		}
		for ; i >= int(bounds[c]); i-- {
			e := sa[i]
			b := e >> placeBits
			out[i] = byte(b)
			if b < c {
				j := e&placeMask - 1
				h := tails[b] - 1
				tails[b] = h
				sa[h] = j | uint32(before[j])<<placeBits
			}
		}
	}
	c := t[origin]
	for i := bounds[c]; i < bounds[uint32(c)+1]; i++ {
		if sa[i]&placeMask == uint32(origin) {
			return int(i)
		}
	}
	panic("bzip2: the block's own row is not among the sorted ones")
}
