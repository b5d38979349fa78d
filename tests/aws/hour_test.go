package aws

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"penstock/internal/emr"
	"penstock/internal/hour"
)

// The hours of the test lie before the present one, so that they are over; Kinesis' clock is set back for them.
const (
	plain = iota
	failingStep
	empty
	answerLost
	requestLost
	bootstrapFails
	twice
	hoursOfTest
)

// path are the states of a run that publishes with its first cluster, between the first and the last.
var path = []string{"Defaults", "Merge", "Claim", "Seal", "IsComplete", "Parts", "Compact", "CompactPart", "HasEvents",
	"FirstCluster", "Prepare", "StartCluster", "Watch", "DescribeCluster", "ListSteps", "Judge", "Verdict", "Publish", "Done"}

// faults are what EMR does wrong in the hours whose clusters' names begin so.
func faults(name func(i int) string) *emr.Script {
	return emr.NewScript(
		emr.Rule{Fault: emr.StepFails, Kind: "step", Cluster: name(failingStep) + "1-1"},
		emr.Rule{Fault: emr.LoseAnswer, Kind: "call", Action: "RunJobFlow", Cluster: name(answerLost) + "1-1", Times: -1},
		emr.Rule{Fault: emr.LoseRequest, Kind: "call", Action: "RunJobFlow", Cluster: name(requestLost) + "1-1", Times: -1},
		emr.Rule{Fault: emr.BootstrapFails, Kind: "cluster", Cluster: name(bootstrapFails) + "1-1"},
		emr.Rule{Fault: emr.Throttle, Kind: "call", Action: "DescribeCluster", Times: 2}, // of whoever asks first
		emr.Rule{Fault: emr.ServerError, Kind: "call", Action: "ListSteps"},
	)
}

func TestAnHourIsPublishedFromWhatWasSentOverHTTP(t *testing.T) {
	now := hour.Of(time.Now())
	if time.Now().Minute() < 3 {
		now = now.Add(-1) // the hour before has its margin still to come
	}
	of := func(i int) hour.Hour { return now.Add(i - hoursOfTest) }
	name := func(i int) string { return "penstock-" + of(i).Compact() + "-" }
	s := openStack(t, faults(name))
	sent := map[int][]string{}
	for i := range hoursOfTest {
		if i != empty {
			sent[i] = s.send(t, of(i), 12+i)
		}
	}

	// As EventBridge Scheduler starts it.
	tick, err := s.machines.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(s.Outputs["ScheduleMachineArn"]), Input: aws.String(`{"scheduledTime":"` + time.Now().UTC().Format(time.RFC3339) + `"}`)})
	if err != nil {
		t.Fatal(err)
	}
	rivals := []string{
		s.start(t, "rival-1", `{"hour":"`+of(twice).String()+`"}`), s.start(t, "rival-2", `{"hour":"`+of(twice).String()+`"}`)}
	if status, visited := s.ended(t, *tick.ExecutionArn, 3*time.Minute); status != "SUCCEEDED" {
		t.Fatalf("the schedule ended as %s; it visited %v", status, visited)
	}
	run := func(i, n int) string { return s.execution(hour.ExecutionName(of(i), n)) }

	published := func(t *testing.T, i, n int, want ...string) *hour.Manifest {
		t.Helper()
		status, visited := s.ended(t, run(i, n), 8*time.Minute)
		if status != "SUCCEEDED" {
			t.Fatalf("run %d of hour %s ended as %s; it visited %v", n, of(i), status, visited)
		}
		if got := lastRounds(visited); len(want) > 0 && !slices.Equal(got, want) {
			t.Errorf("run %d of hour %s visited\n%v, want\n%v", n, of(i), got, want)
		}
		m := s.manifest(t, of(i))
		if got := s.lines(t, m); !slices.Equal(got, sent[i]) {
			t.Errorf("hour %s holds %d lines that are not the %d that were sent", of(i), len(got), len(sent[i]))
		}
		if m.Events != len(sent[i]) || len(sent[i]) > 0 && s.counted(t, m) != len(sent[i]) {
			t.Errorf("hour %s: manifest says %d events, the job counted %d, sent were %d", of(i), m.Events, s.counted(t, m), len(sent[i]))
		}
		return m
	}

	t.Run("a plain hour", func(t *testing.T) { published(t, plain, 1, path...) })
	t.Run("an empty hour starts no cluster", func(t *testing.T) {
		published(t, empty, 1, "Defaults", "Merge", "Claim", "Seal", "IsComplete", "PublishWithoutCluster", "Done")
	})
	t.Run("a lost answer of RunJobFlow with the cluster there", func(t *testing.T) {
		published(t, answerLost, 1, between("StartCluster", "Watch", "LookUp", "FindCluster", "WasFound", "Adopt")...)
	})
	t.Run("a bootstrap failure, then success", func(t *testing.T) {
		if m := published(t, bootstrapFails, 1); m.Cluster != 2 {
			t.Errorf("cluster %d published the hour, want the second", m.Cluster)
		}
	})
	t.Run("a failing step is a person's turn, and the rerun publishes", func(t *testing.T) {
		if status, visited := s.ended(t, run(failingStep, 1), 5*time.Minute); status != "FAILED" || visited[len(visited)-1] != "FixTheStepAndRerun" {
			t.Errorf("run 1 ended as %s after %v", status, visited)
		}
		s.start(t, hour.ExecutionName(of(failingStep), 2), `{"hour":"`+of(failingStep).String()+`"}`)
		published(t, failingStep, 2, path...)
	})
	t.Run("of executions of one hour at once one works", func(t *testing.T) {
		ends := map[string]int{}
		for _, arn := range append(rivals, run(twice, 1)) {
			status, visited := s.ended(t, arn, 5*time.Minute)
			ends[status+" "+visited[len(visited)-1]]++
		}
		if ends["SUCCEEDED Done"] != 1 || ends["FAILED WaitForTheOtherRun"] != 2 {
			t.Errorf("the three ended as %v", ends)
		}
		if m := s.manifest(t, of(twice)); !slices.Equal(s.lines(t, m), sent[twice]) {
			t.Errorf("hour %s is not what was sent", of(twice))
		}
	})
	t.Run("a lost request of RunJobFlow goes on with the next cluster", func(t *testing.T) {
		if m := published(t, requestLost, 1); m.Cluster != 2 {
			t.Errorf("cluster %d published the hour, want the second", m.Cluster)
		}
	})
	t.Run("a rerun of an hour that is unchanged does nothing", func(t *testing.T) {
		before := s.manifest(t, of(plain))
		arn := s.start(t, hour.ExecutionName(of(plain), 2), `{"hour":"`+of(plain).String()+`"}`)
		if status, visited := s.ended(t, arn, 2*time.Minute); status != "SUCCEEDED" || visited[len(visited)-1] != "Unchanged" {
			t.Errorf("it ended as %s after %v", status, visited)
		}
		if after := s.manifest(t, of(plain)); after.Run != before.Run || after.Revision != before.Revision {
			t.Errorf("the manifest went from run %d to run %d", before.Run, after.Run)
		}
	})
	t.Run("the reaper ends the cluster of an aborted execution", func(t *testing.T) { s.aborted(t, of(plain)) })
	t.Run("what a lost attempt wrote is cleaned", func(t *testing.T) { s.cleans(t, of(failingStep)) })
	t.Run("bodies that are no events do not reach the stream", func(t *testing.T) { s.refuses(t) })
	t.Run("the command line sees it all", func(t *testing.T) { s.operated(t, of(plain), of(failingStep), of(hoursOfTest-1)) })
	// After the hour was looked at with the execution that the reaper's test stopped.
	t.Run("an operator runs, cancels and backfills hours", func(t *testing.T) { s.operates(t, of(plain)) })
	t.Run("what the functions traced is read back", func(t *testing.T) { s.traces(t) })
	t.Run("the same hours on one machine go the same way", func(t *testing.T) { s.behavesAlike(t, run, rivals) })
	t.Run("internal/asl repeats every execution", func(t *testing.T) { s.repeats(t) })
	t.Run("logs have every figure, and nothing of the events", func(t *testing.T) {
		s.logs(t, slices.Concat(slices.Collect(maps.Values(sent))...))
	})
	t.Run("functions name all that their environment lacks", func(t *testing.T) { s.starts(t) })
	t.Run("roles allow what their functions did", func(t *testing.T) { s.roles(t) })
}

// between is the plain path with other states between two of it.
func between(from, to string, states ...string) []string {
	i, j := slices.Index(path, from), slices.Index(path, to)
	return slices.Concat(path[:i+1], states, path[j:])
}

// counted sums the events of the job's result: lines of a group, a tab, and measures.
func (s *stack) counted(t *testing.T, m *hour.Manifest) int {
	t.Helper()
	sum := 0
	for _, f := range m.Results {
		if !strings.Contains(f.Key, "/part-") {
			continue
		}
		data, _, err := s.hours.Get(t.Context(), f.Key, hour.MaxDocument)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var row struct{ Events int }
			_, measures, _ := strings.Cut(line, "\t")
			if err := json.Unmarshal([]byte(measures), &row); err != nil {
				t.Fatalf("%s: %v", f.Key, err)
			}
			sum += row.Events
		}
	}
	return sum
}

// aborted runs an hour again with a step that does not end, stops the execution, and calls reap as the rule would.
func (s *stack) aborted(t *testing.T, of hour.Hour) {
	name := hour.ClusterName(s.Stack, of, 3, 1)
	s.mu.Lock()
	s.hold[name] = true
	s.mu.Unlock()
	s.behind.set(20 * time.Minute) // the reaper leaves young clusters alone
	defer s.behind.set(0)
	arn := s.start(t, hour.ExecutionName(of, 3), `{"hour":"`+of.String()+`","options":{"force":true}}`)
	id := ""
	for deadline := time.Now().Add(2 * time.Minute); id == ""; time.Sleep(300 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no cluster %s; the execution visited %v", name, s.visited(t, arn))
		}
		id, _ = s.cluster(t, name)
	}
	reap := func() string {
		out, err := s.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(s.Stack + "-reap:live"), Payload: []byte(`{}`)})
		if err != nil || out.FunctionError != nil {
			t.Fatalf("reap: %v %s", err, out.Payload)
		}
		return string(out.Payload)
	}
	if answer := reap(); strings.Contains(answer, `"ended":[{`) {
		t.Errorf("the reaper ended a cluster whose execution runs: %s", answer)
	}
	if _, err := s.machines.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn}); err != nil {
		t.Fatal(err)
	}
	if status, visited := s.ended(t, arn, time.Minute); status != "ABORTED" {
		t.Fatalf("the execution ended as %s; it visited %v", status, visited)
	}
	// The rule on the execution's status calls reap; where an emulator does not, the timer's call does.
	for begun, called := time.Now(), false; ; time.Sleep(300 * time.Millisecond) {
		_, state := s.cluster(t, name)
		switch after := time.Since(begun); {
		case state == "TERMINATED":
			t.Logf("cluster %s is ended %s after the execution; called by hand: %v", id, after.Round(time.Second), called)
			return
		case after > 45*time.Second:
			t.Fatalf("cluster %s is %s", id, state)
		case after > 15*time.Second && !called:
			called = true
			t.Logf("reap answered %s", reap())
		}
	}
}

// cluster asks for a cluster by its name.
func (s *stack) cluster(t *testing.T, name string) (id, state string) {
	t.Helper()
	out, err := s.clusters.Call(t.Context(), "ListClusters", json.RawMessage(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Clusters []struct {
			ID, Name string
			Status   struct{ State string }
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Clusters {
		if c.Name == name {
			return c.ID, c.Status.State
		}
	}
	return "", ""
}

// archived is how many objects the archive holds.
func (s *stack) archived(t *testing.T) (n int) {
	t.Helper()
	for _, err := range s.archive.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// refuses sends what is not an event, or comes without a key, and holds the answers.
func (s *stack) refuses(t *testing.T) {
	bodies := map[string][]byte{
		"empty": nil, "broken": []byte(`{"a":`), "a number": []byte(`7`), "NUL": []byte("{\"a\":\"\x00\"}"),
		"deep": []byte(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)), "no UTF-8": []byte("{\"a\":\"\xff\"}"),
	}
	before := s.archived(t)
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		if status, answer := s.post(t, "/events", "application/json", s.APIKey, bodies[name]); status != http.StatusBadRequest {
			t.Errorf("POST /events of %s: %d %.200s", name, status, answer)
		}
	}
	for _, path := range []string{"/events", "/direct"} {
		if status, _ := s.post(t, path, "application/json", "", []byte(`{"a":1}`)); status != http.StatusForbidden {
			t.Errorf("POST %s without a key: %d", path, status)
		}
	}
	for _, name := range []string{"empty", "broken", "NUL"} {
		if status, answer := s.post(t, "/direct", "application/json", s.APIKey, bodies[name]); status != http.StatusBadRequest {
			t.Errorf("POST /direct of %s: %d %.200s", name, status, answer)
		}
	}
	for _, mebibytes := range []int{5, 11} {
		large := []byte(`{"a":"` + strings.Repeat("x", mebibytes<<20) + `"}`)
		if status, answer := s.post(t, "/events", "application/json", s.APIKey, large); status != http.StatusRequestEntityTooLarge {
			t.Errorf("POST /events of %d MiB: %d %.200s", mebibytes, status, answer)
		}
	}
	if status, answer := s.post(t, "/events", "text/html", s.APIKey, []byte(`{"a":1}`)); status != http.StatusUnsupportedMediaType {
		t.Errorf("POST /events of text/html: %d %.200s", status, answer)
	}
	time.Sleep(3 * time.Second) // three windows of the mapping
	if after := s.archived(t); after != before {
		t.Errorf("the archive went from %d to %d objects", before, after)
	}
}
