package hour

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"
)

// Writers of an index.
const (
	WriterMapping = "mapping" // the event source mapping: its indexes prove progress
	WriterReplay  = "replay"  // penstock replay, from the failure destination
)

// MaxRecords is the most records an index may list.
const MaxRecords = 100_000

// MaxSubRecords is the most events and rejects that the records of an index may hold.
const MaxSubRecords = 1 << 24

// Index commits a batch: what no index names does not exist.
type Index struct {
	Version      int      `json:"version"`
	Hour         Hour     `json:"hour"`
	Shard        string   `json:"shard"`
	First        Sequence `json:"first"` // of the first and last record of this hour in the batch, rejects included
	Last         Sequence `json:"last"`
	Records      int      `json:"records"`
	Events       int      `json:"events"`
	Rejects      int      `json:"rejects"`
	Bytes        int64    `json:"bytes"` // of the events, line feeds included
	FirstArrival Time     `json:"firstArrival"`
	LastArrival  Time     `json:"lastArrival"` // of the last record
	Object       *File    `json:"object,omitempty"`
	RejectsFile  *File    `json:"rejectsFile,omitempty"`
	RecordsHash  string   `json:"recordsHash"` // SHA-256 over sequence, arrival and payload of each record
	ArchivedAt   Time     `json:"archivedAt"`
	Writer       string   `json:"writer"`
	Request      string   `json:"request,omitempty"` // Lambda request id
	Trace        string   `json:"trace,omitempty"`   // X-Ray trace id
	// RebuiltAt says when the index was made again of the stream's records, because it was lost; nil: it was not. Then Request
	// and Trace are unknown, ArchivedAt is about when the objects were written, and Writer is WriterReplay: it proves nothing.
	RebuiltAt *Time `json:"rebuiltAt,omitempty"`
	// Columns holds the list of records (see ColumnsEncoder): base64 of zlib.
	Columns string `json:"columns"`
}

// Row is one record of an index.
type Row struct {
	Sequence Sequence
	Arrival  time.Time
	Kind     Kind
}

// Kind says what became of a record: runs of events and rejects in the order of its sub-records, such as "e" (one
// event), "r" (one reject), "3er2e" (an aggregate of three events, a reject, two events) or "-" (nothing).
type Kind string

// Counts returns how many events and rejects a record held.
func (k Kind) Counts() (events, rejects int, err error) {
	if k == "-" {
		return 0, 0, nil
	}
	s := string(k)
	for s != "" {
		n, digits := 1, 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits > 0 {
			if n, err = strconv.Atoi(s[:digits]); err != nil || n < 2 || n > 1<<24 {
				return 0, 0, fmt.Errorf("record kind with a count out of range")
			}
		}
		if digits == len(s) {
			return 0, 0, fmt.Errorf("record kind ends with a count")
		}
		switch s[digits] {
		case 'e':
			events += n
		case 'r':
			rejects += n
		default:
			return 0, 0, fmt.Errorf("record kind %q is unknown", s[digits])
		}
		s = s[digits+1:]
	}
	if events+rejects == 0 {
		return 0, 0, fmt.Errorf("record kind is empty")
	}
	return events, rejects, nil
}

// KindOf builds a Kind from the fate of each sub-record: 'e' or 'r'.
func KindOf(fates []byte) Kind {
	switch {
	case len(fates) == 0:
		return "-"
	case len(fates) == 1 && fates[0] == 'e':
		return "e"
	case len(fates) == 1:
		return "r"
	}
	var b []byte
	for i := 0; i < len(fates); {
		j := i + 1
		for j < len(fates) && fates[j] == fates[i] {
			j++
		}
		if j-i > 1 {
			b = strconv.AppendInt(b, int64(j-i), 10)
		}
		b = append(b, fates[i])
		i = j
	}
	return Kind(b)
}

// Span returns the run of records that the index commits.
func (x *Index) Span() Span { return Span{x.Hour, x.Shard, x.First, x.Last} }

// DecodeIndex reads an index and checks it against its own key.
func (k Keys) DecodeIndex(key string, b []byte) (*Index, error) {
	var x Index
	if err := Decode("index", key, b, &x); err != nil {
		return nil, err
	}
	if s, ok := k.ParseIndexKey(key); !ok || s != x.Span() {
		return nil, &Corrupt{Key: key, Detail: "index is of another range than its key says"}
	}
	return &x, nil
}

// RecordsHasher sums the raw records of a batch, so that two deliveries of the same records are known as the same
// whatever release encoded them.
type RecordsHasher struct {
	h   hash.Hash
	tmp []byte
}

// NewRecordsHasher returns an empty hasher.
func NewRecordsHasher() *RecordsHasher { return &RecordsHasher{h: sha256.New()} }

// Add adds one record: sequence number, arrival in ms, payload as it was put.
func (r *RecordsHasher) Add(seq Sequence, arrival time.Time, payload []byte) {
	r.tmp = append(r.tmp[:0], seq...)
	r.add(arrival.UnixMilli(), payload)
}

// AddBytes is Add for a sequence number's digits, without leading zeros, and an arrival in Unix milliseconds. It keeps
// neither slice.
func (r *RecordsHasher) AddBytes(seq []byte, arrivalMs int64, payload []byte) {
	r.tmp = append(r.tmp[:0], seq...)
	r.add(arrivalMs, payload)
}

func (r *RecordsHasher) add(arrivalMs int64, payload []byte) {
	r.tmp = append(r.tmp, 0)
	r.tmp = binary.BigEndian.AppendUint64(r.tmp, uint64(arrivalMs))
	r.tmp = binary.BigEndian.AppendUint64(r.tmp, uint64(len(payload)))
	r.h.Write(r.tmp)
	r.h.Write(payload)
}

// Sum returns the hex digest and empties the hasher.
func (r *RecordsHasher) Sum() string {
	s := hex.EncodeToString(r.h.Sum(nil))
	r.h.Reset()
	return s
}

// Reject is a record, or a sub-record, that cannot be an event. It is kept whole.
type Reject struct {
	Version  int      `json:"version"`
	Shard    string   `json:"shard"`
	Sequence Sequence `json:"sequence"`
	Sub      int      `json:"sub"` // index of the sub-record
	Arrival  Time     `json:"arrival"`
	Reason   string   `json:"reason"`
	Payload  []byte   `json:"payload"` // base64
}
