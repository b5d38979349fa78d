package seal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/stream"
)

// Limits of one call's reading of one shard, in answers of the stream; the machine asks again.
const (
	maxPages    = 200
	enoughPages = 10 // once something is behind: the archive reads the same shard and needs the throughput
)

// proof is what shows that an hour is complete, or what it waits for.
type proof struct {
	kind    string
	shards  []hour.ShardProof
	waiting string // "" when complete
}

// archived is what the archive holds of one shard.
type archived struct {
	covered coverage    // of the hour, all writers
	last    *hour.Index // the mapping's last index of the hour
	after   *hour.Index // an index of the mapping whose last record arrived after the hour plus margin
}

// prove asks the archive, then the stream, whether anything of the hour can still come. Nothing is waited for.
func (h *Handler) prove(ctx context.Context, hr hour.Hour, shards map[string]*archived, full, acceptUnproven bool) (*proof, error) {
	now := h.Now()
	end := hr.End().Add(h.Margin)
	if now.Before(end) {
		return &proof{waiting: fmt.Sprintf("the hour ends at %s, and %s are given to what is under way", hr.End().Format("15:04"), h.Margin)}, nil
	}
	retention, err := h.Stream.Retention(ctx)
	if err != nil {
		return nil, err
	}
	begin := hr.Start().Add(-h.Margin)
	if begin.Before(now.Add(-retention).Add(safety)) {
		if !acceptUnproven {
			return nil, &fault.Unproven{Hour: hr.String(), Detail: fmt.Sprintf(
				"the stream keeps %s: run it with --accept-unproven to take what is archived", retention)}
		}
		return &proof{kind: hour.ProofNone}, nil
	}
	list, err := h.Stream.Shards(ctx, begin)
	if err != nil {
		return nil, err
	}
	p := &proof{kind: hour.ProofTail}
	if full {
		p.kind = hour.ProofFull
	}
	lost := &givenUp{h: h, hr: hr}
	var waiting []string
	for _, s := range list {
		a := shards[s.ID]
		if a == nil {
			a = &archived{}
		}
		if a.after != nil && !full {
			t := a.after.LastArrival
			p.shards = append(p.shards, hour.ShardProof{Shard: s.ID, How: "archived", Sequence: a.after.Last, Arrival: &t})
			continue
		}
		sp, behind, err := h.readShard(ctx, tail{shard: s.ID, hour: hr, archived: a, begin: begin, end: end, full: full, lost: lost})
		if err != nil {
			return nil, err
		}
		if behind != "" {
			waiting = append(waiting, behind)
			continue
		}
		p.shards = append(p.shards, *sp)
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
	lost       *givenUp
}

// readShard reads a shard after its last archived record of the hour (or from the hour's begin) until a record, the
// tip, or the shard's end shows that no unarchived record of the hour remains; else it says how many do.
func (h *Handler) readShard(ctx context.Context, t tail) (*hour.ShardProof, string, error) {
	start := stream.Start{Type: stream.AtTimestamp, Time: t.begin}
	if last := t.archived.last; last != nil && !t.full {
		start = stream.Start{Type: stream.AfterSequence, Sequence: string(last.Last)}
	}
	it, err := h.Stream.Iterator(ctx, t.shard, start)
	if err != nil {
		return nil, "", err
	}
	behind := 0
	found := func(how string) (*hour.ShardProof, string, error) {
		if behind > 0 {
			return nil, fmt.Sprintf("%s: %d records behind", t.shard, behind), nil
		}
		return &hour.ShardProof{Shard: t.shard, How: how}, "", nil
	}
	for n := range maxPages {
		if behind > 0 && n >= enoughPages {
			return nil, fmt.Sprintf("%s: %d records behind, and more", t.shard, behind), nil
		}
		page, err := h.Stream.Records(ctx, it, stream.MaxRead)
		if err != nil {
			return nil, "", err
		}
		for _, r := range page.Records {
			arrival := r.Arrival.Round(time.Millisecond)
			seq, err := hour.ParseSequence(r.Sequence)
			if err != nil {
				return nil, "", fmt.Errorf("read shard %s: %w", t.shard, err)
			}
			if t.hour.Contains(arrival) {
				due, err := t.unarchived(ctx, seq)
				if err != nil {
					return nil, "", err
				}
				if due {
					behind++
				}
				continue
			}
			if arrival.Before(t.end) {
				continue
			}
			p, waiting, err := found("record")
			if p != nil {
				at := hour.At(arrival)
				p.Sequence, p.Arrival = seq, &at
			}
			return p, waiting, err
		}
		switch {
		case page.Next == "":
			return found("end")
		case page.BehindTip == 0:
			return found("tip")
		}
		it = page.Next
	}
	return nil, fmt.Sprintf("%s: more than %d pages behind the tip", t.shard, maxPages), nil
}

// unarchived says whether a record of the hour is still to be archived.
func (t *tail) unarchived(ctx context.Context, s hour.Sequence) (bool, error) {
	if _, ok := t.archived.covered.find(s); ok {
		return false, nil
	}
	lost, err := t.lost.has(ctx, t.shard, s)
	return !lost, err
}
