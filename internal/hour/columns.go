package hour

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"strconv"
)

// The columns of an index are base64 of zlib of
//
//	<first sequence number> <first arrival, ms> <shift> <least> <planes> <least> <planes>   a line
//	<kinds, separated by blanks>                                                            a line
//	the planes, of one byte for each record after the first
//
// A record's sequence number is its predecessor's, plus the difference of their arrivals times 2^shift (unless shift is
// "-"), plus a remainder; its arrival is its predecessor's plus a wait. The least of the remainders and the least of
// the waits stand in the header, as numbers without sign (0, -1, 1, -2 as 0, 1, 2, 3). What the others have above the
// least is cut into planes: plane 0 holds the lowest byte of each. The header lists the planes of remainders and of
// waits that are not all zeros, as 0,1 or -.
//
// As hex deltas in text the list of a full batch takes twice the room: a Huffman code per plane comes close to what the
// numbers hold, one over digits and blanks does not. The shift is there because sequence numbers may carry the time of
// arrival; where they do not, none is used.

// ColumnsEncoder packs the records of an index into its Columns. The zero value is ready. It keeps its memory, so that
// from its second batch on it allocates next to nothing. It is not safe for concurrent use.
type ColumnsEncoder struct {
	first, last           wide
	firstMs, lastMs       int64
	n                     int
	steps                 []wide  // of the sequence numbers
	waits                 []int64 // of the arrivals
	kinds, header, planes []byte
	z                     *zlib.Writer
	packed                bytes.Buffer
}

// Reset begins a new batch.
func (e *ColumnsEncoder) Reset() {
	e.n, e.steps, e.waits, e.kinds = 0, e.steps[:0], e.waits[:0], e.kinds[:0]
}

// Add adds a record: its sequence number in decimal digits, its arrival in Unix milliseconds, and its kind. Sequence
// numbers must grow, and the kind be such as KindOf returns.
func (e *ColumnsEncoder) Add(sequence []byte, arrivalMs int64, kind Kind) error {
	var n wide
	if !n.parseDecimal(sequence) {
		return fmt.Errorf("sequence number of record %d is malformed", e.n)
	}
	if _, _, err := kind.Counts(); err != nil {
		return fmt.Errorf("record %d: %w", e.n, err)
	}
	if e.n == 0 {
		e.first, e.firstMs = n, arrivalMs
	} else {
		step, ok := n.sub(&e.last)
		if !ok || step == (wide{}) {
			return fmt.Errorf("sequence numbers of a batch do not grow at record %d", e.n)
		}
		e.steps, e.waits = append(e.steps, step), append(e.waits, arrivalMs-e.lastMs)
		e.kinds = append(e.kinds, ' ')
	}
	e.kinds = append(e.kinds, kind...)
	e.last, e.lastMs, e.n = n, arrivalMs, e.n+1
	return nil
}

// Columns returns what was added since Reset, which is at least one record.
func (e *ColumnsEncoder) Columns() string {
	e.header = append(e.first.appendDecimal(e.header[:0]), ' ')
	e.header = append(strconv.AppendInt(e.header, e.firstMs, 10), ' ')
	e.planes = e.planes[:0]
	shift, ok := e.shift()
	if ok {
		e.header = strconv.AppendInt(e.header, int64(shift), 10)
	} else {
		e.header = append(e.header, '-')
	}
	e.cut(func(i int) wide { return e.remainder(i, shift, ok) })
	e.cut(func(i int) wide { return signed(e.waits[i], 0) })
	e.header = append(e.header, '\n')
	e.kinds = append(e.kinds, '\n')

	e.packed.Reset()
	if e.z == nil {
		e.z = zlib.NewWriter(&e.packed)
	} else {
		e.z.Reset(&e.packed)
	}
	// Writing to a buffer does not fail. Each Flush ends a block, so that each plane has a code of its own.
	_, _ = e.z.Write(e.header)
	_, _ = e.z.Write(e.kinds)
	for rest := e.planes; len(rest) > 0; rest = rest[len(e.steps):] {
		_ = e.z.Flush()
		_, _ = e.z.Write(rest[:len(e.steps)])
	}
	_ = e.z.Close()
	e.kinds = e.kinds[:len(e.kinds)-1]
	return base64.StdEncoding.EncodeToString(e.packed.Bytes())
}

// remainder returns what is to be written of a step.
func (e *ColumnsEncoder) remainder(i, shift int, shifted bool) wide {
	w := e.steps[i]
	if shifted {
		part := signed(e.waits[i], shift)
		w, _ = w.sub(&part)
	}
	return w
}

// shift finds the power of two that a millisecond adds to the sequence numbers, and says whether remainders get smaller
// by it.
func (e *ColumnsEncoder) shift() (shift int, ok bool) {
	span, _ := e.last.sub(&e.first)
	if e.lastMs <= e.firstMs {
		return 0, false
	}
	q := span.div(uint64(e.lastMs - e.firstMs))
	shift = q.bitLen() - 1
	shift += int(q.bit(shift - 1)) // rounded
	if shift < 0 || shift > 8*MaxSequenceDigits/2-64 {
		return 0, false
	}
	with, without := 0, 0
	for i := range e.steps {
		with += e.remainder(i, shift, true).significant()
		without += e.steps[i].significant()
	}
	return shift, with < without
}

// cut adds planes of the numbers that at returns, with the least of them and the list to the header.
func (e *ColumnsEncoder) cut(at func(i int) wide) {
	var least, any wide
	for i := range e.steps {
		if w := at(i); i == 0 || w.less(&least) {
			least = w
		}
	}
	above := func(i int) wide {
		w := at(i)
		w, _ = w.sub(&least)
		return w
	}
	for i := range e.steps {
		w := above(i)
		for k := range any {
			any[k] |= w[k]
		}
	}
	e.header = append(e.header, ' ')
	e.header = least.zigzag().appendDecimal(e.header)
	sep := byte(' ')
	for p := range 8 * len(any) {
		if any.byte(p) == 0 {
			continue
		}
		e.header = strconv.AppendInt(append(e.header, sep), int64(p), 10)
		sep = ','
		for i := range e.steps {
			w := above(i)
			e.planes = append(e.planes, w.byte(p))
		}
	}
	if sep == ' ' {
		e.header = append(e.header, " -"...)
	}
}

// EncodeRows packs rows, at least one, into Columns. Sequence numbers must grow.
func EncodeRows(rows []Row) (string, error) {
	var e ColumnsEncoder
	for _, r := range rows {
		if err := e.Add([]byte(r.Sequence), r.Arrival.UnixMilli(), r.Kind); err != nil {
			return "", err
		}
	}
	return e.Columns(), nil
}
