// Package kpltest makes aggregated records, as the Kinesis Producer Library does, for tests.
package kpltest

import (
	"crypto/md5"

	"google.golang.org/protobuf/encoding/protowire"

	"penstock/internal/stream/kpl"
)

// Record is one user record.
type Record struct {
	PartitionKey    string
	ExplicitHashKey string // "" for none
	Data            []byte
}

// Aggregate returns the aggregate of the records, with tables of their different keys.
func Aggregate(records ...Record) []byte {
	var keys, hashKeys table
	var messages []byte
	for _, r := range records {
		m := protowire.AppendTag(nil, 1, protowire.VarintType)
		m = protowire.AppendVarint(m, keys.index(r.PartitionKey))
		if r.ExplicitHashKey != "" {
			m = protowire.AppendTag(m, 2, protowire.VarintType)
			m = protowire.AppendVarint(m, hashKeys.index(r.ExplicitHashKey))
		}
		m = protowire.AppendTag(m, 3, protowire.BytesType)
		m = protowire.AppendBytes(m, r.Data)
		messages = protowire.AppendTag(messages, 3, protowire.BytesType)
		messages = protowire.AppendBytes(messages, m)
	}
	var body []byte
	for _, key := range keys {
		body = protowire.AppendTag(body, 1, protowire.BytesType)
		body = protowire.AppendString(body, key)
	}
	for _, key := range hashKeys {
		body = protowire.AppendTag(body, 2, protowire.BytesType)
		body = protowire.AppendString(body, key)
	}
	return Frame(append(body, messages...))
}

// Frame puts magic number and MD5 around any bytes, also such as are no message.
func Frame(body []byte) []byte {
	sum := md5.Sum(body)
	return append(append([]byte(kpl.Magic), body...), sum[:]...)
}

type table []string

func (t *table) index(key string) uint64 {
	for i, k := range *t {
		if k == key {
			return uint64(i)
		}
	}
	*t = append(*t, key)
	return uint64(len(*t) - 1)
}
