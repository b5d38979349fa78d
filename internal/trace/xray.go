package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"
)

// XRay is what is needed of the X-Ray API; *xray.Client has it.
type XRay interface {
	GetTraceSummaries(context.Context, *xray.GetTraceSummariesInput, ...func(*xray.Options)) (*xray.GetTraceSummariesOutput, error)
	BatchGetTraces(context.Context, *xray.BatchGetTracesInput, ...func(*xray.Options)) (*xray.BatchGetTracesOutput, error)
	GetTraceSegmentDestination(context.Context, *xray.GetTraceSegmentDestinationInput, ...func(*xray.Options)) (*xray.GetTraceSegmentDestinationOutput, error)
}

// Limits of reading from X-Ray.
const (
	SummaryWindow = 6 * time.Hour       // GetTraceSummaries is asked for no longer time at once
	TraceAge      = 30 * 24 * time.Hour // X-Ray keeps traces for 30 days
	maxTraces     = 500                 // traces of one search
	maxPages      = 1000                // answers of one search, over all windows
	batchSize     = 5                   // ids of one BatchGetTraces
	maxRounds     = 6                   // times that unprocessed ids are asked for again
)

// SpansLogGroup is where Transaction Search keeps spans.
const SpansLogGroup = "aws/spans"

// SpansInLogs says that the account has Transaction Search on: its spans are in a log group, where X-Ray's own API
// does not find them.
type SpansInLogs struct{ LogGroup string }

func (e *SpansInLogs) Error() string {
	return fmt.Sprintf("this account sends spans to CloudWatch Logs (Transaction Search): look in the log group %s", e.LogGroup)
}

// Remote reads traces from X-Ray. Its methods may be called concurrently if its client may.
type Remote struct {
	api  XRay
	wait func(context.Context, time.Duration) error
}

// NewRemote returns a reader of X-Ray. wait pauses before unprocessed traces are asked for again; it returns the
// context's error when that ends first.
func NewRemote(api XRay, wait func(context.Context, time.Duration) error) *Remote {
	return &Remote{api: api, wait: wait}
}

// FilterAnnotation is the filter expression for the traces that have an annotation of that value. Values with a quote,
// a backslash or a control character are refused: the expression language has no documented escape for them.
func FilterAnnotation(key, value string) (string, error) {
	if key == "" || key != cleanKey(key) {
		return "", fmt.Errorf("filter traces: %q is no annotation key", key)
	}
	bad := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f || r == '\uFFFD' })
	if bad || value == "" || len(value) > maxAnnotation {
		return "", fmt.Errorf("filter traces: %q cannot be the value of annotation %s", clip(value, 80), key)
	}
	return fmt.Sprintf(`annotation.%s = "%s"`, key, value), nil
}

// Find returns the ids of the traces that began from from up to to and have the annotation, the earliest first, at
// most 500. Where Transaction Search is on, the error is a *[SpansInLogs]. A trace appears some seconds after its work.
func (r *Remote) Find(ctx context.Context, key, value string, from, to time.Time) ([]string, error) {
	filter, err := FilterAnnotation(key, value)
	if err != nil {
		return nil, err
	}
	if err := r.checkDestination(ctx); err != nil {
		return nil, err
	}
	if oldest := to.Add(-TraceAge); from.Before(oldest) {
		from = oldest
	}
	seen := map[string]bool{}
	var ids []string
	pages := 0
	for ; from.Before(to); from = from.Add(SummaryWindow) {
		end := from.Add(SummaryWindow)
		if end.After(to) {
			end = to
		}
		in := &xray.GetTraceSummariesInput{
			StartTime: aws.Time(from), EndTime: aws.Time(end), FilterExpression: aws.String(filter), TimeRangeType: types.TimeRangeTypeTraceId,
		}
		for {
			out, err := r.api.GetTraceSummaries(ctx, in)
			if err != nil {
				return nil, fmt.Errorf("find traces by %s from %s: %w", filter, from.UTC().Format(time.RFC3339), err)
			}
			for _, s := range out.TraceSummaries {
				if id := aws.ToString(s.Id); !seen[id] && len(ids) < maxTraces {
					if _, ok := TraceTime(id); ok {
						seen[id] = true
						ids = append(ids, id)
					}
				}
			}
			pages++
			if aws.ToString(out.NextToken) == "" || len(ids) >= maxTraces {
				break
			}
			if pages >= maxPages {
				return nil, fmt.Errorf("find traces by %s: no end after %d answers", filter, pages)
			}
			in.NextToken = out.NextToken
		}
	}
	slices.Sort(ids) // an id begins with its time
	return ids, nil
}

// Load reads traces by their ids, in the order of ids; those that X-Ray does not have are left out. When none of them
// is there, the error is a *[SpansInLogs] or a *[NotRecorded].
func (r *Remote) Load(ctx context.Context, ids []string) ([]*Trace, error) {
	if len(ids) > maxTraces {
		return nil, fmt.Errorf("read traces: %d at once, at most %d", len(ids), maxTraces)
	}
	for _, id := range ids {
		if _, ok := TraceTime(id); !ok {
			return nil, &NotRecorded{What: fmt.Sprintf("%q", clip(id, 80)), Hint: "a trace id looks like 1-65637c00-0123456789abcdef01234567"}
		}
	}
	var all reading
	for batch := range slices.Chunk(ids, batchSize) {
		err := r.batch(ctx, batch, &all)
		var none *NotRecorded
		if errors.As(err, &none) {
			return nil, cmp.Or(r.checkDestination(ctx), err)
		}
		if err != nil {
			return nil, err
		}
	}
	byID := map[string]*Trace{}
	for _, t := range all.traces() {
		byID[t.ID] = t
	}
	var out []*Trace
	for _, id := range ids {
		if t := byID[id]; t != nil {
			out = append(out, t)
			delete(byID, id)
		}
	}
	if len(out) == 0 && len(ids) > 0 {
		if err := r.checkDestination(ctx); err != nil {
			return nil, err
		}
		return nil, &NotRecorded{What: strings.Join(ids[:min(3, len(ids))], ", "),
			Hint: "X-Ray has nothing (yet): it shows a trace some seconds after its work, for 30 days, and only those it sampled"}
	}
	return out, nil
}

// batch asks for a few traces until each was processed.
func (r *Remote) batch(ctx context.Context, ids []string, all *reading) error {
	for round := 0; len(ids) > 0; round++ {
		if round > 0 {
			if round >= maxRounds {
				return &NotRecorded{What: strings.Join(ids, ", "), Hint: fmt.Sprintf("X-Ray leaves it unprocessed after %d calls: it may show it in a minute", round)}
			}
			if err := r.wait(ctx, min(200*time.Millisecond<<round, 5*time.Second)); err != nil {
				return fmt.Errorf("read traces %s: %w", strings.Join(ids, ", "), err)
			}
		}
		in := &xray.BatchGetTracesInput{TraceIds: ids}
		var again []string
		for page := 0; ; page++ {
			out, err := r.api.BatchGetTraces(ctx, in)
			if err != nil {
				return fmt.Errorf("read traces %s: %w", strings.Join(ids, ", "), err)
			}
			for _, t := range out.Traces {
				all.truncated = all.truncated || aws.ToBool(t.LimitExceeded)
				for _, s := range t.Segments {
					all.addUnder([]byte(aws.ToString(s.Document)), aws.ToString(t.Id), "", 0)
				}
			}
			for _, id := range out.UnprocessedTraceIds {
				if slices.Contains(ids, id) && !slices.Contains(again, id) {
					again = append(again, id)
				}
			}
			if aws.ToString(out.NextToken) == "" {
				break
			}
			if page >= maxPages {
				return fmt.Errorf("read traces %s: no end after %d answers", strings.Join(ids, ", "), page)
			}
			in = &xray.BatchGetTracesInput{TraceIds: ids, NextToken: out.NextToken}
		}
		ids = again
	}
	return nil
}

// checkDestination returns a *SpansInLogs where Transaction Search is on. A principal or a server that may or can not
// answer leaves the question open, and X-Ray is asked.
func (r *Remote) checkDestination(ctx context.Context) error {
	out, err := r.api.GetTraceSegmentDestination(ctx, &xray.GetTraceSegmentDestinationInput{})
	var refused smithy.APIError
	var response interface{ HTTPStatusCode() int }
	switch {
	case errors.As(err, &refused), errors.As(err, &response) && response.HTTPStatusCode()/100 == 4:
		return nil
	case err != nil:
		return fmt.Errorf("ask where traces go: %w", err)
	case out.Destination == types.TraceSegmentDestinationCloudWatchLogs:
		return &SpansInLogs{LogGroup: SpansLogGroup}
	}
	return nil
}
