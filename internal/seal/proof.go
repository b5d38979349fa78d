package seal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/stream"
)

// Limits of one call's reading; the machine asks again.
const (
	maxPages    = 200             // answers of the stream, of one shard
	enoughPages = 10              // once something is behind: the archive reads the same shard and needs the throughput
	readFor     = 5 * time.Minute // of all shards; a shard gives 2 MB a second
)

// proof is what shows that an hour is complete, or what it waits for.
type proof struct {
	kind    string
	shards  []hour.ShardProof
	waiting string // "" when complete
	cursor  Cursor
}

// archived is what the archive holds of one shard.
type archived struct {
	covered coverage    // of the hour, all writers
	last    *hour.Index // the mapping's last index of the hour
	after   *hour.Index // an index of the mapping whose last record arrived after the hour plus margin
}

// question is what is to be proved.
type question struct {
	hour   hour.Hour
	shards map[string]*archived
	full   bool // read from the hour's begin, whatever is archived
	accept bool // what is archived, where nothing can be proved
	cursor Cursor
}

// prove asks the archive, then the stream, whether anything of the hour can still come. Nothing is waited for.
func (h *Handler) prove(ctx context.Context, q question) (*proof, error) {
	began := h.Now()
	end := q.hour.End().Add(h.Margin)
	if began.Before(end) {
		return &proof{waiting: fmt.Sprintf("the hour ends at %s, and %s are given to what is under way", q.hour.End().Format("15:04"), h.Margin)}, nil
	}
	retention, err := h.Stream.Retention(ctx)
	if err != nil {
		return nil, err
	}
	begin := q.hour.Start().Add(-h.Margin)
	if begin.Before(began.Add(-retention).Add(safety)) {
		if !q.accept {
			return nil, &fault.Unproven{Hour: q.hour.String(), Detail: fmt.Sprintf(
				"the stream keeps %s: run it with --accept-unproven to take what is archived", retention)}
		}
		return &proof{kind: hour.ProofNone}, nil
	}
	list, err := h.Stream.Shards(ctx, begin)
	if err != nil {
		return nil, err
	}
	p := &proof{kind: hour.ProofTail, cursor: Cursor{Full: q.full}}
	if q.full {
		p.kind = hour.ProofFull
	}
	lost := &givenUp{h: h, hr: q.hour}
	var waiting []string
	for _, s := range list {
		a := q.shards[s.ID]
		if a == nil {
			a = &archived{}
		}
		if a.after != nil && !q.full {
			t := a.after.LastArrival
			p.shards = append(p.shards, hour.ShardProof{Shard: s.ID, How: "archived", Sequence: a.after.Last, Arrival: &t})
			continue
		}
		t := tail{shard: s.ID, hour: q.hour, archived: a, begin: begin, end: end, full: q.full, lost: lost, until: began.Add(readFor)}
		t.reached = q.cursor.of(s.ID, q.full)
		r, err := h.readShard(ctx, t)
		if err != nil {
			return nil, err
		}
		p.cursor.set(s.ID, r.reached)
		if r.waiting != "" {
			waiting = append(waiting, r.waiting)
			continue
		}
		p.shards = append(p.shards, *r.proof)
	}
	p.waiting = strings.Join(waiting, "; ")
	return p, nil
}

// safety is how far within retention the hour must lie for the stream to prove anything.
const safety = time.Hour

// tail is what is to be read of a shard.
type tail struct {
	shard      string
	hour       hour.Hour
	archived   *archived
	begin, end time.Time // the hour, and the margin on either side
	full       bool      // from the hour's begin, whatever is archived
	reached    hour.Sequence
	lost       *givenUp
	until      time.Time // no answer is asked for after it
}

// start is where the reading of the shard goes on.
func (t *tail) start() stream.Start {
	after := t.reached
	if last := t.archived.last; last != nil && !t.full && last.Last.Compare(after) > 0 {
		after = last.Last
	}
	if after == "" {
		return stream.Start{Type: stream.AtTimestamp, Time: t.begin}
	}
	return stream.Start{Type: stream.AfterSequence, Sequence: string(after)}
}

// reading is what came of reading a shard: a proof, or what is waited for.
type reading struct {
	proof   *hour.ShardProof
	waiting string
	reached hour.Sequence // nothing unarchived of the hour stands up to here; "" for nowhere
}

// readShard reads a shard after its last archived record of the hour (or from the hour's begin) until a record, the
// tip, or the shard's end shows that no unarchived record of the hour remains; else it says how many do.
func (h *Handler) readShard(ctx context.Context, t tail) (reading, error) {
	r := reading{reached: t.reached}
	it, err := h.Stream.Iterator(ctx, t.shard, t.start())
	if err != nil {
		return r, err
	}
	behind := 0
	found := func(p hour.ShardProof) (reading, error) {
		if behind > 0 {
			r.waiting = fmt.Sprintf("%s: %d records behind", t.shard, behind)
		} else {
			r.proof = &p
		}
		return r, nil
	}
	var at time.Time // arrival of the record that was read last
	answers := 0
	for n := range maxPages {
		if behind > 0 && n >= enoughPages {
			r.waiting = fmt.Sprintf("%s: %d records behind, and more", t.shard, behind)
			return r, nil
		}
		if h.Now().After(t.until) {
			break
		}
		page, err := h.Stream.Records(ctx, it, stream.MaxRead)
		var unavailable *fault.Unavailable
		if n > 0 && errors.As(err, &unavailable) && ctx.Err() == nil { // throttled: what was read is not to be read again
			break
		}
		if err != nil {
			return r, err
		}
		answers++
		for i := range page.Records {
			arrival := page.Records[i].Arrival.Round(time.Millisecond)
			seq, err := hour.ParseSequence(page.Records[i].Sequence)
			if err != nil {
				return r, fmt.Errorf("read shard %s: %w", t.shard, err)
			}
			at = arrival
			if t.hour.Contains(arrival) {
				due, err := t.unarchived(ctx, seq)
				if err != nil {
					return r, err
				}
				if due {
					behind++
				}
			} else if !arrival.Before(t.end) {
				sent := hour.At(arrival)
				return found(hour.ShardProof{Shard: t.shard, How: "record", Sequence: seq, Arrival: &sent})
			}
			if behind == 0 {
				r.reached = seq
			}
		}
		switch {
		case page.Next == "":
			return found(hour.ShardProof{Shard: t.shard, How: "end"})
		case page.BehindTip == 0:
			return found(hour.ShardProof{Shard: t.shard, How: "tip"})
		}
		it = page.Next
	}
	if at.IsZero() {
		r.waiting = fmt.Sprintf("%s: no record in %d answers, still to be read", t.shard, answers)
	} else {
		r.waiting = fmt.Sprintf("%s: read up to %s, goes on", t.shard, at.UTC().Format("15:04:05"))
	}
	return r, nil
}

// unarchived says whether a record of the hour is still to be archived.
func (t *tail) unarchived(ctx context.Context, s hour.Sequence) (bool, error) {
	if _, ok := t.archived.covered.find(s); ok {
		return false, nil
	}
	lost, err := t.lost.has(ctx, t.shard, s)
	return !lost, err
}
