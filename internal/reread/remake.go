package reread

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"penstock/internal/archive"
	"penstock/internal/bzip2"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// remade is what the archive's code makes of a run of records.
type remade struct {
	index           *hour.Index
	rows            []hour.Row
	object, rejects []byte // compressed; nil: none
}

// memory takes what the archive writes.
type memory map[string][]byte

// Create implements archive.Creator.
func (m memory) Create(_ context.Context, key string, data []byte) (store.Object, error) {
	m[key] = bytes.Clone(data)
	return store.Object{Key: key, Size: int64(len(data))}, nil
}

// Get implements archive.Store.
func (m memory) Get(_ context.Context, key string, _ int64) ([]byte, store.Object, error) {
	return nil, store.Object{}, &fault.NotFound{Key: key}
}

// remake hands records of one shard and hour, in order and at least one, to the archive's code.
func (r *Reader) remake(ctx context.Context, shard string, records []record) (*remade, error) {
	m := memory{}
	a, err := archive.New(archive.Config{Store: m, Keys: r.Keys, Now: func() time.Time { return time.UnixMilli(0).UTC() }, Format: r.Format, Split: r.Split})
	if err != nil {
		return nil, err
	}
	if _, err := a.Invoke(ctx, delivery(shard, records)); err != nil {
		return nil, err
	}
	out := &remade{}
	for key, data := range m {
		if _, ok := r.Keys.ParseIndexKey(key); !ok {
			continue
		}
		if out.index != nil {
			return nil, fmt.Errorf("archive records of %s: they are of several hours", shard)
		}
		if out.index, err = r.Keys.DecodeIndex(key, data); err != nil {
			return nil, err
		}
	}
	if out.index == nil {
		return nil, fmt.Errorf("archive records of %s: there is no index", shard)
	}
	out.index.Request, out.index.Trace = "", ""
	if out.rows, err = out.index.Rows(); err != nil {
		return nil, err
	}
	if f := out.index.Object; f != nil {
		out.object = m[f.Key]
	}
	if f := out.index.RejectsFile; f != nil {
		out.rejects = m[f.Key]
	}
	return out, nil
}

// delivery is the event that Lambda hands over for records of a shard.
func delivery(shard string, records []record) []byte {
	b := []byte(`{"Records":[`)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		ms := records[i].arrival.UnixMilli()
		b = fmt.Appendf(b, `{"eventID":"%s:%s","kinesis":{"sequenceNumber":"%s","approximateArrivalTimestamp":%d.%03d,"data":"`,
			shard, records[i].sequence, records[i].sequence, ms/1000, ms%1000)
		b = base64.StdEncoding.AppendEncode(b, records[i].data)
		b = append(b, `"}}`...)
	}
	return append(b, `]}`...)
}

// lines decodes what was compressed here into lines, each with its line feed.
func lines(compressed []byte) ([][]byte, error) {
	if compressed == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if _, err := bzip2.Decompress(&b, bytes.NewReader(compressed), bzip2.ReaderConfig{}); err != nil {
		return nil, err
	}
	all := bytes.SplitAfter(b.Bytes(), []byte("\n"))
	return all[:len(all)-1], nil
}
