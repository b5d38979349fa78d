package bzip2

import "encoding/binary"

// expander undoes RLE1, piece by piece.
type expander struct {
	src    []byte
	repeat int  // bytes of the current run still to be written
	value  byte // their value
}

// read fills dst and returns how many bytes there were for it; 0 means that all has been read.
func (x *expander) read(dst []byte) int {
	n := 0
	src := x.src
	for n < len(dst) {
		if x.repeat > 0 {
			k := min(x.repeat, len(dst)-n)
			x.repeat -= k
			for end := n + k; n < end; n++ {
				dst[n] = x.value
			}
			continue
		}
		// Eight bytes at once, as in rle1.fill, while no three neighbours are equal.
		for len(src) >= 9 && len(dst)-n >= 8 {
			v := binary.LittleEndian.Uint64(src)
			z := zeroBytes(v ^ binary.LittleEndian.Uint64(src[1:]))
			if z&(z>>8) != 0 {
				break
			}
			binary.LittleEndian.PutUint64(dst[n:], v)
			k := 8 - int(z>>63)
			n += k
			src = src[k:]
		}
		if len(src) == 0 || n == len(dst) {
			break
		}
		c, k := src[0], 1
		for k < 4 && k < len(src) && src[k] == c {
			k++
		}
		x.value, x.repeat = c, k
		src = src[k:]
		if k == 4 && len(src) > 0 {
			x.repeat += int(src[0])
			src = src[1:]
		}
	}
	x.src = src
	return n
}
