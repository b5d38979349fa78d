package bzip2

import "encoding/binary"

// RLE1 is bzip2's first step: a run of 4 to 255 equal bytes becomes four of them and a count of the rest. It once
// protected sorters that were slow on runs; today it only delimits blocks and is kept because the format has it.

const (
	lowBits  = 0x0101010101010101 // the lowest bit of every byte of a word
	highBits = lowBits << 7

	maxRun = 255
)

// zeroBytes sets the high bit of each byte of x that is zero; a byte above a zero one may be set in error.
func zeroBytes(x uint64) uint64 { return (x - lowBits) &^ x & highBits }

// rle1 collects the run-length code of a block. Its output does not depend on how the input is cut into slices.
type rle1 struct {
	buf   []byte
	limit int  // the block is full once it holds as many bytes
	last  byte // byte of the pending run
	run   int  // length of the run that the end of the input may have interrupted, not in buf yet
}

// start begins a block of the given limit.
func (r *rle1) start(limit int) {
	if cap(r.buf) < limit+8 {
		r.buf = make([]byte, 0, limit+8)
	}
	r.buf, r.limit, r.run = r.buf[:0], limit, 0
}

// fill takes bytes from src until the block is full and says how many it took and whether the block is full. A run
// that reaches the end of src stays pending; it belongs to this block.
func (r *rle1) fill(src []byte) (int, bool) {
	i := 0
	if r.run > 0 {
		for i < len(src) && r.run < maxRun && src[i] == r.last {
			i++
			r.run++
		}
		if i == len(src) && r.run < maxRun {
			return i, false
		}
		r.finish()
	}
	b, limit := r.buf, r.limit
	for i < len(src) && len(b) < limit {
		// Eight bytes at once while no three neighbours are equal; a pair over the end starts the next step.
		for i+9 <= len(src) && len(b)+8 <= limit {
			v := binary.LittleEndian.Uint64(src[i:])
			z := zeroBytes(v ^ binary.LittleEndian.Uint64(src[i+1:]))
			if z&(z>>8) != 0 {
				break
			}
			k := 8 - int(z>>63)
			b = binary.LittleEndian.AppendUint64(b, v)[:len(b)+k]
			i += k
		}
		if len(b) >= limit {
			break
		}
		c, j, end := src[i], i+1, min(len(src), i+maxRun)
		for j < end && src[j] == c {
			j++
		}
		n := j - i
		i = j
		if j == len(src) && n < maxRun {
			r.last, r.run = c, n
			break
		}
		b = appendRun(b, c, n)
	}
	r.buf = b
	return i, len(b) >= limit
}

// finish writes the pending run.
func (r *rle1) finish() {
	if r.run > 0 {
		r.buf = appendRun(r.buf, r.last, r.run)
		r.run = 0
	}
}

func appendRun(b []byte, c byte, n int) []byte {
	switch n {
	case 1:
		return append(b, c)
	case 2:
		return append(b, c, c)
	case 3:
		return append(b, c, c, c)
	}
	return append(b, c, c, c, c, byte(n-4))
}
