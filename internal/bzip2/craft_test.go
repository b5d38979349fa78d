package bzip2

import "testing"

// crafted writes streams that no encoder writes: blocks of chosen symbols under a flat code, in which a symbol up to
// 253 is the byte of that value, so that any string of such bytes can stand in the data of a block.
type crafted struct {
	w     bitWriter
	fold  uint32
	level int
	ends  []int // bit at which each block ends
}

func newCrafted(level int) *crafted {
	c := &crafted{level: level}
	c.w.reset([]byte{'B', 'Z', 'h', byte('0' + level)})
	return c
}

// block appends a block of the given symbols, which end with no end of block, and returns its content before RLE1 is
// undone.
func (c *crafted) block(t testing.TB, symbols []byte, row uint32) []byte {
	t.Helper()
	write := func(w *bitWriter, crc uint32) {
		w.put48(blockMagic)
		w.put(uint64(crc), 32)
		w.put(uint64(row), 25)
		for range 17 {
			w.put(0xffff, 16) // all bytes occur
		}
		groups := (len(symbols) + 1 + groupSize - 1) / groupSize
		w.put(2, 3)
		w.put(uint64(groups), 15)
		for range groups {
			w.put(0, 1)
		}
		for range 2 { // 254 codes of 8 bits, 4 of 9
			w.put(8, 5)
			for range 254 {
				w.put(0, 1)
			}
			w.put(0b100, 3)
			w.put(0, 3)
		}
		for _, s := range symbols {
			if s > 253 {
				t.Fatalf("symbol %d", s)
			}
			w.put(uint64(s), 8)
		}
		w.put(511, 9) // end of block
	}
	// Without the CRC, to find the content; then with it.
	var probe bitWriter
	write(&probe, 0)
	n := probe.flush()
	var d blockDecoder
	if _, _, err := d.decode(append(probe.buf, make([]byte, 16)...), 0, n, 0, nil); err == nil {
		t.Fatal("CRC 0 fits")
	}
	if int(row) >= len(d.last) {
		t.Fatalf("row %d of %d: %d symbols", row, len(d.last), len(symbols))
	}
	out := make([]byte, len(d.last))
	walkForward(d.last, row, out)
	crc := d.contentCRC(out)
	write(&c.w, crc)
	c.fold = foldCRC(c.fold, crc)
	c.ends = append(c.ends, len(c.w.buf)*8+int(c.w.n))
	return out
}

func (c *crafted) finish() []byte {
	c.w.put48(footerMagic)
	c.w.put(uint64(c.fold), 32)
	c.w.flush()
	return c.w.buf
}

// walkForward is the inverse transform as the textbook has it.
func walkForward(last []byte, row uint32, out []byte) {
	var next [256]int
	for _, c := range last {
		next[c]++
	}
	sum := 0
	for c, k := range next {
		next[c] = sum
		sum += k
	}
	step := make([]uint32, len(last))
	for i, c := range last {
		step[next[c]] = uint32(i)
		next[c]++
	}
	for i := range out {
		row = step[row]
		out[i] = last[row]
	}
}

// expand undoes RLE1 as the textbook has it.
func expand(b []byte) (out []byte) {
	run := 0
	for i, c := range b {
		if run == 4 {
			for range c {
				out = append(out, b[i-1])
			}
			run = 0
			continue
		}
		if run > 0 && c == b[i-1] {
			run++
		} else {
			run = 1
		}
		out = append(out, c)
	}
	return out
}

var (
	magicOfBlock  = []byte{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}
	magicOfFooter = []byte{0x17, 0x72, 0x45, 0x38, 0x50, 0x90}
)
