package hour

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// Repair commits events that rejects of one batch have become under another format. What no repair names does not exist.
// It is created if absent and never replaced; the name of its key has its RecordsHash.
//
// The rejects are named by their places in the batch's rejects, so that (shard, sequence, sub-index) of each follows from
// the rejects themselves: an hour of which every record was rejected takes one pair of numbers a batch.
type Repair struct {
	Version     int      `json:"version"`
	Hour        Hour     `json:"hour"`
	Shard       string   `json:"shard"`
	First       Sequence `json:"first"` // of the batch
	Last        Sequence `json:"last"`
	Index       Ref      `json:"index"`       // of the batch
	Repairs     [][2]int `json:"repairs"`     // rejects made good, as [from, to) by line of the batch's rejects
	Events      int      `json:"events"`      // what they became: at least one event each
	Bytes       int64    `json:"bytes"`       // of the events, line feeds included
	Object      *File    `json:"object"`      // the events, in the order of the rejects
	RecordsHash string   `json:"recordsHash"` // RepairHash of what was repaired
	Format      string   `json:"format"`      // they were read with: "json" or "text"
	Split       string   `json:"split,omitempty"`
	RepairedAt  Time     `json:"repairedAt"`
}

// Span returns the run of records of the repaired batch.
func (r *Repair) Span() Span { return Span{r.Hour, r.Shard, r.First, r.Last} }

// Key is the repair's key under k.
func (r *Repair) Key(k Keys) string {
	return k.RepairKey(DataKey{r.Span(), r.Events, r.RecordsHash[:12]})
}

// RepairHash sums up a repair: the batch's index, the places of its rejects, and the events that they became. It is the
// same for every release and encoder that makes the same of them.
func RepairHash(index Ref, repairs [][2]int, events []byte) string {
	h := RepairHasher(index, repairs, int64(len(events)))
	h.Write(events)
	return hex.EncodeToString(h.Sum(nil))
}

// RepairHasher is RepairHash for events, of so many bytes, that are then written to it.
func RepairHasher(index Ref, repairs [][2]int, bytes int64) hash.Hash {
	h := sha256.New()
	fmt.Fprintf(h, "%s %v %d\n", index.SHA256, repairs, bytes)
	return h
}

// DecodeRepair reads a repair and checks it against its own key.
func (k Keys) DecodeRepair(key string, b []byte) (*Repair, error) {
	var r Repair
	if err := Decode("repair", key, b, &r); err != nil {
		return nil, err
	}
	if r.Index.Key != k.IndexKey(r.Span()) {
		return nil, &Corrupt{Key: key, Detail: "repair names another batch's index"}
	}
	d, ok := k.ParseRepairKey(key)
	switch {
	case !ok || d.Span != r.Span() || d.Count != r.Events || !isHash(r.RecordsHash, 2*sha256.Size) || d.Hash != r.RecordsHash[:12]:
		return nil, &Corrupt{Key: key, Detail: "repair is of another batch or content than its key says"}
	case r.Object == nil || !Ascending(r.Repairs) || r.Events < Count(r.Repairs) || r.Events > MaxSubRecords:
		return nil, &Corrupt{Key: key, Detail: "repair does not name its rejects and their events"}
	}
	return &r, nil
}

// Ascending says whether ranges are not empty, apart from each other and in order; there is at least one.
func Ascending(ranges [][2]int) bool {
	last := 0
	for i, r := range ranges {
		if r[0] < last || i > 0 && r[0] == last || r[1] <= r[0] || r[1] > MaxSubRecords {
			return false
		}
		last = r[1]
	}
	return len(ranges) > 0
}

// Count is how many numbers lie in ranges.
func Count(ranges [][2]int) (n int) {
	for _, r := range ranges {
		n += r[1] - r[0]
	}
	return n
}

// Without returns what of ranges does not lie in others. Both are ascending or empty.
func Without(ranges, others [][2]int) [][2]int {
	var left [][2]int
	for _, r := range ranges {
		for len(others) > 0 && others[0][1] <= r[0] {
			others = others[1:]
		}
		from := r[0]
		for _, o := range others {
			if o[0] >= r[1] {
				break
			}
			if o[0] > from {
				left = append(left, [2]int{from, o[0]})
			}
			from = o[1]
		}
		if from < r[1] {
			left = append(left, [2]int{from, r[1]})
		}
	}
	return left
}

// Union returns what lies in either of two lists of ranges, which are ascending or empty.
func Union(a, b [][2]int) [][2]int {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y [2]int) int { return x[0] - y[0] })
	var out [][2]int
	for _, r := range all {
		if k := len(out) - 1; k >= 0 && r[0] <= out[k][1] {
			out[k][1] = max(out[k][1], r[1])
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Repaired tells which rejects of a range piece's batch the repairs among pieces make good, by place in the batch's
// rejects; nil for none.
func Repaired(pieces []Piece) func(p *Piece) [][2]int {
	all := map[Span][][2]int{}
	for i := range pieces {
		if p := &pieces[i]; p.Kind == PieceRepair {
			s := p.Span(Hour{})
			all[s] = Union(all[s], p.Repairs)
		}
	}
	return func(p *Piece) [][2]int { return all[p.Span(Hour{})] }
}

// Lines turns records taken from a batch, as [from, to) by place in its rows (nil: all), into runs of lines: of its
// object or, with rejects, of its rejects.
func Lines(rows []Row, take [][2]int, rejects bool) ([][2]int, error) {
	if take == nil {
		take = [][2]int{{0, len(rows)}}
	}
	lines := [][2]int{}
	line := 0
	for i, row := range rows {
		n, j, err := row.Kind.Counts()
		if err != nil {
			return nil, err
		}
		if rejects {
			n = j
		}
		for len(take) > 0 && i >= take[0][1] {
			take = take[1:]
		}
		if n > 0 && len(take) > 0 && i >= take[0][0] {
			if k := len(lines) - 1; k >= 0 && lines[k][1] == line {
				lines[k][1] += n
			} else {
				lines = append(lines, [2]int{line, line + n})
			}
		}
		line += n
	}
	return lines, nil
}
