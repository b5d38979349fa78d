package hour

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"time"
)

// maxColumnsHeader is the longest header of columns: all planes there are.
const maxColumnsHeader = 1024

// Rows unpacks Columns and checks them against the counts and the range that the index states.
func (x *Index) Rows() ([]Row, error) {
	rows, detail := x.rows()
	if detail != "" {
		return nil, &Corrupt{Key: x.Shard + " " + x.Hour.String() + " index", Detail: detail}
	}
	return rows, nil
}

func (x *Index) rows() (rows []Row, detail string) {
	if x.Records < 1 || x.Records > MaxRecords {
		return nil, "count of records out of range"
	}
	if min(x.Events, x.Rejects) < 0 || max(x.Events, x.Rejects) > MaxSubRecords || x.Events+x.Rejects > MaxSubRecords {
		return nil, "count of events or rejects out of range"
	}
	b, ok := x.unpack()
	if !ok {
		return nil, "columns are not readable"
	}
	c, detail := parseColumns(b, x.Records)
	if detail != "" {
		return nil, detail
	}
	rows = make([]Row, x.Records)
	var digits []byte
	events, rejects := 0, 0
	for i := range rows {
		if i > 0 {
			if detail := c.next(i - 1); detail != "" {
				return nil, detail
			}
		}
		if digits = c.sequence.appendDecimal(digits[:0]); len(digits) > MaxSequenceDigits {
			return nil, "sequence number of too many digits"
		}
		arrival := time.UnixMilli(c.ms).UTC()
		if Of(arrival) != x.Hour {
			return nil, "arrival lies in another hour"
		}
		e, r, err := c.kinds[i].Counts()
		if err != nil {
			return nil, err.Error()
		}
		events, rejects = events+e, rejects+r
		rows[i] = Row{Sequence(digits), arrival, c.kinds[i]}
	}
	n := len(rows) - 1
	if rows[0].Sequence != x.First || rows[n].Sequence != x.Last || events != x.Events || rejects != x.Rejects {
		return nil, "records are not those of its range and counts"
	}
	return rows, ""
}

// unpack undoes base64 and zlib, up to what as many records can take.
func (x *Index) unpack() (b []byte, ok bool) {
	z, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(x.Columns)))
	if err != nil {
		return nil, false
	}
	// A kind and its blank have two characters more than sub-records at most; "2e" is as long as two of them.
	limit := maxColumnsHeader + int64(x.Records)*(16*int64(len(wide{}))+2) + int64(x.Events+x.Rejects)
	b, err = io.ReadAll(io.LimitReader(z, limit+1))
	return b, err == nil && int64(len(b)) <= limit
}

// columns is what Columns holds, and the place of the record that was read last.
type columns struct {
	sequence wide
	ms       int64
	shift    int // -1: none
	kinds    []Kind
	steps    planes
	waits    planes
}

// planes are bytes of numbers: data[k] has byte number[k] of what each has above the least.
type planes struct {
	least  wide
	number []int
	data   [][]byte
}

func (p *planes) at(i int) (w wide) {
	for k, n := range p.number {
		w.setByte(n, p.data[k][i])
	}
	w.add(&p.least)
	return w
}

func parseColumns(b []byte, records int) (c *columns, detail string) {
	head, b, ok := bytes.Cut(b, []byte("\n"))
	f := strings.Split(string(head), " ")
	if !ok || len(f) != 7 {
		return nil, "columns have no header"
	}
	c = &columns{shift: -1}
	if len(f[0]) > MaxSequenceDigits || !c.sequence.parseDecimal([]byte(f[0])) {
		return nil, "first sequence number is none"
	}
	var err error
	if c.ms, err = strconv.ParseInt(f[1], 10, 64); err != nil {
		return nil, "first arrival is not a number"
	}
	if f[2] != "-" {
		if c.shift, ok = parseCount(f[2]); !ok || c.shift >= 64*len(wide{}) {
			return nil, "shift is not a number of bits"
		}
	}
	text, b, ok := bytes.Cut(b, []byte("\n"))
	kinds := strings.Split(string(text), " ")
	if !ok || len(kinds) != records {
		return nil, "kinds are not as many as records"
	}
	for _, k := range kinds {
		c.kinds = append(c.kinds, Kind(k))
	}
	if b, ok = c.steps.parse(f[3], f[4], records-1, b); !ok {
		return nil, "sequence numbers are not in planes"
	}
	if b, ok = c.waits.parse(f[5], f[6], records-1, b); !ok || len(b) > 0 {
		return nil, "arrivals are not in planes"
	}
	return c, ""
}

// parse takes the least and the planes that list names, of n bytes each, from b and returns the rest.
func (p *planes) parse(least, list string, n int, b []byte) (rest []byte, ok bool) {
	if !p.least.parseDecimal([]byte(least)) {
		return nil, false
	}
	p.least = p.least.unzigzag()
	if list == "-" {
		return b, true
	}
	last := -1
	for _, s := range strings.Split(list, ",") {
		number, ok := parseCount(s)
		if !ok || number <= last || number >= 8*len(wide{}) || len(b) < n {
			return nil, false
		}
		p.number, p.data = append(p.number, number), append(p.data, b[:n])
		last, b = number, b[n:]
	}
	return b, true
}

// next goes on by step i.
func (c *columns) next(i int) (detail string) {
	wait := c.waits.at(i)
	if wait != signed(int64(wait[0]), 0) {
		return "arrival is not a number"
	}
	step := c.steps.at(i)
	if c.shift >= 0 {
		part := signed(int64(wait[0]), c.shift)
		step.add(&part)
	}
	if step == (wide{}) || !c.sequence.add(&step) {
		return "sequence numbers do not grow"
	}
	c.ms += int64(wait[0])
	return ""
}
