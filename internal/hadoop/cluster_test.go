package hadoop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/playbook"
	"penstock/internal/store"
)

func env() playbook.Env {
	return playbook.Env{
		Hour: "2026-11-23T08", Revision: "a1", Run: 1, Cluster: 1, ClusterName: "penstock-2026112308-1-1",
		Input: "s3://hours/2026/11/e.2026112308.r1.*.bz2", Output: "s3://hours/results/video/2026/11/23/08/a1.1.1",
		Code: "s3://hours/code", Logs: "s3://hours/logs/", ServiceRole: "r", InstanceProfile: "p",
	}
}

func request(t testing.TB, name string) json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "playbooks", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := playbook.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Request(env())
	if err != nil {
		t.Fatal(err)
	}
	data, err = json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// live runs a request to the cluster's end and describes it.
func live(t testing.TB, s *store.Memory, in json.RawMessage, faults emr.Faults) (state string, took time.Duration) {
	t.Helper()
	v := clock.NewVirtual(epoch)
	runner := hadoop.New(hadoop.Config{Clock: v, Buckets: hadoop.Buckets{"hours": s}, Exec: hadoop.InProcess{}, Preload: true})
	service := emr.New(emr.Config{Clock: v, Runner: runner, Timing: emr.DefaultTiming(), Faults: faults})
	err := v.Run(func() {
		out, err := service.Call(t.Context(), "runJobFlow", in)
		if err != nil {
			t.Fatal(err)
		}
		var id struct{ JobFlowID string }
		if err := json.Unmarshal(out, &id); err != nil {
			t.Fatal(err)
		}
		for range 120 {
			out, err := service.Call(t.Context(), "describeCluster", json.RawMessage(fmt.Sprintf(`{"ClusterId":%q}`, id.JobFlowID)))
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Cluster struct {
					Status struct {
						State             string
						StateChangeReason struct{ Code string }
					}
				}
			}
			if err := json.Unmarshal(out, &c); err != nil {
				t.Fatal(err)
			}
			state = c.Cluster.Status.State + " " + c.Cluster.Status.StateChangeReason.Code
			if strings.HasPrefix(state, "TERMINATED") {
				break
			}
			clock.Sleep(v, 30*time.Second)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return state, v.Now().Sub(epoch)
}

func TestAPlaybooksClusterMakesTheResultOfAnHour(t *testing.T) {
	s := memory()
	input := parts(t, s, 300)
	state, took := live(t, s, request(t, "video"), nil)
	if state != "TERMINATED ALL_STEPS_COMPLETED" || took < 6*time.Minute || took > 8*time.Minute {
		t.Errorf("the cluster ends as %s after %v", state, took)
	}
	const output = "results/video/2026/11/23/08/a1.1.1/"
	if got := fmt.Sprint(keys(t, s, output)); got != "[_SUCCESS part-00000]" {
		t.Errorf("files %s", got)
	}
	// The playbook's check: every event that is JSON is counted once.
	want, got := 0, 0
	for line := range strings.Lines(input) {
		if json.Valid([]byte(line)) {
			want++
		}
	}
	for line := range strings.Lines(contents(t, s, output+"part-00000")) {
		_, value, _ := strings.Cut(line, "\t")
		var v struct{ Events int }
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got += v.Events
	}
	if got != want || got == 0 {
		t.Errorf("%d events counted, want %d", got, want)
	}
}

func TestAnInjectedStepFailureLeavesNoResult(t *testing.T) {
	s := memory()
	parts(t, s, 40)
	state, _ := live(t, s, request(t, "video"), emr.NewScript(emr.Rule{Fault: emr.StepFails}))
	if state != "TERMINATED_WITH_ERRORS STEP_FAILURE" || len(keys(t, s, "results/")) > 0 {
		t.Errorf("the cluster ends as %s, files %v", state, keys(t, s, "results/"))
	}
	if logs := keys(t, s, "logs/"); len(logs) != 1 {
		t.Errorf("logs %v", logs)
	}
}

func TestTheTextPlaybookCountsLinesThatAreNoJSON(t *testing.T) {
	s := memory()
	put(t, s, "2026/11/e.2026112308.r1.000.bz2", []byte("GET / 200\n\nplain \xff text\n"))
	state, _ := live(t, s, request(t, "text"), nil)
	if got := contents(t, s, "results/video/2026/11/23/08/a1.1.1/part-00000"); state != "TERMINATED ALL_STEPS_COMPLETED" || got != "{}\t{\"events\":3}\n" {
		t.Errorf("the cluster ends as %s, the result is %q", state, got)
	}
}

// BenchmarkCluster is what a cluster costs a simulation whose hours have few
// events.
func BenchmarkCluster(b *testing.B) {
	in := request(b, "video")
	for b.Loop() {
		s := memory()
		put(b, s, "2026/11/e.2026112308.r1.000.bz2", []byte("{\"publisher\":\"a\"}\n"))
		live(b, s, in, nil)
	}
}
