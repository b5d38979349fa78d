package bzip2

// shortBits is the length of the codes that one look-up decodes.
const shortBits = 10

// decodeTable decodes one Huffman code. An incomplete code is taken; it is an error only to meet a word that has no
// symbol. A code with more words than there are is not taken.
type decodeTable struct {
	short  [1 << shortBits]uint16 // symbol << 5 | length, or 0: the word is longer or has no symbol
	end    [maxCodeLen + 1]uint32 // by length: the first 20-bit word beyond its codes
	first  [maxCodeLen + 1]uint32 // by length: its first code
	index  [maxCodeLen + 1]uint32 // by length: index in symbol of that code
	symbol [maxSymbols]uint16     // in the order of their codes
}

// build makes the table of the canonical code of the given lengths, each between 1 and maxCodeLen, and says whether
// there is one.
func (t *decodeTable) build(lens []uint8) bool {
	var count [maxCodeLen + 2]uint32
	for _, l := range lens {
		count[l]++
	}
	code, index := uint32(0), uint32(0)
	for l := 1; l <= maxCodeLen; l++ {
		t.first[l], t.index[l] = code, index
		code += count[l]
		index += count[l]
		if code > 1<<l {
			return false
		}
		t.end[l] = code << (maxCodeLen - l)
		code <<= 1
	}
	next := t.index
	clear(t.short[:])
	for s, l := range lens {
		i := next[l]
		next[l]++
		t.symbol[i] = uint16(s)
		if l <= shortBits {
			from := (t.first[l] + i - t.index[l]) << (shortBits - l)
			for k := range uint32(1) << (shortBits - l) {
				t.short[from+k] = uint16(s)<<5 | uint16(l)
			}
		}
	}
	return true
}

// long decodes the word at the top of acc, which short does not have; length 0 means that there is no such word.
func (t *decodeTable) long(acc uint64) (symbol uint16, length uint) {
	v := uint32(acc >> (64 - maxCodeLen))
	for l := shortBits + 1; l <= maxCodeLen; l++ {
		if v < t.end[l] {
			return t.symbol[t.index[l]+v>>(maxCodeLen-l)-t.first[l]], uint(l)
		}
	}
	return 0, 0
}
