package bzip2

import (
	"encoding/binary"
	"errors"
)

// errShort says that a block does not end within the bits that were given.
var errShort = errors.New("bzip2: block does not end")

// blockDecoder decodes blocks. It holds the large buffers, some 6 MB for full blocks. The zero value is ready.
type blockDecoder struct {
	bits      bitReader
	at        int64 // where errors count from: bits before the slice
	selectors []uint8
	tables    [maxTables]decodeTable
	last      []byte      // last column
	count     [256]uint32 // bytes in it
	inverter  inverter
	expanded  [4 << 10]byte
}

// decode decodes the block that begins at bit start of b and has to end at bit limit or before. It returns the
// content before RLE1 is undone, in the memory of out, and the bit at which the block ends. at is the offset of b in
// bits, for errors: errShort or *FormatError. The content's CRC has been checked.
func (d *blockDecoder) decode(b []byte, start, limit int, at int64, out []byte) ([]byte, int, error) {
	d.bits.init(b, start)
	d.at = at
	out, err := d.block(limit, out)
	end := d.bits.consumed()
	if end > limit { // whatever was found then is no more than a consequence
		return out[:0], end, errShort
	}
	return out, end, err
}

func (d *blockDecoder) corrupt(detail string) error {
	return formatError(ErrCorrupt, d.at+int64(d.bits.consumed()), detail)
}

func (d *blockDecoder) block(limit int, out []byte) ([]byte, error) {
	r := &d.bits
	out = out[:0]
	if r.take(24)<<24|r.take(24) != blockMagic {
		return out, d.corrupt("no block where one should begin")
	}
	crc := uint32(r.take(32))
	if r.take(1) == 1 {
		return out, formatError(ErrRandomised, d.at+int64(r.consumed()), "block with the randomised bit")
	}
	row := uint32(r.take(24))
	var list [256 + 16]byte
	used := d.readUsed(&list)
	if used == 0 {
		return out, d.corrupt("a block without bytes")
	}
	alphabet := used + 2
	if err := d.readTables(alphabet); err != nil {
		return out, err
	}
	if err := d.readSymbols(&list, alphabet, limit); err != nil {
		return out, err
	}
	if int(row) >= len(d.last) {
		return out, d.corrupt("row is beyond the block")
	}
	out = grow(out, len(d.last))
	d.inverter.invert(d.last, &d.count, row, out)
	if d.contentCRC(out) != crc {
		return out, d.corrupt("a block's content has another CRC")
	}
	return out, nil
}

// readUsed fills list with the byte values that occur and returns their number.
func (d *blockDecoder) readUsed(list *[256 + 16]byte) int {
	n := 0
	ranges := d.bits.take(16)
	for i := range 16 {
		if ranges>>(15-i)&1 == 0 {
			continue
		}
		values := d.bits.take(16)
		for k := range 16 {
			if values>>(15-k)&1 != 0 {
				list[n] = byte(i*16 + k)
				n++
			}
		}
	}
	return n
}

// readTables reads the selectors and the code lengths.
func (d *blockDecoder) readTables(alphabet int) error {
	r := &d.bits
	count := int(r.take(3))
	if count < 2 || count > maxTables {
		return d.corrupt("number of tables is not between 2 and 6")
	}
	n := int(r.take(15))
	if n == 0 {
		return d.corrupt("no selectors")
	}
	d.selectors = grow(d.selectors, n)
	list := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for i := range d.selectors {
		j := 0
		for r.take(1) == 1 {
			if j++; j == count {
				return d.corrupt("selector of a table that does not exist")
			}
		}
		x := list[j]
		copy(list[1:j+1], list[:j])
		list[0] = x
		d.selectors[i] = x
	}
	var lens [maxSymbols]uint8
	for t := range count {
		l := int(r.take(5))
		for v := range alphabet {
			for {
				if l < 1 || l > maxCodeLen {
					return d.corrupt("code length is not between 1 and 20")
				}
				if r.take(1) == 0 {
					break
				}
				l += 1 - 2*int(r.take(1))
			}
			lens[v] = uint8(l)
		}
		if !d.tables[t].build(lens[:alphabet]) {
			return d.corrupt("code lengths of no prefix code")
		}
	}
	return nil
}

// readSymbols undoes the Huffman codes, RLE2 and MTF: it fills last and count. The list is kept as appendMTF keeps it.
func (d *blockDecoder) readSymbols(list *[256 + 16]byte, alphabet, limit int) error {
	r := d.bits // a copy whose fields stay in registers
	last := d.last[:0]
	if cap(last) == 0 {
		last = make([]byte, 0, levelUnit)
	}
	clear(d.count[:])
	near0 := binary.LittleEndian.Uint64(list[:])
	near1 := binary.LittleEndian.Uint64(list[8:])
	far := list[16:]
	endOfBlock := uint16(alphabet - 1)
	run, weight := 0, 1
	detail := "more symbols than the selectors provide for"
groups:
	for _, x := range d.selectors {
		table := &d.tables[x]
		for range groupSize {
			if r.n < maxCodeLen {
				r.refill()
			}
			e := table.short[r.acc>>(64-shortBits)]
			symbol, length := e>>5, uint(e&31)
			if length == 0 {
				if symbol, length = table.long(r.acc); length == 0 {
					detail = "a code without a symbol"
					break groups
				}
			}
			r.acc <<= length & 63
			r.n -= length
			if symbol <= runB {
				run += weight << (symbol & 1)
				weight <<= 1
				if weight > 2<<20 {
					detail = "a run is longer than any block"
					break groups
				}
				continue
			}
			if run > 0 {
				if run > maxBlock-len(last) {
					detail = "block is longer than any may be"
					break groups
				}
				c := byte(near0)
				d.count[c] += uint32(run)
				last = appendEqual(last, c, run)
				run, weight = 0, 1
			}
			if symbol == endOfBlock {
				d.last, d.bits = last, r
				return nil
			}
			var c byte
			switch rank := uint(symbol - 1); {
			case rank < 8:
				c = byte(near0 >> (8 * rank & 63))
				mask := uint64(2)<<((8*rank+7)&63) - 1
				near0 = (near0<<8|uint64(c))&mask | near0&^mask
			case rank < 16:
				c = byte(near1 >> (8 * rank & 63))
				mask := uint64(2)<<((8*rank+7)&63) - 1
				near1 = (near1<<8|near0>>56)&mask | near1&^mask
				near0 = near0<<8 | uint64(c)
			default:
				k := rank - 16
				c = far[k]
				copy(far[1:k+1], far[:k])
				far[0] = byte(near1 >> 56)
				near1 = near1<<8 | near0>>56
				near0 = near0<<8 | uint64(c)
			}
			if len(last) >= maxBlock {
				detail = "block is longer than any may be"
				break groups
			}
			last = append(last, c)
			d.count[c]++
		}
		if r.consumed() > limit {
			detail = "" // decode sees it
			break
		}
	}
	d.last, d.bits = last, r
	return d.corrupt(detail)
}

// appendEqual appends n bytes c.
func appendEqual(b []byte, c byte, n int) []byte {
	i := len(b)
	if cap(b) < i+n {
		b = append(make([]byte, 0, max(i+n, 2*cap(b))), b...)
	}
	b = b[:i+n]
	for ; i < len(b); i++ {
		b[i] = c
	}
	return b
}

// contentCRC returns the CRC of what b becomes when RLE1 is undone.
func (d *blockDecoder) contentCRC(b []byte) uint32 {
	c := ^uint32(0)
	x := expander{src: b}
	for {
		n := x.read(d.expanded[:])
		if n == 0 {
			return ^c
		}
		c = updateCRC(c, d.expanded[:n])
	}
}
