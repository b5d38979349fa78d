package path

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/asl"
	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hour"
	"penstock/internal/local"
)

// plumbing are the states that only pass data on, or look at a cluster again.
var plumbing = strings.Fields("Defaults Merge IsComplete ReadOn Parts HasEvents FirstCluster LookUp WasFound CountTries DescribeCluster ListSteps Judge Verdict CompactPart Failure Whose")

// visited lists the states of an execution that do something, a loop once.
func visited(t *testing.T, p *local.Pipeline, name string) string {
	t.Helper()
	arn, err := p.Engine.ExecutionARN(local.HourMachine, name)
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.Engine.DescribeExecution(arn)
	if err != nil {
		return "never started"
	}
	events, err := p.Engine.GetExecutionHistory(arn)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, e := range events {
		if strings.HasSuffix(e.Type, "StateEntered") && !slices.Contains(plumbing, e.State) {
			states = append(states, e.State)
		}
	}
	for size := 2; size > 0; size-- { // Watch Watch, FindCluster WaitForCluster FindCluster WaitForCluster
		for i := 0; i+2*size <= len(states); {
			if slices.Equal(states[i:i+size], states[i+size:i+2*size]) {
				states = slices.Delete(states, i, i+size)
			} else {
				i++
			}
		}
	}
	return strings.TrimSpace(strings.Join(states, " ") + " " + x.Error)
}

const healthy = "Claim Seal Compact Prepare StartCluster Watch Publish Done"

func TestEveryFailureEndsInTheStateOfWhoHasToAct(t *testing.T) {
	first := hour.Of(dayBegin)
	script := func(rules ...emr.Rule) weather { return weather{emr: emr.NewScript(rules...)} }
	lost := "Prepare StartCluster Watch StopLostCluster NextCluster "
	for _, c := range []struct {
		name      string
		weather   weather
		change    func(*world, *weather)
		runs      []string // of the first hour: the states of each, and the error it ended with
		published bool     // without anybody's doing
	}{
		{name: "nothing fails", runs: []string{healthy}, published: true},
		{name: "a bootstrap that fails gets a second cluster", published: true,
			weather: script(emr.Rule{Fault: emr.BootstrapFails}),
			runs:    []string{"Claim Seal Compact " + lost + "Prepare StartCluster Watch Publish Done"}},
		{name: "three clusters without capacity are left to the schedule, which tries again", published: true,
			weather: script(emr.Rule{Fault: emr.NoCapacity, Times: 3}),
			runs: []string{"Claim Seal Compact " + lost + lost + "Prepare StartCluster Watch StopCluster RecordFailure ScheduleTriesAgain ClusterFailed",
				healthy}},
		{name: "an instance that fails with its step gets a second cluster", published: true,
			weather: script(emr.Rule{Fault: emr.InstanceFails}),
			runs:    []string{"Claim Seal Compact " + lost + "Prepare StartCluster Watch Publish Done"}},
		{name: "a step that fails on a healthy cluster is its owner's, and nothing tries again",
			weather: script(emr.Rule{Fault: emr.StepFails}),
			runs:    []string{"Claim Seal Compact Prepare StartCluster Watch StopCluster RecordFailure FixTheStepAndRerun StepFailed"}},
		{name: "a cluster whose answer was lost is adopted", published: true,
			weather: script(emr.Rule{Fault: emr.LoseAnswer, Action: "RunJobFlow"}),
			runs:    []string{"Claim Seal Compact Prepare StartCluster FindCluster Adopt Watch Publish Done"}},
		{name: "a cluster that was never made is replaced", published: true,
			weather: script(emr.Rule{Fault: emr.LoseRequest, Action: "RunJobFlow"}),
			runs:    []string{"Claim Seal Compact Prepare StartCluster FindCluster WaitForCluster FindCluster NextCluster Prepare StartCluster Watch Publish Done"}},
		{name: "throttled calls are made again", published: true,
			weather: script(emr.Rule{Fault: emr.Throttle, Action: "DescribeCluster", Times: 3}, emr.Rule{Fault: emr.ServerError, Action: "ListSteps", Times: 2}),
			runs:    []string{healthy}},
		{name: "an hour of rejects needs no cluster", published: true,
			change: func(w *world, _ *weather) { w.recipe.gap = 1; w.puts = cook(w.recipe) },
			runs:   []string{"Claim Seal Compact PublishWithoutCluster Done"}},
		{name: "an hour that the stream still holds is not complete, and published later", published: true,
			change: func(w *world, wx *weather) {
				wx.functions = func(function string, n int) (before, after error) {
					if function == "archive" && n > 2 && w.clock.Now().Before(first.End().Add(3*time.Hour+30*time.Minute)) {
						return &asl.Error{Name: "Lambda.Unknown"}, nil
					}
					return nil, nil
				}
			},
			runs: []string{"Claim Seal WaitForStream Seal RecordFailure HourNotComplete HourNotComplete", healthy}},
		{name: "an archive object that is damaged before it is sealed is for the operator, who brings it back",
			change: func(w *world, wx *weather) {
				wx.during = func(*local.Pipeline) {
					clock.SleepUntil(w.clock, first.End().Add(9*time.Minute+55*time.Second))
					w.flip(first)
				}
			},
			runs: []string{"Claim Seal Compact RecordFailure LookAndRerun Corrupt"}},
		{name: "an archive object that is overwritten after it is sealed is for the operator, too",
			change: func(w *world, wx *weather) {
				wx.functions = func(function string, n int) (before, after error) {
					if function == "compact" && n == 1 {
						w.flip(first)
					}
					return nil, nil
				}
			},
			runs: []string{"Claim Seal Compact RecordFailure LookAndRerun Corrupt"}},
		{name: "a function that always fails is tried in three runs",
			weather: weather{functions: func(function string, n int) (before, after error) {
				if function == "prepare" {
					return &asl.Error{Name: "Lambda.Unknown"}, nil
				}
				return nil, nil
			}},
			runs: slices.Repeat([]string{"Claim Seal Compact Prepare RecordFailure ScheduleTriesAgain Lambda.Unknown"}, 3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, recipe{seed: 31, format: "json", hours: 1, puts: 30, burst: 10})
			if c.change != nil {
				c.change(w, &c.weather)
			}
			p, err := w.live(c.weather)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range append(c.runs, "never started") {
				if got := visited(t, p, hour.ExecutionName(first, i+1)); got != want {
					t.Errorf("run %d:\n got %s\nwant %s", i+1, got, want)
				}
			}
			w.checkClusters(t, p)
			if c.published {
				w.check(t, p)
				return
			}
			if n := w.publications(t, first); n != 0 {
				t.Errorf("published %d times although nobody mended it: %s", n, w.story(t, first))
			}
			w.mend(first)
			w.again(t, first)
		})
	}
}

// mend takes back what flip did.
func (w *world) mend(h hour.Hour) {
	ctx := context.Background()
	for o := range w.failed.List(ctx, "saved/") {
		b, _, err := w.failed.Get(ctx, o.Key, 1<<20)
		if err != nil {
			panic(err)
		}
		w.replace(strings.TrimPrefix(o.Key, "saved/"), b)
	}
}

// flip damages an archive object of an hour.
func (w *world) flip(h hour.Hour) {
	ctx := context.Background()
	for o := range w.archive.List(ctx, w.keys.DataPrefix(h)) {
		b, _, err := w.archive.Get(ctx, o.Key, 1<<20)
		if err != nil {
			panic(err)
		}
		if _, err := w.failed.Create(ctx, "saved/"+o.Key, b); err != nil {
			panic(err)
		}
		b = bytes.Clone(b)
		b[len(b)/2] ^= 4
		w.replace(o.Key, b)
		return
	}
	panic("there is nothing to damage")
}

func (w *world) replace(key string, b []byte) {
	ctx := context.Background()
	_, o, err := w.archive.Get(ctx, key, 1<<20)
	if err == nil {
		_, err = w.archive.Replace(ctx, key, o.ETag, b)
	}
	if err != nil {
		panic(err)
	}
}

// again runs hours by hand, in a process without faults, and checks everything.
func (w *world) again(t *testing.T, hours ...hour.Hour) {
	t.Helper()
	ctx := context.Background()
	p, err := w.pipeline(weather{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.EMR.Close()
	w.run(t, func(c clock.Clock) {
		if err := p.Start(ctx); err != nil {
			t.Error(err)
		}
		for _, h := range hours {
			if err := w.rerun(ctx, p, h); err != nil {
				t.Errorf("rerun %s: %v", h, err)
			}
		}
		clock.Sleep(c, time.Hour)
	})
	w.check(t, p)
}

func TestAnHourWithoutRecordsIsPublishedWithoutACluster(t *testing.T) {
	w := newWorld(t, recipe{seed: 32, format: "json", hours: 3, puts: 45, burst: 5})
	empty := hour.Of(dayBegin).Add(1)
	w.puts = slices.DeleteFunc(w.puts, func(p put) bool {
		return p.Time.After(empty.Start().Add(-10*time.Second)) && p.Time.Before(empty.End().Add(10*time.Second))
	})
	p, err := w.live(weather{})
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, p)
	if w.truths(t)[empty] != nil {
		t.Fatal("records arrived in the hour that was to be empty")
	}
	if got := visited(t, p, hour.ExecutionName(empty, 1)); got != "Claim Seal PublishWithoutCluster Done" {
		t.Error(got)
	}
}

func TestTwoExecutionsOfOneHourPublishItOnce(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second, 3 * time.Minute, 20 * time.Minute} {
		t.Run(fmt.Sprintf("the second one %s after the first", delay), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, recipe{seed: 33, format: "json", hours: 1, puts: 30, burst: 10})
			first := hour.Of(dayBegin)
			p, err := w.live(weather{during: func(p *local.Pipeline) {
				clock.SleepUntil(w.clock, first.End().Add(2*time.Minute))
				for _, name := range []string{"one", "two"} {
					if _, err := p.Engine.StartExecution(context.Background(), local.HourMachine, name, fmt.Appendf(nil, `{"hour":%q}`, first)); err != nil {
						t.Error(err)
					}
					clock.Sleep(w.clock, delay)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			w.check(t, p)
			one, two := visited(t, p, "one"), visited(t, p, "two")
			if !strings.HasSuffix(one, "Publish Done") {
				t.Errorf("the first: %s", one)
			}
			want := "Claim WaitForTheOtherRun AlreadyRunning"
			if delay > 15*time.Minute {
				want = "Claim Seal Unchanged"
			}
			if two != want {
				t.Errorf("the second: %s, want %s", two, want)
			}
			if n := w.publications(t, first); n != 1 {
				t.Errorf("published %d times: %s", n, w.story(t, first))
			}
		})
	}
}
