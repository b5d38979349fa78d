package replay

import (
	"time"

	"penstock/internal/hour"
)

// States of a range of a failure object.
const (
	StateArchived   = "archived"         // by this replay
	StateStands     = "already archived" // by whomever
	StatePending    = "to be archived"   // a dry run found it
	StateNotKept    = "payload not kept" // only the stream has it, until it forgets
	StateConflict   = "conflict"         // it contradicts the archive: a person has to look
	StateUnreadable = "unreadable"       // not what Lambda writes there
)

// Range is a run of records of one failure object, shard and hour. Of an unreadable object only key, state and detail
// are known.
type Range struct {
	Key     string        `json:"key"` // in the failure bucket
	Hour    hour.Hour     `json:"hour,omitzero"`
	Shard   string        `json:"shard,omitempty"`
	First   hour.Sequence `json:"first,omitempty"`
	Last    hour.Sequence `json:"last,omitempty"`
	Records int           `json:"records"`
	Payload bool          `json:"payload"`          // whether the failure object holds the records
	Arrival hour.Time     `json:"arrival,omitzero"` // of its first record
	State   string        `json:"state,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	// Until is when the stream forgets its first record, Left how long that is from now; negative: it has forgotten it.
	Until *hour.Time    `json:"streamKeepsUntil,omitempty"`
	Left  time.Duration `json:"-"`
}

// rangesOf folds the records of a failure object into ranges, in the order in which they come.
func rangesOf(key string, f *hour.Failure) (all []Range) {
	if f.Payload == nil {
		return []Range{{Key: key, Hour: hour.Of(f.Begins), Shard: f.Shard, First: f.First, Last: f.Last, Records: f.Count, Arrival: hour.At(f.Begins)}}
	}
	type place struct {
		hour.Hour
		shard string
	}
	at := map[place]int{}
	for _, r := range f.Records {
		p := place{hour.Of(r.Arrival), r.Shard}
		i, ok := at[p]
		if !ok {
			i, at[p] = len(all), len(all)
			all = append(all, Range{Key: key, Hour: p.Hour, Shard: r.Shard, First: r.Sequence, Last: r.Sequence, Payload: true, Arrival: hour.At(r.Arrival)})
		}
		one := &all[i]
		one.Records++
		if r.Sequence.Compare(one.First) < 0 {
			one.First = r.Sequence
		}
		if r.Sequence.Compare(one.Last) > 0 {
			one.Last = r.Sequence
		}
		if r.Arrival.Before(one.Arrival.Time) {
			one.Arrival = hour.At(r.Arrival)
		}
	}
	return all
}

// within returns the ranges of a failure object that an hour range contains, all with a state. With one of an object's
// ranges all of it is archived, so that a replay of an hour may add to its neighbours.
func within(r *hour.Range, all []Range, state string) (some []Range) {
	hit := r == nil
	for _, one := range all {
		hit = hit || r.Contains(one.Hour)
	}
	if !hit {
		return nil
	}
	for _, one := range all {
		one.State = state
		some = append(some, one)
	}
	return some
}

// dated says of each range when the stream forgets it.
func (h *Handler) dated(ranges []Range) []Range {
	if h.Retention == 0 {
		return ranges
	}
	for i := range ranges {
		until := hour.At(ranges[i].Arrival.Add(h.Retention))
		ranges[i].Until, ranges[i].Left = &until, until.Sub(h.Now())
	}
	return ranges
}

// mended collects what the rejects of one batch become.
type mended struct {
	places [][2]int // of rejects that became events
	lines  []byte   // the events
	events int
	still  map[string]int // by reason: rejects that are still none
}

// take takes the reject at a place in: the events that its payload holds now, or none.
func (m *mended) take(place int, reject *hour.Reject, decode func(lines, payload []byte) ([]byte, int)) {
	lines, n := decode(m.lines, reject.Payload)
	if n == 0 {
		m.still[reject.Reason]++
		return
	}
	m.lines, m.events = lines, m.events+n
	if k := len(m.places) - 1; k >= 0 && m.places[k][1] == place {
		m.places[k][1]++
	} else {
		m.places = append(m.places, [2]int{place, place + 1})
	}
}
