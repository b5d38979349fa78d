package archive

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/jsonwalk"
)

// Limits of one delivery.
const (
	// MaxPayload is the largest event that is taken, in bytes. Lambda sends at most 6 291 456.
	MaxPayload = 16 << 20
	// MaxRecords is the most records of one event. A mapping sends at most 10 000.
	MaxRecords = 20_000
)

// record is one record of a delivery.
type record struct {
	seq      []byte // decimal, without leading zeros
	ms       int64  // arrival, Unix milliseconds
	from, to int    // data, in batch.data
}

func (r *record) arrival() hour.Time { return hour.At(time.UnixMilli(r.ms)) }

// batch is a delivery taken apart. It keeps its memory from one delivery to the next.
type batch struct {
	shard   string
	records []record // in the order of the shard
	data    []byte   // of all records
}

func malformed(format string, args ...any) error {
	return &fault.BadInput{Detail: "Kinesis event: " + fmt.Sprintf(format, args...)}
}

// read takes Lambda's event apart. Its errors are *fault.BadInput. The batch refers to payload.
func (b *batch) read(payload []byte) error {
	if len(payload) > MaxPayload {
		return malformed("%d bytes, limit %d", len(payload), MaxPayload)
	}
	*b = batch{records: b.records[:0], data: slices.Grow(b.data[:0], base64.StdEncoding.DecodedLen(len(payload)))}
	w := jsonwalk.New(payload)
	found := false
	err := w.Object(func(name []byte) error {
		if string(name) != "Records" {
			return w.Value()
		}
		if found {
			return malformed("two members Records")
		}
		found = true
		return w.Array(func() error { return b.record(w) })
	})
	if err == nil {
		err = w.End()
	}
	switch err {
	case nil:
	case jsonwalk.ErrSyntax, jsonwalk.ErrDepth:
		return malformed("%v, at byte %d", err, w.Offset())
	default:
		return err
	}
	if !found {
		return malformed("no member Records")
	}
	return b.order()
}

// Members of a record that are needed.
const (
	hasEventID = 1 << iota
	hasKinesis
	hasSequence
	hasArrival
	hasData
	hasAll = 1<<iota - 1
)

// record takes the element of Records that comes next.
func (b *batch) record(w *jsonwalk.Walker) error {
	n := len(b.records)
	if n == MaxRecords {
		return malformed("more than %d records", MaxRecords)
	}
	r := record{from: len(b.data)}
	have := 0
	once := func(member int) error {
		if have&member != 0 {
			return malformed("record %d has a member twice", n)
		}
		have |= member
		return nil
	}
	kinesis := func(name []byte) (err error) {
		switch string(name) {
		case "sequenceNumber":
			if err = once(hasSequence); err == nil {
				r.seq, err = sequence(w, n)
			}
		case "approximateArrivalTimestamp":
			if err = once(hasArrival); err == nil {
				r.ms, err = arrival(w, n)
			}
		case "data":
			if err = once(hasData); err == nil {
				err = b.decode(w, n)
			}
		default:
			err = w.Value()
		}
		return err
	}
	err := w.Object(func(name []byte) error {
		switch string(name) {
		case "eventID":
			if err := once(hasEventID); err != nil {
				return err
			}
			return b.eventID(w, n)
		case "kinesis":
			if err := once(hasKinesis); err != nil {
				return err
			}
			return w.Object(kinesis)
		}
		return w.Value()
	})
	if err != nil {
		return err
	}
	if have != hasAll {
		return malformed("record %d lacks its event id, sequence number, arrival or data", n)
	}
	r.to = len(b.data)
	b.records = append(b.records, r)
	return nil
}

// eventID takes "shardId-000000000006:4957..." and keeps the shard, which is the same for all records.
func (b *batch) eventID(w *jsonwalk.Walker, n int) error {
	raw, escaped, err := w.Text()
	if err != nil {
		return err
	}
	id, err := jsonwalk.Plain(raw, escaped)
	if err != nil {
		return err
	}
	shard := id[:max(0, bytes.LastIndexByte(id, ':'))]
	if b.shard == "" {
		if err := hour.CheckShard(string(shard)); err != nil {
			return malformed("record %d: event id with a %v", n, err)
		}
		b.shard = string(shard)
	}
	if string(shard) != b.shard {
		return malformed("record %d is of another shard than the first", n)
	}
	return nil
}

func sequence(w *jsonwalk.Walker, n int) ([]byte, error) {
	raw, escaped, err := w.Text()
	if err != nil {
		return nil, err
	}
	seq, err := jsonwalk.Plain(raw, escaped)
	if err != nil {
		return nil, err
	}
	if len(seq) == 0 || len(seq) > hour.MaxSequenceDigits {
		return nil, malformed("record %d has a sequence number of %d characters", n, len(seq))
	}
	for _, c := range seq {
		if c < '0' || c > '9' {
			return nil, malformed("record %d has a sequence number that is not decimal", n)
		}
	}
	for len(seq) > 1 && seq[0] == '0' {
		seq = seq[1:]
	}
	return seq, nil
}

func arrival(w *jsonwalk.Walker, n int) (int64, error) {
	number, err := w.Number()
	if err != nil {
		return 0, err
	}
	ms, ok := parseArrival(number)
	if !ok {
		return 0, malformed("record %d has an arrival that is no time", n)
	}
	return ms, nil
}

// decode takes a base64 string and appends what it means to b.data.
func (b *batch) decode(w *jsonwalk.Walker, n int) error {
	if w.Peek() != '"' {
		return jsonwalk.ErrSyntax
	}
	rest := w.Rest()[1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return jsonwalk.ErrSyntax
	}
	text := rest[:end]
	raw := bytes.IndexByte(text, '\\') < 0
	if raw {
		w.Skip(end + 2)
	} else {
		quoted, escaped, err := w.Text()
		if err != nil {
			return err
		}
		if text, err = jsonwalk.Plain(quoted, escaped); err != nil {
			return err
		}
	}
	data, err := base64.StdEncoding.AppendDecode(b.data, text)
	if err != nil {
		return malformed("record %d has data that is not base64", n)
	}
	// Base64 is decoded past line ends, which must not stand raw in a JSON string: the length then is too small.
	padding := len(text) - len(bytes.TrimRight(text, "="))
	if raw && (len(text)%4 != 0 || len(data)-len(b.data) != len(text)/4*3-padding) && bytes.ContainsAny(text, "\r\n") {
		return jsonwalk.ErrSyntax
	}
	b.data = data
	return nil
}

// order puts the records into the order of their shard and drops what is there twice.
func (b *batch) order() error {
	grows := true
	for i := 1; i < len(b.records) && grows; i++ {
		grows = compare(b.records[i-1].seq, b.records[i].seq) < 0
	}
	if grows {
		return nil
	}
	slices.SortStableFunc(b.records, func(x, y record) int { return compare(x.seq, y.seq) })
	kept := b.records[:1]
	for _, r := range b.records[1:] {
		last := &kept[len(kept)-1]
		if compare(last.seq, r.seq) != 0 {
			kept = append(kept, r)
			continue
		}
		if last.ms != r.ms || !bytes.Equal(b.bytes(last), b.bytes(&r)) {
			return malformed("two different records have the same sequence number")
		}
	}
	b.records = kept
	return nil
}

func (b *batch) bytes(r *record) []byte { return b.data[r.from:r.to] }

// compare orders decimal numbers without leading zeros.
func compare(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}
