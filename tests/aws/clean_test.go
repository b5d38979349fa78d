package aws

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"penstock/internal/clean"
	"penstock/internal/hour"
	"penstock/internal/ledger"
)

// cleans has the function look at its day, which holds nothing as old as the grace time here, and then cleans the hour with
// the function's own cleaner and a clock that is ahead: what a lost attempt wrote goes, and readers find all that they did.
func (s *stack) cleans(t *testing.T, of hour.Hour) {
	out, err := s.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(s.Stack + "-reap:live"), Payload: []byte(`{}`)})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("reap: %v %s", err, out.Payload)
	}
	var answer struct {
		Cleaned *struct {
			Day     string
			Objects int
		}
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil || answer.Cleaned == nil || answer.Cleaned.Objects != 0 {
		t.Fatalf("reap answered %s (%v)", out.Payload, err)
	}
	day, err := time.Parse(time.DateOnly, answer.Cleaned.Day)
	if age := time.Since(day); err != nil || age < 7*24*time.Hour || age > 60*24*time.Hour {
		t.Errorf("reap cleaned %q", answer.Cleaned.Day)
	}

	m := s.manifest(t, of)
	lost := s.keys.ResultPrefix(hour.ResultKey{Job: m.Job, Hour: of, Revision: m.Revision, Run: 1, Cluster: 1}) + "part-00000"
	if strings.HasPrefix(lost, m.Result) {
		t.Fatalf("hour %s was published by its first run", of)
	}
	if _, err := s.hours.Create(t.Context(), lost, []byte("half a result")); err != nil {
		t.Fatal(err)
	}
	var before []string
	for o, err := range s.hours.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, o.Key)
	}
	ahead := func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	c := &clean.Cleaner{Hours: s.hours, Ledger: &ledger.Ledger{Store: s.hours, Keys: s.keys, Now: ahead}, Keys: s.keys, Jobs: []string{m.Job},
		Rules: clean.Rules{Grace: 7 * 24 * time.Hour, ArchiveKeep: 35 * 24 * time.Hour}, Now: ahead, Procs: 8}
	plan, err := c.Plan(t.Context(), hour.Range{From: of, To: of})
	if err != nil || !slices.ContainsFunc(plan.Items, func(i clean.Item) bool { return i.Key == lost }) {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	done, err := c.Act(t.Context(), plan)
	if err != nil || done.Objects != len(plan.Items) || len(done.Kept) > 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	left := 0
	for o, err := range s.hours.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if left++; o.Key == lost {
			t.Errorf("%s is still there", lost)
		}
	}
	if left != len(before)-done.Objects {
		t.Errorf("%d objects of %d are left, %d were deleted", left, len(before), done.Objects)
	}
	if n := len(s.lines(t, m)); n != m.Events || s.counted(t, m) != m.Events {
		t.Errorf("hour %s: readers find %d of %d events", of, n, m.Events)
	}
}
