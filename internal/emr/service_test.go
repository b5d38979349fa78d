package emr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
)

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// sizes is a Runner whose steps take 1 MB of input and fail as they say.
type sizes struct {
	fails  map[string]string // by step name
	opened []emr.StepRun
	closed int
}

type work struct {
	runner *sizes
	step   emr.StepRun
}

func (r *sizes) Open(_ context.Context, s emr.StepRun) (emr.Work, error) {
	r.opened = append(r.opened, s)
	if why := r.fails["open "+s.Name]; why != "" {
		return nil, errors.New(why)
	}
	return &work{r, s}, nil
}

func (w *work) InputBytes() int64           { return 1 << 20 }
func (w *work) Compute(ctx context.Context) {}
func (w *work) Close()                      { w.runner.closed++ }
func (w *work) Commit(context.Context) emr.StepResult {
	why := w.runner.fails[w.step.Name]
	if w.step.Fail != "" {
		why = w.step.Fail
	}
	return emr.StepResult{Failure: why, LogFile: "s3://logs/" + w.step.StepID}
}

// world is a Service on a virtual clock.
type world struct {
	t       *testing.T
	clock   *clock.Virtual
	service *emr.Service
	runner  *sizes
}

var timing = emr.Timing{Start: 4 * time.Minute, Bootstrap: time.Minute, Stop: time.Minute, Capacity: 10 * time.Minute, Step: 40 * time.Second, BytesPerSecond: 1 << 16}

func simulate(t *testing.T, fails map[string]string, faults emr.Faults, body func(w *world)) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewVirtual(epoch), runner: &sizes{fails: fails}}
	w.service = emr.New(emr.Config{Clock: w.clock, Runner: w.runner, Timing: timing, Seed: 7, Faults: faults})
	if err := w.clock.Run(func() { body(w) }); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) call(action, in string) (map[string]any, error) {
	w.t.Helper()
	out, err := w.service.Call(w.t.Context(), action, json.RawMessage(in))
	if err != nil {
		return nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(out, &v); err != nil {
		w.t.Fatalf("%s answers %q", action, out)
	}
	return v, nil
}

func (w *world) must(action, in string) map[string]any {
	w.t.Helper()
	v, err := w.call(action, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// request is a RunJobFlow of the named steps; "name!ACTION" sets the action on
// failure.
func request(name string, keep bool, steps ...string) string {
	var list []string
	for _, s := range steps {
		step, action, found := strings.Cut(s, "!")
		if !found {
			action = "TERMINATE_CLUSTER"
		}
		list = append(list, fmt.Sprintf(`{"Name":%q,"ActionOnFailure":%q,"HadoopJarStep":{"Jar":"command-runner.jar","Args":["a","b"]}}`, step, action))
	}
	return fmt.Sprintf(`{"Name":%q,"ReleaseLabel":"emr-7.14.0","ServiceRole":"r","JobFlowRole":"p","LogUri":"s3://logs/","AutoTerminationPolicy":{"IdleTimeout":600},
		"Instances":{"KeepJobFlowAliveWhenNoSteps":%v,"InstanceFleets":[{"InstanceFleetType":"MASTER","TargetOnDemandCapacity":1,"InstanceTypeConfigs":[{"InstanceType":"m7g.xlarge"}]}]},
		"Tags":[{"Key":"k","Value":"v"}],"Steps":[%s]}`, name, keep, strings.Join(list, ","))
}

func (w *world) start(in string) string {
	w.t.Helper()
	return w.must("runJobFlow", in)["JobFlowId"].(string)
}

// look describes a cluster in one line: state, reason, and the steps' states in
// their order.
func (w *world) look(id string) string {
	w.t.Helper()
	status := get[map[string]any](w.must("describeCluster", `{"ClusterId":"`+id+`"}`), "Cluster", "Status")
	line := get[string](status, "State")
	if code, ok := get[map[string]any](status, "StateChangeReason")["Code"]; ok {
		line += " " + code.(string)
	}
	steps := get[[]any](w.must("listSteps", `{"ClusterId":"`+id+`"}`), "Steps")
	for i := range steps {
		line += " " + get[string](steps[len(steps)-1-i], "Status", "State")
	}
	return line
}

func get[T any](v any, path ...string) T {
	for _, name := range path {
		v = v.(map[string]any)[name]
	}
	return v.(T)
}

// life is what a cluster goes through, looked at every ten seconds.
func (w *world) life(id string) string {
	var all []string
	for range 6 * 60 {
		if now := w.look(id); len(all) == 0 || all[len(all)-1] != now {
			all = append(all, now)
		}
		if strings.HasPrefix(all[len(all)-1], "TERMINATED") {
			break
		}
		clock.Sleep(w.clock, 10*time.Second)
	}
	return strings.Join(all, "\n")
}

func lines(s ...string) string { return strings.Join(s, "\n") }

func TestAClusterEndsWithItsLastStep(t *testing.T) {
	w := simulate(t, nil, nil, func(w *world) {
		id := w.start(request("c", false, "one", "two"))
		if !regexp.MustCompile(`^j-[0-9A-Z]{13}$`).MatchString(id) {
			t.Errorf("id %s", id)
		}
		want := lines("STARTING PENDING PENDING", "BOOTSTRAPPING PENDING PENDING", "RUNNING RUNNING PENDING", "RUNNING COMPLETED RUNNING",
			"TERMINATING ALL_STEPS_COMPLETED COMPLETED COMPLETED", "TERMINATED ALL_STEPS_COMPLETED COMPLETED COMPLETED")
		if got := w.life(id); got != want {
			t.Errorf("life:\n%s", got)
		}
		c := get[map[string]any](w.must("describeCluster", `{"ClusterId":"`+id+`"}`), "Cluster")
		timeline := get[map[string]any](c, "Status", "Timeline")
		start := float64(epoch.Unix())
		// 40 s and 1 MiB at 64 KiB/s make 56 s a step.
		if timeline["CreationDateTime"] != start || timeline["ReadyDateTime"] != start+300 || timeline["EndDateTime"] != start+300+112+60 {
			t.Errorf("timeline %v", timeline)
		}
		if c["AutoTerminate"] != true || c["Name"] != "c" || c["NormalizedInstanceHours"] != 1.0 || get[[]any](c, "Tags")[0].(map[string]any)["Key"] != "k" {
			t.Errorf("cluster %v", c)
		}
	})
	if len(w.runner.opened) != 2 || w.runner.closed != 2 || w.runner.opened[1].Name != "two" || w.runner.opened[1].LogURI != "s3://logs/" || len(w.runner.opened[1].Args) != 2 {
		t.Errorf("steps %+v, %d closed", w.runner.opened, w.runner.closed)
	}
}

func TestWhatAFailedStepDoes(t *testing.T) {
	for name, c := range map[string]struct {
		keep  bool
		steps []string
		fails string
		end   string
	}{
		"TERMINATE_CLUSTER":               {false, []string{"bad", "next"}, "bad", "TERMINATED_WITH_ERRORS STEP_FAILURE FAILED CANCELLED"},
		"a step that cannot begin":        {false, []string{"bad", "next"}, "open bad", "TERMINATED_WITH_ERRORS STEP_FAILURE FAILED CANCELLED"},
		"CONTINUE":                        {false, []string{"bad!CONTINUE", "next"}, "bad", "TERMINATED ALL_STEPS_COMPLETED FAILED COMPLETED"},
		"CANCEL_AND_WAIT":                 {true, []string{"bad!CANCEL_AND_WAIT", "next"}, "bad", "TERMINATED USER_REQUEST FAILED CANCELLED"},
		"CANCEL_AND_WAIT without waiting": {false, []string{"bad!CANCEL_AND_WAIT", "next"}, "bad", "TERMINATED ALL_STEPS_COMPLETED FAILED CANCELLED"},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, map[string]string{c.fails: "exit code 3"}, nil, func(w *world) {
				id := w.start(request("c", c.keep, c.steps...))
				life := strings.Split(w.life(id), "\n")
				if got := life[len(life)-1]; got != c.end {
					t.Errorf("end %s, want %s", got, c.end)
				}
				steps := get[[]any](w.must("ListSteps", `{"ClusterId":"`+id+`","StepStates":["FAILED"]}`), "Steps")
				if len(steps) != 1 || get[string](steps[0], "Status", "FailureDetails", "Message") != "exit code 3" {
					t.Errorf("failed steps %v", steps)
				}
			})
		})
	}
}

func TestInjectedFailuresOfClusters(t *testing.T) {
	for fault, end := range map[emr.Fault]string{
		emr.NoCapacity:      "TERMINATED_WITH_ERRORS INSTANCE_FLEET_TIMEOUT CANCELLED CANCELLED",
		emr.BadRequest:      "TERMINATED_WITH_ERRORS VALIDATION_ERROR CANCELLED CANCELLED",
		emr.InternalFailure: "TERMINATED_WITH_ERRORS INTERNAL_ERROR CANCELLED CANCELLED",
		emr.BootstrapFails:  "TERMINATED_WITH_ERRORS BOOTSTRAP_FAILURE CANCELLED CANCELLED",
		emr.InstanceFails:   "TERMINATED_WITH_ERRORS INSTANCE_FAILURE FAILED CANCELLED",
		emr.StepFails:       "TERMINATED_WITH_ERRORS STEP_FAILURE FAILED CANCELLED",
	} {
		t.Run(string(fault), func(t *testing.T) {
			kind := "cluster"
			if fault == emr.InstanceFails || fault == emr.StepFails {
				kind = "step"
			}
			script := emr.NewScript(emr.Rule{Fault: fault, Kind: kind, Cluster: "c-*"})
			w := simulate(t, nil, script, func(w *world) {
				for i, want := range []string{end, "TERMINATED ALL_STEPS_COMPLETED COMPLETED COMPLETED"} {
					life := strings.Split(w.life(w.start(request(fmt.Sprintf("c-%d", i), false, "one", "two"))), "\n")
					if got := life[len(life)-1]; got != want {
						t.Errorf("cluster %d: %s, want %s", i, got, want)
					}
				}
			})
			if w.runner.closed != len(w.runner.opened) {
				t.Errorf("%d steps opened, %d closed", len(w.runner.opened), w.runner.closed)
			}
		})
	}
}

func TestTerminateEndsAClusterInAnyState(t *testing.T) {
	for after, end := range map[time.Duration]string{
		0:                                 "TERMINATED USER_REQUEST CANCELLED CANCELLED",
		270 * time.Second:                 "TERMINATED USER_REQUEST CANCELLED CANCELLED",
		310 * time.Second:                 "TERMINATED USER_REQUEST CANCELLED CANCELLED",
		370 * time.Second:                 "TERMINATED USER_REQUEST COMPLETED CANCELLED",
		(300 + 112 + 30) * time.Second:    "TERMINATED USER_REQUEST COMPLETED COMPLETED", // waiting
		(300 + 112 + 600) * time.Second:   "TERMINATED USER_REQUEST COMPLETED COMPLETED", // idle too long
		(300 + 112 + 10e3) * time.Second:  "TERMINATED USER_REQUEST COMPLETED COMPLETED", // long ended
		(300 + 112 + 600*2) * time.Second: "TERMINATED USER_REQUEST COMPLETED COMPLETED",
	} {
		w := simulate(t, nil, nil, func(w *world) {
			id := w.start(request("c", true, "one", "two"))
			clock.Sleep(w.clock, after)
			w.must("TerminateJobFlows", `{"JobFlowIds":["`+id+`"]}`)
			clock.Sleep(w.clock, timing.Stop+time.Second)
			if got := w.look(id); got != end {
				t.Errorf("terminated after %v: %s, want %s", after, got, end)
			}
			clock.Sleep(w.clock, time.Hour)
		})
		if w.runner.closed != len(w.runner.opened) {
			t.Errorf("terminated after %v: %d steps opened, %d closed", after, len(w.runner.opened), w.runner.closed)
		}
	}
}

func TestAnswersOfRunJobFlowGetLost(t *testing.T) {
	script := emr.NewScript(
		emr.Rule{Fault: emr.LoseAnswer, Action: "RunJobFlow", Cluster: "there"},
		emr.Rule{Fault: emr.LoseRequest, Action: "RunJobFlow", Cluster: "nowhere"},
		emr.Rule{Fault: emr.Throttle, Action: "DescribeCluster", Skip: 1, Times: 2},
		emr.Rule{Fault: emr.ServerError, Action: "ListSteps"},
	)
	simulate(t, nil, script, func(w *world) {
		for _, name := range []string{"there", "nowhere"} {
			_, err := w.call("runJobFlow", request(name, false, "one"))
			wantError(t, err, emr.Unreachable)
		}
		found := get[[]any](w.must("listClusters", `{"ClusterStates":["STARTING"]}`), "Clusters")
		if len(found) != 1 || get[string](found[0], "Name") != "there" {
			t.Fatalf("clusters %v", found)
		}
		id := `{"ClusterId":"` + get[string](found[0], "Id") + `"}`
		for i, want := range []string{"", emr.Throttling, emr.Throttling, ""} {
			_, err := w.call("describeCluster", id)
			if want == "" && err == nil {
				continue
			}
			t.Logf("call %d: %v", i, err)
			wantError(t, err, want)
		}
		_, err := w.call("listSteps", id)
		wantError(t, err, emr.Internal)
	})
}

func wantError(t *testing.T, err error, name string) {
	t.Helper()
	var e *emr.Error
	if !errors.As(err, &e) || e.Name != name {
		t.Errorf("error %v, want %s", err, name)
	}
}
