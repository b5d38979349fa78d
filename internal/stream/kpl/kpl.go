// Package kpl takes apart the records that the Kinesis Producer Library aggregates: several user records in one, framed
// by a magic number and an MD5. The format is documented at
// https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md.
package kpl

import (
	"bytes"
	"crypto/md5"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/internal/fault"
)

// Magic begins every aggregate.
const Magic = "\xf3\x89\x9a\xc2"

// Limits of one aggregate, which is at most a Kinesis record of 1 MiB.
const (
	MaxRecords = 100_000  // user records
	MaxBytes   = 10 << 20 // the aggregate: the largest record that a stream can be set to
)

// Field numbers of AggregatedRecord and Record.
const (
	partitionKeyField = 1 // repeated string
	hashKeyField      = 2 // repeated string
	recordField       = 3 // repeated Record
	keyIndexField     = 1 // required uint64
	hashIndexField    = 2 // optional uint64
	dataField         = 3 // required bytes
	tagField          = 4 // repeated message
)

// Deaggregate returns the user records of an aggregate in their order, as slices of data; a user record's sub-sequence
// number is its place in them. Data without the magic number or without the right MD5 is a plain record: aggregated is
// false. An aggregate that is framed rightly and does not decode, or breaks a limit, is a *fault.BadInput: it has to be
// rejected whole, and its detail does not carry payload.
func Deaggregate(data []byte) (records [][]byte, aggregated bool, err error) {
	if len(data) < len(Magic)+md5.Size || string(data[:len(Magic)]) != Magic {
		return nil, false, nil
	}
	body, sum := data[len(Magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if got := md5.Sum(body); !bytes.Equal(got[:], sum) {
		return nil, false, nil
	}
	if len(data) > MaxBytes {
		return nil, true, malformed("%d bytes, limit %d", len(data), MaxBytes)
	}
	a := aggregate{}
	if err := fields(body, a.field); err != nil {
		return nil, true, err
	}
	for i, r := range a.records {
		if r.key >= a.keys {
			return nil, true, malformed("record %d names partition key %d of %d", i, r.key, a.keys)
		}
		if r.hasHash && r.hash >= a.hashKeys {
			return nil, true, malformed("record %d names hash key %d of %d", i, r.hash, a.hashKeys)
		}
		records = append(records, r.data)
	}
	return records, true, nil
}

func malformed(format string, args ...any) error {
	return &fault.BadInput{Detail: "aggregated record: " + fmt.Sprintf(format, args...)}
}

type aggregate struct {
	keys, hashKeys uint64
	records        []record
}

type record struct {
	key, hash       uint64
	hasKey, hasHash bool
	data            []byte
	hasData         bool
}

func (a *aggregate) field(number protowire.Number, kind protowire.Type, value []byte, _ uint64) error {
	if number > recordField {
		return nil // of a later version of the format
	}
	if kind != protowire.BytesType {
		return malformed("field %d has wire type %d", number, kind)
	}
	switch number {
	case partitionKeyField:
		a.keys++
	case hashKeyField:
		a.hashKeys++
	case recordField:
		if len(a.records) == MaxRecords {
			return malformed("more than %d records", MaxRecords)
		}
		var r record
		if err := fields(value, r.field); err != nil {
			return err
		}
		if !r.hasKey || !r.hasData {
			return malformed("record %d lacks its partition key or its data", len(a.records))
		}
		a.records = append(a.records, r)
	}
	return nil
}

func (r *record) field(number protowire.Number, kind protowire.Type, value []byte, v uint64) error {
	want := protowire.BytesType
	switch number {
	case keyIndexField:
		want, r.key, r.hasKey = protowire.VarintType, v, true
	case hashIndexField:
		want, r.hash, r.hasHash = protowire.VarintType, v, true
	case dataField:
		r.data, r.hasData = value[:len(value):len(value)], true // the last one counts, as protobuf has it
	case tagField: // of no use here
	default:
		return nil
	}
	if kind != want {
		return malformed("field %d of a record has wire type %d", number, kind)
	}
	return nil
}

// fields calls fn with each field of a message: its bytes if it is length-delimited, its value if it is a varint.
func fields(b []byte, fn func(number protowire.Number, kind protowire.Type, value []byte, v uint64) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed("%v", protowire.ParseError(n))
		}
		b = b[n:]
		var value []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return malformed("field %d: %v", number, protowire.ParseError(n))
		}
		b = b[n:]
		if err := fn(number, kind, value, v); err != nil {
			return err
		}
	}
	return nil
}
