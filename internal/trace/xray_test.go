package trace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"
)

// service is an X-Ray that works in memory: traces by id, found by annotations of their documents, one summary and one
// trace a page, every second trace unprocessed at first.
type service struct {
	t           *testing.T
	docs        map[string][]string
	logs        bool
	denied      bool
	slow        int // times that an id is left unprocessed
	unprocessed map[string]int
	calls       int
}

func (s *service) GetTraceSummaries(_ context.Context, in *xray.GetTraceSummariesInput, _ ...func(*xray.Options)) (*xray.GetTraceSummariesOutput, error) {
	s.calls++
	if d := in.EndTime.Sub(*in.StartTime); d <= 0 || d > 6*time.Hour {
		s.t.Errorf("a window of %v", d)
	}
	var hits []string
	for id, docs := range s.docs {
		at, _ := TraceTime(id)
		if at.Before(*in.StartTime) || !at.Before(*in.EndTime) {
			continue
		}
		for _, doc := range docs {
			var d Document
			if err := json.Unmarshal([]byte(doc), &d); err != nil {
				s.t.Fatal(err)
			}
			for k, v := range d.Annotations {
				if fmt.Sprintf(`annotation.%s = "%v"`, k, v) == *in.FilterExpression {
					hits = append(hits, id)
				}
			}
		}
	}
	slices.Sort(hits)
	hits = slices.Compact(hits)
	i := slices.Index(hits, aws.ToString(in.NextToken)) + 1
	out := &xray.GetTraceSummariesOutput{}
	if i < len(hits) {
		out.TraceSummaries = []types.TraceSummary{{Id: &hits[i]}}
		if i+1 < len(hits) {
			out.NextToken = &hits[i]
		}
	}
	return out, nil
}

func (s *service) BatchGetTraces(_ context.Context, in *xray.BatchGetTracesInput, _ ...func(*xray.Options)) (*xray.BatchGetTracesOutput, error) {
	s.calls++
	if len(in.TraceIds) > 5 {
		s.t.Errorf("%d ids at once", len(in.TraceIds))
	}
	i := slices.Index(in.TraceIds, aws.ToString(in.NextToken)) + 1
	id := in.TraceIds[i]
	out := &xray.BatchGetTracesOutput{}
	if i+1 < len(in.TraceIds) {
		out.NextToken = &id
	}
	if s.unprocessed[id] < s.slow {
		s.unprocessed[id]++
		out.UnprocessedTraceIds = []string{id}
		return out, nil
	}
	if docs, ok := s.docs[id]; ok {
		t := types.Trace{Id: &id}
		for _, d := range docs {
			t.Segments = append(t.Segments, types.Segment{Document: &d})
		}
		out.Traces = []types.Trace{t}
	}
	return out, nil
}

func (s *service) GetTraceSegmentDestination(context.Context, *xray.GetTraceSegmentDestinationInput, ...func(*xray.Options)) (*xray.GetTraceSegmentDestinationOutput, error) {
	s.calls++
	if s.denied {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException"}
	}
	out := &xray.GetTraceSegmentDestinationOutput{Destination: types.TraceSegmentDestinationXRay}
	if s.logs {
		out.Destination = types.TraceSegmentDestinationCloudWatchLogs
	}
	return out, nil
}

// newService holds what sinks wrote for twelve runs of an hour, two hours apart.
func newService(t *testing.T) (*service, []string) {
	t.Helper()
	s := &service{t: t, docs: map[string][]string{}, unprocessed: map[string]int{}}
	sink, out, clock := newTestSink(t)
	var ids []string
	for n := range 12 {
		name := fmt.Sprintf("2026-11-23T07-%d", n+1)
		id := TraceIDFor(1, name, clock.now())
		ids = append(ids, id)
		run := sink.Start(Start{Name: name, Machine: "hour", TraceID: id, At: clock.now()})
		run.Begin(KindState, "Claim", clock.now()).End(clock.advance(time.Second), Failure{})
		run.End(clock.now(), Failure{})
		for line := range strings.Lines(string(out.files["2026/11/23/07/"+name+".ndjson"])) {
			s.docs[id] = append(s.docs[id], line)
		}
		clock.advance(2*time.Hour - time.Second)
	}
	return s, ids
}

func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func TestRemoteFindsByAnnotationOverLongTimes(t *testing.T) {
	s, ids := newService(t)
	began := newManual().t
	r := NewRemote(s, noWait)
	got, err := r.Find(t.Context(), Hour, "2026-11-23T07", began.Add(-31*time.Hour), began.Add(40*time.Hour))
	if err != nil || !slices.Equal(got, ids) {
		t.Errorf("%v, %v, want %v", got, err, ids)
	}
	got, err = r.Find(t.Context(), Execution, "2026-11-23T07-3", began, began.Add(5*time.Hour))
	if err != nil || !slices.Equal(got, ids[2:3]) {
		t.Errorf("%v, %v", got, err)
	}
	before := s.calls
	if _, err := r.Find(t.Context(), Hour, "x", time.Time{}, began); err != nil || s.calls-before > 122 {
		t.Errorf("%d calls for a time without a beginning, %v", s.calls-before, err)
	}
}

func TestRemoteLoadsTheSameTreeAsADirectory(t *testing.T) {
	for _, slow := range []int{0, 3} {
		s, ids := newService(t)
		s.slow, s.denied = slow, true
		gone := TraceIDFor(99, "gone", newManual().t)
		got, err := NewRemote(s, noWait).Load(t.Context(), append([]string{gone}, ids...))
		if err != nil || len(got) != 12 {
			t.Fatalf("%d traces, %v", len(got), err)
		}
		for i, tr := range got {
			if tr.ID != ids[i] || outline(tr.Roots) != "execution:hour(state:Claim)" || tr.Running || tr.Damaged != 0 {
				t.Errorf("%+v is %s", tr, outline(tr.Roots))
			}
		}
	}
}

func TestRemoteSaysWhyThereIsNothing(t *testing.T) {
	s, ids := newService(t)
	r := NewRemote(s, noWait)
	gone := TraceIDFor(99, "gone", newManual().t)
	var missing *NotRecorded
	for _, id := range []string{gone, "x"} {
		if _, err := r.Load(t.Context(), []string{id}); !errors.As(err, &missing) {
			t.Errorf("%s: %v", id, err)
		}
	}
	s.slow = 1000
	if _, err := r.Load(t.Context(), ids[:1]); err == nil || !strings.Contains(err.Error(), "unprocessed") {
		t.Errorf("an id that is never processed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Load(ctx, ids[:1]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s.logs, s.slow = true, 0
	var logs *SpansInLogs
	if _, err := r.Find(t.Context(), Hour, "2026-11-23T07", newManual().t, newManual().t.Add(time.Hour)); !errors.As(err, &logs) || logs.LogGroup != "aws/spans" {
		t.Errorf("%v", err)
	}
	if _, err := r.Load(t.Context(), []string{gone}); !errors.As(err, &logs) {
		t.Errorf("%v", err)
	}
	if got, err := r.Load(t.Context(), ids[:1]); err != nil || len(got) != 1 {
		t.Errorf("what X-Ray has counts: %v, %v", got, err)
	}
}

func TestFilterAnnotation(t *testing.T) {
	got, err := FilterAnnotation(Shard, "shardId-000000000003")
	if want := `annotation.shard = "shardId-000000000003"`; got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for key, value := range map[string]string{"hour": `x" OR annotation.a = "y`, "shard": `\`, "bad key": "x", "": "x", "events": "", "revision": "a\nb", "execution": "\xff"} {
		if got, err := FilterAnnotation(key, value); err == nil {
			t.Errorf("%s=%q gives %s", key, value, got)
		}
	}
}

func TestATraceThatStaysUnprocessedIsNotThereYet(t *testing.T) {
	s, ids := newService(t)
	s.slow = 1000
	waited := time.Duration(0)
	r := NewRemote(s, func(_ context.Context, d time.Duration) error { waited += d; return nil })
	var none *NotRecorded
	if _, err := r.Load(t.Context(), ids[:1]); !errors.As(err, &none) || waited > 15*time.Second {
		t.Errorf("%v after %s", err, waited)
	}
	s.logs = true
	var logs *SpansInLogs
	if _, err := r.Load(t.Context(), ids[:1]); !errors.As(err, &logs) {
		t.Errorf("with Transaction Search: %v", err)
	}
}

// elsewhere is an X-Ray that does not know where traces go, as an emulator's: it answers with a page.
type elsewhere struct{ *service }

type pageError struct{ error }

func (pageError) HTTPStatusCode() int { return 404 }

func (e elsewhere) GetTraceSegmentDestination(context.Context, *xray.GetTraceSegmentDestinationInput, ...func(*xray.Options)) (*xray.GetTraceSegmentDestinationOutput, error) {
	return nil, fmt.Errorf("decode: %w", pageError{errors.New("invalid character '<'")})
}

func TestAServerThatCannotSayWhereTracesGoIsAskedForThem(t *testing.T) {
	s, ids := newService(t)
	r := NewRemote(elsewhere{s}, func(context.Context, time.Duration) error { return nil })
	if all, err := r.Load(t.Context(), ids[:1]); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	var none *NotRecorded
	if _, err := r.Load(t.Context(), []string{"1-65637c00-0123456789abcdef01234567"}); !errors.As(err, &none) {
		t.Errorf("of a trace that is not there: %v", err)
	}
}
