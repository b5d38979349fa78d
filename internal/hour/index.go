package hour

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Writers of an index.
const (
	WriterMapping = "mapping" // the event source mapping: its indexes prove progress
	WriterReplay  = "replay"  // penstock replay, from the failure destination
)

// MaxRecords is the most records an index may list.
const MaxRecords = 100_000

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
	// Columns holds the list of records: base64 of zlib of three lines, items separated by blanks: sequence deltas in
	// hex, arrival deltas in ms, and kinds (see Kind).
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

// EncodeRows packs rows into Columns. Sequence numbers must grow.
func EncodeRows(rows []Row) (string, error) {
	var seq, arr, kinds bytes.Buffer
	prev, d := new(big.Int), new(big.Int)
	var at int64
	for i, r := range rows {
		n := r.Sequence.big()
		if i > 0 && n.Cmp(prev) <= 0 {
			return "", fmt.Errorf("sequence numbers of a batch do not grow at record %d", i)
		}
		ms := r.Arrival.UnixMilli()
		if i > 0 {
			seq.WriteByte(' ')
			arr.WriteByte(' ')
			kinds.WriteByte(' ')
		}
		seq.WriteString(d.Sub(n, prev).Text(16))
		arr.WriteString(strconv.FormatInt(ms-at, 10))
		kinds.WriteString(string(r.Kind))
		prev, at = n, ms
	}
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	for _, b := range []*bytes.Buffer{&seq, &arr, &kinds} {
		b.WriteByte('\n')
		if _, err := z.Write(b.Bytes()); err != nil {
			return "", err
		}
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}

// Rows unpacks Columns and checks them against the counts and the range that the index states.
func (x *Index) Rows() ([]Row, error) {
	bad := func(detail string) ([]Row, error) {
		return nil, &Corrupt{Key: x.Shard + " " + x.Hour.String() + " index", Detail: detail}
	}
	if x.Records < 1 || x.Records > MaxRecords {
		return bad("count of records out of range")
	}
	z, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(x.Columns)))
	if err != nil {
		return bad("columns are not readable")
	}
	limit := int64(x.Records)*(MaxSequenceDigits+200) + 3
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
	prev, d := new(big.Int), new(big.Int)
	var at int64
	events, rejects := 0, 0
	for i := range rows {
		if _, ok := d.SetString(seqs[i], 16); !ok || d.Sign() < 0 || len(seqs[i]) > 110 || i > 0 && d.Sign() == 0 {
			return bad("sequence numbers do not grow")
		}
		ms, err := strconv.ParseInt(arrs[i], 10, 64)
		if err != nil {
			return bad("arrival is not a number")
		}
		prev.Add(prev, d)
		at += ms
		e, r, err := Kind(kinds[i]).Counts()
		if err != nil {
			return bad(err.Error())
		}
		events, rejects = events+e, rejects+r
		rows[i] = Row{Sequence(prev.String()), time.UnixMilli(at).UTC(), Kind(kinds[i])}
	}
	n := len(rows) - 1
	if rows[0].Sequence != x.First || rows[n].Sequence != x.Last || events != x.Events || rejects != x.Rejects {
		return bad("records are not those of its range and counts")
	}
	return rows, nil
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
	tmp [16]byte
}

// NewRecordsHasher returns an empty hasher.
func NewRecordsHasher() *RecordsHasher { return &RecordsHasher{h: sha256.New()} }

// Add adds one record: sequence number, arrival in ms, payload as it was put.
func (r *RecordsHasher) Add(seq Sequence, arrival time.Time, payload []byte) {
	io.WriteString(r.h, string(seq))
	binary.BigEndian.PutUint64(r.tmp[:8], uint64(arrival.UnixMilli()))
	binary.BigEndian.PutUint64(r.tmp[8:], uint64(len(payload)))
	r.h.Write([]byte{0})
	r.h.Write(r.tmp[:])
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
