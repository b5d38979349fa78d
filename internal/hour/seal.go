package hour

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Layout is the version of how a selection becomes parts. It rises when output bytes change.
const Layout = 1

// Kinds of a piece.
const (
	PieceRange  = "range"  // records of a batch
	PieceRepair = "repair" // rejects of a batch that a changed format made good
)

// Piece is one batch's share of an hour.
type Piece struct {
	Kind        string   `json:"kind"`
	Shard       string   `json:"shard"`
	First       Sequence `json:"first"` // of the whole batch
	Last        Sequence `json:"last"`
	Index       Ref      `json:"index"`
	RecordsHash string   `json:"recordsHash"`
	Object      *File    `json:"object,omitempty"`      // ETag as it was sealed
	RejectsFile *File    `json:"rejectsFile,omitempty"` // likewise
	// Take lists the records taken, as [from, to) by place in the index; absent: all.
	Take    [][2]int `json:"take,omitempty"`
	Events  int      `json:"events"`  // taken
	Rejects int      `json:"rejects"` // taken, without those that repair pieces make good
	Bytes   int64    `json:"bytes"`   // of the whole object's events, line feeds included
	// Repairs lists, of a repair, which rejects of the batch first to last it makes good, as [from, to) by line of the
	// batch's rejects; its object holds what they became in this order.
	Repairs [][2]int `json:"repairs,omitempty"`
}

// Whole says whether all records of the batch are taken.
func (p *Piece) Whole() bool { return p.Take == nil }

// Span returns the batch's run of records.
func (p *Piece) Span(h Hour) Span { return Span{h, p.Shard, p.First, p.Last} }

// Kinds of proof.
const (
	ProofTail = "tail" // per shard, the archive or the stream shows a record, or the tip, after the hour
	ProofFull = "full" // the hour was read through from the stream and compared
	ProofNone = "none" // nothing proves it; somebody asked to seal all the same
)

// ShardProof is why one shard holds nothing unarchived of the hour.
type ShardProof struct {
	Shard    string   `json:"shard"`
	How      string   `json:"how"` // "archived", "record", "tip" or "end"
	Sequence Sequence `json:"sequence,omitempty"`
	Arrival  *Time    `json:"arrival,omitempty"`
}

// Mapping is the state of the event source mapping that the proof rests on.
type Mapping struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Start    string `json:"start"`
	Factor   int    `json:"factor"`
	Filtered bool   `json:"filtered"`
}

// Lost is a range that the failure destination holds and the archive does not.
type Lost struct {
	Shard string   `json:"shard"`
	First Sequence `json:"first"`
	Last  Sequence `json:"last"`
	Key   string   `json:"key"` // in the failure bucket
}

// Seal states which pieces, and no others, are an hour.
type Seal struct {
	Version    int          `json:"version"`
	Hour       Hour         `json:"hour"`
	Layout     int          `json:"layout"`
	Revision   string       `json:"revision"`
	Previous   string       `json:"previous,omitempty"` // the revision that was published when this one was sealed
	Pieces     []Piece      `json:"pieces"`
	Duplicates []string     `json:"duplicates,omitempty"` // index keys of batches that add nothing
	Events     int          `json:"events"`
	Rejects    int          `json:"rejects"`
	Bytes      int64        `json:"bytes"` // events taken whole; an upper bound where pieces are trimmed
	Parts      []PartPlan   `json:"parts"`
	Proof      string       `json:"proof"`
	Shards     []ShardProof `json:"shards,omitempty"`
	Mapping    *Mapping     `json:"mapping,omitempty"`
	Lost       []Lost       `json:"lost,omitempty"`
	SealedAt   Time         `json:"sealedAt"`
	Execution  string       `json:"execution"`
}

// PartPlan is which pieces become one part: [From, To) of the seal's pieces.
type PartPlan struct {
	From   int `json:"from"`
	To     int `json:"to"`
	Events int `json:"events"`
}

// RevisionOf hashes a selection and the layout version.
func RevisionOf(layout int, pieces []Piece) string {
	h := sha256.New()
	fmt.Fprintf(h, "layout %d\n", layout)
	for i := range pieces {
		p := &pieces[i]
		fmt.Fprintf(h, "%s %s %s %s %s %v %v", p.Kind, p.Shard, p.First, p.Last, p.RecordsHash, p.Take, p.Repairs)
		if p.Object != nil {
			fmt.Fprintf(h, " %s", p.Object.SHA256)
		}
		if p.RejectsFile != nil {
			fmt.Fprintf(h, " %s", p.RejectsFile.SHA256)
		}
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))[:RevisionDigits]
}

// DecodeSeal reads a seal and checks it against its own key and its own revision.
func (k Keys) DecodeSeal(key string, b []byte) (*Seal, error) {
	var s Seal
	if err := Decode("seal", key, b, &s); err != nil {
		return nil, err
	}
	h, rev, ok := k.ParseSealKey(key)
	if !ok || h != s.Hour || rev != s.Revision || RevisionOf(s.Layout, s.Pieces) != rev {
		return nil, &Corrupt{Key: key, Detail: "seal is of another hour or revision than its key says"}
	}
	return &s, nil
}
