package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"penstock/internal/fault"
)

// iteratorLife is how long the service honours an iterator.
const iteratorLife = 5 * time.Minute

// iterator is what the opaque string holds.
type iterator struct {
	shard  uint32
	from   position
	issued int64 // Unix milliseconds
}

const (
	iteratorVersion  = 1
	iteratorChecksum = 8
	maxIterator      = 400
)

func (m *Model) iterator(s *shard, from position, now time.Time) string {
	return iterator{s.place.shard, from, now.UnixMilli()}.String(m.options.Seed)
}

func (it iterator) String(seed uint64) string {
	b := []byte{iteratorVersion, 0}
	if it.from.inclusive {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint32(b, it.shard)
	b = binary.BigEndian.AppendUint64(b, uint64(it.issued))
	b = append(b, it.from.sequence...)
	return base64.RawURLEncoding.EncodeToString(append(b, iteratorSum(b, seed)...))
}

// iteratorSum tells an iterator of this stream from a mangled or foreign one; it is no protection against forgery.
func iteratorSum(b []byte, seed uint64) []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, seed))
	h.Write(b)
	return h.Sum(nil)[:iteratorChecksum]
}

func parseIterator(s string, seed uint64) (iterator, error) {
	malformed := &fault.BadInput{Detail: "iterator is malformed or of another stream"}
	if len(s) > maxIterator {
		return iterator{}, malformed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	const head = 14
	if err != nil || len(b) < head+iteratorChecksum {
		return iterator{}, malformed
	}
	b, sum := b[:len(b)-iteratorChecksum], b[len(b)-iteratorChecksum:]
	if !bytes.Equal(sum, iteratorSum(b, seed)) || b[0] != iteratorVersion || b[1] > 1 {
		return iterator{}, malformed
	}
	it := iterator{
		shard:  binary.BigEndian.Uint32(b[2:]),
		issued: int64(binary.BigEndian.Uint64(b[6:])),
		from:   position{string(b[head:]), b[1] == 1},
	}
	if it.from.sequence != "" && checkSequence(it.from.sequence) != nil {
		return iterator{}, malformed
	}
	return it, nil
}
