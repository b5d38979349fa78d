package reap

import (
	"context"
	"fmt"
	"time"

	"penstock/internal/clean"
	"penstock/internal/emf"
	"penstock/internal/hour"
)

// Cleaner takes away what of the hours nobody gets any more: a *clean.Cleaner.
type Cleaner interface {
	Plan(ctx context.Context, ranges ...hour.Range) (*clean.Plan, error)
	Act(ctx context.Context, p *clean.Plan) (clean.Done, error)
}

// Cleaning says how the reaper cleans. Each call looks at one day, the next call at the next.
type Cleaning struct {
	Cleaner Cleaner
	Rules   clean.Rules // that the cleaner has
}

// every is how often the reaper's timer calls, as template.yaml has it; calls by events come besides.
const every = 10 * time.Minute

// maxCleaned is how many objects one call deletes; the next round goes on.
const maxCleaned = 5000

// Cleaned is what a call has cleaned.
type Cleaned struct {
	Day     string       `json:"day"`
	Objects int          `json:"objects"` // deleted, or that would be
	Bytes   int64        `json:"bytes"`
	Kept    []clean.Kept `json:"kept,omitempty"` // hours that keep everything
}

// day is the day that a call at some time looks at. Days go round, from those whose hours have just been quiet for the grace
// time to those whose last seals go; a round takes some hours.
func (c *Cleaning) day(now time.Time) hour.Range {
	const day = 24 * time.Hour
	youngest := int(c.Rules.Grace / day)
	oldest := int((c.Rules.ArchiveKeep+2*c.Rules.Grace)/day) + 3
	back := youngest + int(now.Unix()/int64(every/time.Second))%(oldest-youngest+1)
	first := hour.Of(now.Truncate(day).AddDate(0, 0, -back))
	return hour.Range{From: first, To: first.Add(23)}
}

// clean cleans a day.
func (h *Handler) clean(ctx context.Context, dryRun bool) (*Cleaned, error) {
	if h.Cleaning.Cleaner == nil {
		return nil, nil
	}
	r := h.Cleaning.day(h.Now())
	out := &Cleaned{Day: r.From.Start().Format(time.DateOnly)}
	p, err := h.Cleaning.Cleaner.Plan(ctx, r)
	if err != nil {
		return out, fmt.Errorf("look at %s for what to clean: %w", out.Day, err)
	}
	p.Items = p.Items[:min(len(p.Items), maxCleaned)]
	out.Kept = p.Kept
	if dryRun {
		out.Objects, out.Bytes = len(p.Items), clean.Size(p.Items)
		return out, nil
	}
	done, err := h.Cleaning.Cleaner.Act(ctx, p)
	out.Objects, out.Bytes, out.Kept = done.Objects, done.Bytes, append(out.Kept, done.Kept...)
	if err != nil {
		return out, fmt.Errorf("clean %s: %w", out.Day, err)
	}
	h.Figures.Report(ctx, h.Now(), emf.Metric{Name: "CleanedBytes", Unit: emf.Bytes, Value: float64(out.Bytes)})
	return out, nil
}
