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

// maxPages bounds how far one shard is read in one call; the machine asks again.
const maxPages = 200

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
		sp, behind, err := h.readShard(ctx, s.ID, hr, a, begin, end, full)
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

// readShard reads a shard after its last archived record of the hour (or from the hour's begin) until a record, the
// tip, or the shard's end shows that no unarchived record of the hour remains.
func (h *Handler) readShard(ctx context.Context, shard string, hr hour.Hour, a *archived, begin, end time.Time, full bool) (*hour.ShardProof, string, error) {
	start := stream.Start{Type: stream.AtTimestamp, Time: begin}
	if a.last != nil && !full {
		start = stream.Start{Type: stream.AfterSequence, Sequence: string(a.last.Last)}
	}
	it, err := h.Stream.Iterator(ctx, shard, start)
	if err != nil {
		return nil, "", err
	}
	behind := 0
	for range maxPages {
		page, err := h.Stream.Records(ctx, it, stream.MaxRead)
		if err != nil {
			return nil, "", err
		}
		for _, r := range page.Records {
			arrival := r.Arrival.Round(time.Millisecond)
			seq, err := hour.ParseSequence(r.Sequence)
			if err != nil {
				return nil, "", fmt.Errorf("read shard %s: %w", shard, err)
			}
			if hr.Contains(arrival) {
				if _, ok := a.covered.find(seq); !ok {
					behind++
				}
				continue
			}
			if !arrival.Before(end) {
				if behind > 0 {
					return nil, waitingFor(shard, behind), nil
				}
				t := hour.At(arrival)
				return &hour.ShardProof{Shard: shard, How: "record", Sequence: seq, Arrival: &t}, "", nil
			}
		}
		if page.Next == "" || page.BehindTip == 0 {
			if behind > 0 {
				return nil, waitingFor(shard, behind), nil
			}
			if page.Next == "" {
				return &hour.ShardProof{Shard: shard, How: "end"}, "", nil
			}
			return &hour.ShardProof{Shard: shard, How: "tip"}, "", nil
		}
		it = page.Next
	}
	return nil, fmt.Sprintf("%s: more than %d pages behind the tip", shard, maxPages), nil
}

func waitingFor(shard string, behind int) string {
	return fmt.Sprintf("%s: %d records behind", shard, behind)
}
