package bzip2

// blockCoder turns the RLE1 output of a block into the block's bits. It holds all large buffers of the encoder; one
// is needed per goroutine. The zero value is ready.
type blockCoder struct {
	sorter  sorter
	tables  tables
	symbols []uint16
	turn    *turn
}

// encode appends the block, whose bytes are overwritten, to w. crc is that of the bytes before RLE1.
func (e *blockCoder) encode(w *bitWriter, block []byte, crc uint32) {
	w.put48(blockMagic)
	w.put(uint64(crc), 32)
	count := histogram(block)
	var used [256]bool
	for c, n := range count {
		used[c] = n > 0
	}
	e.sorter.turn = e.turn
	row := e.sorter.transform(block, &count)
	e.turn.pass()
	w.put(uint64(row), 25) // the randomised bit, 0, and 24 bits of row
	writeUsed(w, &used)
	if cap(e.symbols) < len(block)+1 {
		e.symbols = make([]uint16, 0, len(block)+len(block)/8+1)
	}
	var alphabet int
	e.symbols, alphabet = appendMTF(e.symbols[:0], &used, block)
	e.turn.pass()
	e.tables.write(w, e.symbols, alphabet)
}

// histogram counts bytes, in two tables so that equal neighbours do not wait for each other.
func histogram(b []byte) [256]uint32 {
	var count, odd [256]uint32
	for ; len(b) >= 2; b = b[2:] {
		count[b[0]]++
		odd[b[1]]++
	}
	if len(b) > 0 {
		count[b[0]]++
	}
	for c, n := range odd {
		count[c] += n
	}
	return count
}

// writeUsed appends which of 16 ranges of 16 byte values occur, then which values of these.
func writeUsed(w *bitWriter, used *[256]bool) {
	var ranges uint64
	var values [16]uint64
	for c, u := range used {
		if u {
			ranges |= 1 << (15 - c/16)
			values[c/16] |= 1 << (15 - c%16)
		}
	}
	w.put(ranges, 16)
	for _, v := range values {
		if v != 0 {
			w.put(v, 16)
		}
	}
}
