package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

// queue is an input of events at their times.
type queue []local.Event

func (q *queue) Next() (local.Event, error) {
	if len(*q) == 0 {
		return local.Event{}, io.EOF
	}
	e := (*q)[0]
	*q = (*q)[1:]
	return e, nil
}

// onOneMachine lives through the same hours, with the same faults, in the one-machine pipeline on internal/asl and tells
// what happened in each execution of the hour machine: "3-1" is run 1 of the third hour.
func onOneMachine(t *testing.T) map[string]*happened {
	t.Helper()
	first, _ := hour.Parse("2026-11-23T07")
	of := func(i int) hour.Hour { return first.Add(i) }
	c := clock.NewVirtual(first.Start())
	c.SetHorizon(first.Start().Add(4 * 24 * time.Hour))
	streams, err := stream.NewMemory(stream.Options{Now: c.Now, Shards: 2, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := hour.NewKeys(hour.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		t.Fatal(err)
	}
	p, err := local.New(local.Config{Clock: c, Seed: 1, Keys: keys, Playbook: book, Format: "json", Exec: hadoop.InProcess{}, Window: time.Minute,
		Archive: store.NewMemory(c.Now), Hours: store.NewMemory(c.Now), Failure: store.NewMemory(c.Now), Stream: streams,
		EMRFaults: faults(func(i int) string { return "local-" + of(i).Compact() + "-" })})
	if err != nil {
		t.Fatal(err)
	}
	defer p.EMR.Close()
	var input queue
	var hours []hour.Hour
	for i := range hoursOfTest {
		if i == empty {
			continue
		}
		hours = append(hours, of(i))
		for n := range 12 + i {
			input = append(input, local.Event{Time: of(i).Start().Add(20 * time.Minute), Data: []byte(event(of(i), n))})
		}
	}
	names := map[string]string{}
	for i := range hoursOfTest {
		names[fmt.Sprintf("%d-1", i)] = hour.ExecutionName(of(i), 1)
	}
	start := func(name string, i int) error {
		_, err := p.Engine.StartExecution(context.Background(), local.HourMachine, name, fmt.Appendf(nil, `{"hour":%q}`, of(i)))
		return err
	}
	var failed error
	ran := c.Run(func() {
		ctx := context.Background()
		if failed = p.Start(ctx); failed != nil {
			return
		}
		c.Go(func() { // a rival while the hour is held
			for {
				clock.Sleep(c, time.Second)
				if s, err := p.Ledger.Read(ctx, of(twice)); err == nil && s.Holder() != nil {
					names["rival"] = "rival"
					failed = errors.Join(failed, start("rival", twice))
					return
				}
			}
		})
		feed := &local.Feed{Source: &input}
		if failed = errors.Join(failed, feed.Run(ctx, p)); failed != nil {
			return
		}
		if failed = p.Close(ctx, hours); failed != nil {
			return
		}
		for _, i := range []int{failingStep, plain} { // by hand, as a person does in the console
			names[fmt.Sprintf("%d-2", i)] = hour.ExecutionName(of(i), 2)
			failed = errors.Join(failed, start(hour.ExecutionName(of(i), 2), i))
		}
		clock.Sleep(c, time.Hour)
	})
	if err := errors.Join(ran, failed); err != nil {
		t.Fatal(err)
	}
	all := map[string]*happened{}
	for id, name := range names {
		arn, err := p.Engine.ExecutionARN(local.HourMachine, name)
		if err != nil {
			t.Fatal(err)
		}
		events, err := p.Engine.GetExecutionHistory(arn)
		if err != nil {
			t.Fatalf("run %s: %v", id, err)
		}
		all[id] = own(t, events)
	}
	return all
}

// round is a look at a cluster.
var round = []string{"Watch", "DescribeCluster", "ListSteps", "Judge", "Verdict"}

// outline is an execution without what differs from clock to clock: its states with the errors of each Task's tries, and
// how it ended. A round that only led to the next one is left out. The errors of the looks, which hit whoever comes first,
// stand apart.
func outline(h *happened) (path string, looks []string) {
	var states []string
	for _, v := range h.Visits {
		step := v.State
		for _, try := range v.Tries {
			switch {
			case try.Error == "":
			case v.State == "DescribeCluster" || v.State == "ListSteps":
				looks = append(looks, v.State+"!"+sdkError(try.Error))
			default:
				step += "!" + sdkError(try.Error)
			}
		}
		states = append(states, step)
	}
	return strings.TrimSpace(strings.Join(lastRounds(states), " ") + " " + h.Status + " " + sdkError(h.Error)), looks
}

// lastRounds leaves out the rounds that only led to the next one.
func lastRounds(states []string) []string {
	states = slices.Clone(states)
	for i := 0; i+len(round) < len(states); {
		if next := i + len(round); slices.Equal(states[i:next], round) && states[next] == round[0] {
			states = slices.Delete(states, i, next)
		} else {
			i++
		}
	}
	return states
}

// sdkError writes the name of an error of an SDK call as AWS does: the service with one capital letter ("Emr.", AWS Step
// Functions developer guide, "Call AWS service APIs"), where LocalStack has the service's own spelling. What comes behind
// the point is EMR's wire name on AWS, too, for the errors that EMR's model names (InternalServerError, InternalServerException,
// InvalidRequestException); LocalStack gives the others, such as throttling, the service's name, and what AWS gives them
// the guide does not say. Clients that lose an answer name that themselves, each in its own way.
func sdkError(name string) string {
	service, rest, ok := strings.Cut(name, ".")
	if !ok || !strings.EqualFold(service, "emr") {
		return name
	}
	switch {
	case lostAnswer.MatchString(rest):
		rest = "NoAnswer"
	case rest == "ThrottlingException" || strings.EqualFold(rest, "EmrException"):
		rest = "NotInTheModel"
	}
	return "Emr." + strings.TrimSuffix(rest, "Exception")
}

var lostAnswer = regexp.MustCompile(`^(SdkClient|ConnectionClosedError|EndpointConnectionError|ReadTimeoutError|TimeoutException)`)

// behavesAlike compares the executions of this run with those of the one-machine pipeline.
func (s *stack) behavesAlike(t *testing.T, run func(i, n int) string, rivals []string) {
	here := onOneMachine(t)
	there := map[string]*happened{}
	for id := range here {
		var i, n int
		if _, err := fmt.Sscanf(id, "%d-%d", &i, &n); err == nil && i != twice {
			there[id] = s.foreign(t, run(i, n))
		}
	}
	for _, arn := range append(slices.Clone(rivals), run(twice, 1)) { // who wins is chance: one publishes, the others wait
		if h := s.foreign(t, arn); h.Status == "SUCCEEDED" {
			there[fmt.Sprintf("%d-1", twice)] = h
		} else {
			there["rival"] = h
		}
	}
	var looksThere, looksHere []string
	for id, h := range here {
		other := there[id]
		if other == nil {
			t.Errorf("run %s is not there", id)
			continue
		}
		a, la := outline(other)
		b, lb := outline(h)
		looksThere, looksHere = append(looksThere, la...), append(looksHere, lb...)
		if a != b {
			t.Errorf("run %s went\n%s, on one machine\n%s", id, a, b)
		} else {
			t.Logf("run %s: %s", id, a)
		}
	}
	slices.Sort(looksThere)
	slices.Sort(looksHere)
	if !slices.Equal(looksThere, looksHere) || len(looksHere) != 3 {
		t.Errorf("looks at clusters failed as %v, on one machine as %v", looksThere, looksHere)
	}
}

func TestTheHoursOfTheTestGoTheirWaysOnOneMachine(t *testing.T) {
	watched := strings.Join(path[:len(path)-1], " ") + " Done SUCCEEDED"
	want := map[string]string{
		fmt.Sprint(plain, "-1"): watched, fmt.Sprint(failingStep, "-2"): watched, fmt.Sprint(twice, "-1"): watched,
		fmt.Sprint(plain, "-2"):      "Defaults Merge Claim Seal IsComplete Unchanged SUCCEEDED",
		fmt.Sprint(empty, "-1"):      "Defaults Merge Claim Seal IsComplete PublishWithoutCluster Done SUCCEEDED",
		fmt.Sprint(answerLost, "-1"): strings.Join(between("StartCluster", "Watch", "LookUp", "FindCluster", "WasFound", "Adopt"), " ") + " SUCCEEDED",
		"rival":                      "Defaults Merge Claim!AlreadyRunning WaitForTheOtherRun FAILED AlreadyRunning",
	}
	want[fmt.Sprint(answerLost, "-1")] = strings.Replace(want[fmt.Sprint(answerLost, "-1")], "StartCluster", "StartCluster!Emr.NoAnswer", 1)
	for id, h := range onOneMachine(t) {
		if got, _ := outline(h); want[id] != "" && got != want[id] {
			t.Errorf("run %s went\n%s, want\n%s", id, got, want[id])
		}
	}
}

func TestErrorsOfCallsHaveOneNameOnBothEngines(t *testing.T) {
	for _, names := range [][2]string{{"EMR.EMRException", "Emr.ThrottlingException"}, {"EMR.InternalServerException", "Emr.InternalServerException"},
		{"Emr.SdkClientException", "Emr.TimeoutException"}, {"StepFailed", "StepFailed"}} {
		if a, b := sdkError(names[0]), sdkError(names[1]); a != b {
			t.Errorf("%s is %s, %s is %s", names[0], a, names[1], b)
		}
	}
	if sdkError("EMR.InternalServerException") == sdkError("Emr.ThrottlingException") {
		t.Error("two errors have one name")
	}
}
