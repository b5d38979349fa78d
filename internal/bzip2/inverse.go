package bzip2

import "bytes"

// The inverse transform walks from row to row. The row of the rotation that starts one byte later is found by
// counting, since equal bytes stand in the same order in the first and in the last column. Each step waits for memory,
// a cache miss for most bytes of a large block, and that is what bounds a decoder. So each step takes two bytes here,
// and two walks that do not wait for each other write the content from both ends: forward[row] holds the row of the
// rotation that starts two bytes later and the row's first two bytes, backward[row] the row of the one that starts two
// bytes earlier and these two.
//
// Both tables come from one pass over the rows k. Let d be the last byte of row k, i the row that starts with it (one
// byte earlier), c the last byte of row i, and j the row one byte earlier still. Row j starts with c and d. Among the
// rows that do, j's order is that of k, so counters of byte pairs give j as counters of bytes give i.
//
// An entry is a row (20 bits) and a number of a byte pair (12 bits). A block with more than 4096 different pairs, and
// one too short for the counters to pay, is walked by single bytes.

const (
	pairBits  = 12
	pairMask  = 1<<pairBits - 1
	pairBlock = 1 << 15 // bytes from which on pairs are counted
)

// inverter holds the tables of the inverse transform. The zero value is ready.
type inverter struct {
	forward  []uint32
	backward []uint32
	counters []uint32               // by byte pair: the next row that starts with it, and its number
	pairs    [1 << pairBits][2]byte // by number
}

// invert writes the content of the block that is the given row to out; last is the last column, and count its bytes.
// len(out) is len(last), more than 0 and at most maxBlock.
func (v *inverter) invert(last []byte, count *[256]uint32, row uint32, out []byte) {
	n := len(last)
	out = out[:n]
	v.forward, v.backward = grow(v.forward, n), grow(v.backward, n)
	var start [256]uint32 // by byte: the first row that starts with it
	sum := uint32(0)
	for c, k := range count {
		start[c] = sum
		sum += k
	}
	if n >= pairBlock && v.numberPairs(last, count) {
		v.linkPairs(last, start)
		if v.walkPairs(last, &start, row, out) {
			return
		}
	}
	v.link(last, start)
	v.walk(row, out)
}

// numberPairs sets the counters and says whether the pairs can be numbered.
func (v *inverter) numberPairs(last []byte, count *[256]uint32) bool {
	if v.counters == nil {
		v.counters = make([]uint32, 1<<16)
	}
	clear(v.counters)
	i := 0
	for d, k := range count {
		for _, c := range last[i : i+int(k)] { // the rows that start with d
			v.counters[int(c)<<8|d]++
		}
		i += int(k)
	}
	row, number := uint32(0), uint32(0)
	for w, k := range v.counters {
		if k == 0 {
			continue
		}
		if number > pairMask {
			return false
		}
		v.counters[w] = row<<pairBits | number
		v.pairs[number] = [2]byte{byte(w >> 8), byte(w)}
		row += k
		number++
	}
	return true
}

func (v *inverter) linkPairs(last []byte, next [256]uint32) {
	forward, backward := v.forward, v.backward[:len(last)]
	counters := v.counters[:1<<16]
	for k, d := range last {
		i := next[d]
		next[d] = i + 1
		w := uint(last[i])<<8 | uint(d)
		e := counters[w]
		counters[w] = e + 1<<pairBits
		forward[e>>pairBits] = uint32(k)<<pairBits | e&pairMask
		backward[k] = e
	}
}

// walkPairs says whether out is what a walk forward alone would write. It is, unless the rows do not make circles of a
// length that divides len(out), which an encoder does not write; then the walks do not meet.
func (v *inverter) walkPairs(last []byte, start *[256]uint32, row uint32, out []byte) bool {
	forward, backward := v.forward, v.backward
	pairs := &v.pairs
	p, q := row, row
	a, b := 0, len(out)
	for b-a >= 4 {
		e, f := forward[p], backward[q]
		x, y := &pairs[e&pairMask], &pairs[f&pairMask]
		out[a], out[a+1] = x[0], x[1]
		out[b-2], out[b-1] = y[0], y[1]
		p, q = e>>pairBits, f>>pairBits
		a += 2
		b -= 2
	}
	if b-a >= 2 {
		e := forward[p]
		x := &pairs[e&pairMask]
		out[a], out[a+1] = x[0], x[1]
		p = e >> pairBits
		a += 2
	}
	if a < b {
		out[a] = pairs[forward[p]&pairMask][0]
		c := last[q] // one byte back
		q = start[c] + uint32(bytes.Count(last[:q], []byte{c}))
	}
	return p == q
}

// link fills forward for single bytes: the row of the rotation that starts one byte later, and the first byte.
func (v *inverter) link(last []byte, next [256]uint32) {
	forward, backward := v.forward, v.backward[:len(last)]
	for i, c := range last {
		j := next[c]
		next[c] = j + 1
		forward[j] = uint32(i)<<8 | uint32(c)
		backward[i] = j<<8 | uint32(c)
	}
}

func (v *inverter) walk(row uint32, out []byte) {
	forward, backward := v.forward, v.backward
	p, q := row, row
	a, b := 0, len(out)-1
	for a < b {
		e, f := forward[p], backward[q]
		out[a], out[b] = byte(e), byte(f)
		p, q = e>>8, f>>8
		a++
		b--
	}
	if a == b {
		e := forward[p]
		out[a] = byte(e)
		p = e >> 8
	}
	if p == q {
		return
	}
	p = row // as walkPairs: the walk forward decides
	for i := range out {
		e := forward[p]
		out[i] = byte(e)
		p = e >> 8
	}
}
