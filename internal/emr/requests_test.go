package emr_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
)

func TestIDsDependOnSeedAndNameOnly(t *testing.T) {
	ids := func(names ...string) (all map[string]string) {
		all = map[string]string{}
		simulate(t, nil, nil, func(w *world) {
			for _, n := range names {
				all[n] = w.start(request(n, false))
			}
			again := w.start(request(names[0], false))
			if again == all[names[0]] {
				t.Error("two clusters of one name have one id")
			}
		})
		return all
	}
	a, b := ids("x", "y"), ids("y", "z", "x")
	if a["x"] != b["x"] || a["y"] != b["y"] || a["x"] == a["y"] {
		t.Errorf("ids %v and %v", a, b)
	}
}

func TestListsHavePages(t *testing.T) {
	simulate(t, nil, nil, func(w *world) {
		var steps []string
		for i := range 120 {
			steps = append(steps, fmt.Sprintf("step%d", i))
		}
		id := w.start(request("c", false, steps...))
		for i := range 60 {
			clock.Sleep(w.clock, time.Second)
			w.start(request(fmt.Sprintf("d%d", i), false))
		}
		count := func(action, list, in string) (n int) {
			marker := ""
			for {
				v := w.must(action, strings.Replace(in, "}", marker+"}", 1))
				n += len(get[[]any](v, list))
				next, ok := v["Marker"].(string)
				if !ok {
					return n
				}
				marker = fmt.Sprintf(`,"Marker":%q`, next)
			}
		}
		if n := count("ListSteps", "Steps", `{"ClusterId":"`+id+`"}`); n != 120 {
			t.Errorf("%d steps", n)
		}
		if n := count("ListClusters", "Clusters", `{"ClusterStates":["STARTING"]}`); n != 61 {
			t.Errorf("%d clusters", n)
		}
		if n := count("ListClusters", "Clusters", fmt.Sprintf(`{"CreatedAfter":%d}`, epoch.Unix()+51)); n != 10 {
			t.Errorf("%d clusters created in the last ten seconds", n)
		}
		if n := count("ListClusters", "Clusters", `{"CreatedBefore":"2026-11-23T08:00:02Z"}`); n != 3 {
			t.Errorf("%d clusters created in the first two seconds", n)
		}
		step := get[[]any](w.must("ListSteps", `{"ClusterId":"`+id+`"}`), "Steps")[0]
		same := w.must("DescribeStep", fmt.Sprintf(`{"ClusterId":%q,"StepId":%q}`, id, get[string](step, "Id")))
		if get[string](same, "Step", "Name") != "step119" {
			t.Errorf("step %v", same)
		}
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	good := request("c", false, "one")
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in the request", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	simulate(t, nil, nil, func(w *world) {
		for _, c := range []struct{ action, in, name, text string }{
			{"runJobFlow", replace(`"Name":"c"`, `"Name":""`), emr.Validation, "Name"},
			{"runJobFlow", replace(`"Name":"c"`, `"name":"c"`), emr.Validation, "name"},
			{"runJobFlow", replace(`"Name":"c"`, `"Name":5`), emr.Serialization, "Name"},
			{"runJobFlow", replace(`"InstanceType":"m7g.xlarge"`, ``), "", ""},
			{"runJobFlow", replace(`"InstanceFleetType":"MASTER"`, `"InstanceFleetType":"CORE"`), emr.Validation, "master"},
			{"runJobFlow", replace(`"TargetOnDemandCapacity":1`, `"TargetOnDemandCapacity":2`), emr.Validation, "master"},
			{"runJobFlow", replace(`"Instances"`, `"Instance"`), emr.Validation, "Instance"},
			{"runJobFlow", replace(`"KeepJobFlowAliveWhenNoSteps"`, `"KeepAlive"`), emr.Validation, "KeepAlive"},
			{"runJobFlow", replace(`"TERMINATE_CLUSTER"`, `"PANIC"`), emr.Validation, "PANIC"},
			{"runJobFlow", replace(`"command-runner.jar"`, `""`), emr.Validation, "Jar"},
			{"runJobFlow", replace(`["a","b"]`, `["`+strings.Repeat("é", 10_240)+`"]`), emr.Validation, "10240"},
			{"runJobFlow", replace(`"IdleTimeout":600`, `"IdleTimeout":6`), emr.Validation, "IdleTimeout"},
			{"runJobFlow", replace(`"JobFlowRole":"p",`, ``), emr.Validation, "JobFlowRole"},
			{"runJobFlow", replace(`"Steps":[`, `"Steps":[7,`), emr.Serialization, "Steps"},
			{"runJobFlow", `[]`, emr.Serialization, ""},
			{"runJobFlow", `{`, emr.Serialization, ""},
			{"runJobFlow", ``, emr.Validation, ""},
			{"describeCluster", `{"ClusterId":"j-NOPE"}`, emr.InvalidRequest, "j-NOPE"},
			{"listSteps", `{"ClusterId":"j-NOPE"}`, emr.InvalidRequest, "j-NOPE"},
			{"describeStep", `{"ClusterId":"j-NOPE","StepId":"s"}`, emr.InvalidRequest, "j-NOPE"},
			{"terminateJobFlows", `{"JobFlowIds":["j-NOPE"]}`, emr.Validation, "j-NOPE"},
			{"terminateJobFlows", `{}`, emr.Validation, "JobFlowIds"},
			{"listClusters", `{"Marker":"x"}`, emr.InvalidRequest, "Marker"},
			{"listClusters", `{"CreatedAfter":"x"}`, emr.Serialization, ""},
			{"addTags", `{}`, emr.UnknownAction, "AddTags"},
			{"", `{}`, emr.UnknownAction, ""},
		} {
			_, err := w.call(c.action, c.in)
			if c.name == "" {
				if err != nil {
					t.Errorf("%s: %v", c.action, err)
				}
				continue
			}
			wantError(t, err, c.name)
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: error %v does not name %s", c.action, err, c.text)
			}
		}
	})
}

func TestSeededFaultsComeAtTheirRate(t *testing.T) {
	f := emr.Seeded{Seed: 3, Rates: emr.Rates{emr.Throttle: 100_000, emr.LoseAnswer: 50_000, emr.StepFails: 200_000}}
	n := map[emr.Fault]int{}
	for i := range 10_000 {
		n[f.At(emr.Site{Kind: "call", Action: "ListSteps", Count: i})]++
		n[f.At(emr.Site{Kind: "step", Step: "s", Count: i})]++
	}
	for fault, want := range map[emr.Fault]int{emr.Throttle: 1000, emr.LoseAnswer: 500, emr.StepFails: 2000, emr.NoCapacity: 0} {
		if n[fault] < want*9/10 || n[fault] > want*11/10 {
			t.Errorf("%s: %d times, want about %d", fault, n[fault], want)
		}
	}
}
