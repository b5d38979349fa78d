package hour

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ColumnsEncoder packs the records of an index into its Columns. The zero value is ready. It keeps its memory, so that
// from its second batch on it allocates next to nothing. It is not safe for concurrent use.
type ColumnsEncoder struct {
	seq, arr, kinds []byte
	prev            wide
	at              int64
	n               int
	z               *zlib.Writer
	packed          bytes.Buffer
}

// Reset begins a new batch.
func (e *ColumnsEncoder) Reset() {
	e.seq, e.arr, e.kinds = e.seq[:0], e.arr[:0], e.kinds[:0]
	e.prev, e.at, e.n = wide{}, 0, 0
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
	delta, ok := n.sub(&e.prev)
	if e.n > 0 {
		if !ok || delta.isZero() {
			return fmt.Errorf("sequence numbers of a batch do not grow at record %d", e.n)
		}
		e.seq, e.arr, e.kinds = append(e.seq, ' '), append(e.arr, ' '), append(e.kinds, ' ')
	}
	e.seq = delta.appendHex(e.seq)
	e.arr = strconv.AppendInt(e.arr, arrivalMs-e.at, 10)
	e.kinds = append(e.kinds, kind...)
	e.prev, e.at, e.n = n, arrivalMs, e.n+1
	return nil
}

// Columns returns what was added since Reset.
func (e *ColumnsEncoder) Columns() string {
	e.packed.Reset()
	if e.z == nil {
		e.z = zlib.NewWriter(&e.packed)
	} else {
		e.z.Reset(&e.packed)
	}
	for _, column := range []*[]byte{&e.seq, &e.arr, &e.kinds} {
		*column = append(*column, '\n')
		_, _ = e.z.Write(*column) // writing to a buffer does not fail
		*column = (*column)[:len(*column)-1]
	}
	_ = e.z.Close()
	return base64.StdEncoding.EncodeToString(e.packed.Bytes())
}

// EncodeRows packs rows into Columns. Sequence numbers must grow.
func EncodeRows(rows []Row) (string, error) {
	var e ColumnsEncoder
	for _, r := range rows {
		if err := e.Add([]byte(r.Sequence), r.Arrival.UnixMilli(), r.Kind); err != nil {
			return "", err
		}
	}
	return e.Columns(), nil
}

// maxRowText is the longest text of a record in Columns: the hex digits of a sequence delta, the digits of an arrival
// delta, three separators, and the kind "-". Another kind has at most one character for each sub-record.
const maxRowText = 112 + 20 + 3 + 1

// Rows unpacks Columns and checks them against the counts and the range that the index states.
func (x *Index) Rows() ([]Row, error) {
	bad := func(detail string) ([]Row, error) {
		return nil, &Corrupt{Key: x.Shard + " " + x.Hour.String() + " index", Detail: detail}
	}
	if x.Records < 1 || x.Records > MaxRecords {
		return bad("count of records out of range")
	}
	if min(x.Events, x.Rejects) < 0 || max(x.Events, x.Rejects) > MaxSubRecords || x.Events+x.Rejects > MaxSubRecords {
		return bad("count of events or rejects out of range")
	}
	if x.Events < 0 || x.Rejects < 0 || x.Events > MaxSubRecords || x.Rejects > MaxSubRecords-x.Events {
		return bad("count of events or rejects out of range")
	}
	z, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(x.Columns)))
	if err != nil {
		return bad("columns are not readable")
	}
	limit := int64(x.Records)*maxRowText + int64(x.Events+x.Rejects) + 3
	b, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil || int64(len(b)) > limit {
		return bad("columns are not readable")
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return bad("columns are not three lines")
	}
	seqs, arrs, kinds := strings.Split(lines[0], " "), strings.Split(lines[1], " "), strings.Split(lines[2], " ")
	if len(seqs) != x.Records || len(arrs) != x.Records || len(kinds) != x.Records {
		return bad("columns are not as long as the count of records")
	}
	rows := make([]Row, x.Records)
	var sequence, delta wide
	var digits []byte
	var at int64
	events, rejects := 0, 0
	for i := range rows {
		if !delta.parseHex(seqs[i]) || i > 0 && delta.isZero() || !sequence.add(&delta) {
			return bad("sequence numbers do not grow")
		}
		ms, err := strconv.ParseInt(arrs[i], 10, 64)
		if err != nil {
			return bad("arrival is not a number")
		}
		at += ms
		arrival := time.UnixMilli(at).UTC()
		if Of(arrival) != x.Hour {
			return bad("arrival lies in another hour")
		}
		e, r, err := Kind(kinds[i]).Counts()
		if err != nil {
			return bad(err.Error())
		}
		events, rejects = events+e, rejects+r
		digits = sequence.appendDecimal(digits[:0])
		if len(digits) > MaxSequenceDigits {
			return bad("sequence number of too many digits")
		}
		rows[i] = Row{Sequence(digits), arrival, Kind(kinds[i])}
		if !x.Hour.Contains(rows[i].Arrival) {
			return bad("a record arrived outside the hour")
		}
	}
	n := len(rows) - 1
	if rows[0].Sequence != x.First || rows[n].Sequence != x.Last || events != x.Events || rejects != x.Rejects {
		return bad("records are not those of its range and counts")
	}
	return rows, nil
}
