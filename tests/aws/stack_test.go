package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"penstock/internal/bzip2"
	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// stack is the deployed template and what stands around it.
type stack struct {
	Stack     string            `json:"stack"`
	Endpoint  string            `json:"endpoint"`
	APIKey    string            `json:"apiKey"`
	EMR       string            `json:"emr"`   // address to serve EMR at
	Clock     string            `json:"clock"` // file: milliseconds that Kinesis' clock is behind
	Calls     string            `json:"calls"` // file: the functions' AWS calls
	Rollup    string            `json:"rollup"`
	XRay      string            `json:"xray"` // address to take segments at
	Outputs   map[string]string `json:"outputs"`
	Resources map[string]string `json:"resources"`

	keys           hour.Keys
	hours, archive *store.S3
	machines       *sfn.Client
	functions      *lambda.Client
	clusters       *emr.Service
	behind         *movable
	mu             sync.Mutex
	emrCalls       []emrCall
	xray           daemon
	hold           map[string]bool // clusters whose steps go on until they are ended
}

type emrCall struct{ app, action string }

// movable is the real clock, set back by an offset: EMR's, so that a cluster is old without waiting for it.
type movable struct {
	clock.Real
	mu   sync.Mutex
	back time.Duration
}

func (m *movable) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Real.Now().Add(-m.back)
}

func (m *movable) set(back time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back = back
}

// openStack connects to what run.sh deployed, and serves EMR, with faults, where the machines look for it. The test is
// skipped where nothing is deployed.
func openStack(t *testing.T, faults emr.Faults) *stack {
	t.Helper()
	path := os.Getenv("PENSTOCK_AWS_STACK")
	if path == "" {
		t.Skip("PENSTOCK_AWS_STACK names no deployed stack (make test-aws)")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{hold: map[string]bool{}, behind: &movable{}}
	if err := json.Unmarshal(data, s); err != nil {
		t.Fatal(err)
	}
	if s.keys, err = hour.NewKeys(hour.DefaultName); err != nil {
		t.Fatal(err)
	}
	config := aws.Config{BaseEndpoint: &s.Endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	options := store.S3Options{Jitter: func() float64 { return 0.5 }}
	s.hours, s.archive = store.NewS3(client, s.Outputs["HoursBucket"], options), store.NewS3(client, s.Outputs["ArchiveBucket"], options)
	s.machines, s.functions = sfn.NewFromConfig(config), lambda.NewFromConfig(config)
	runner := &holding{s, hadoop.New(hadoop.Config{Clock: clock.Real{}, TempDir: t.TempDir(),
		Buckets: hadoop.Buckets{s.Outputs["HoursBucket"]: s.hours}, Exec: hadoop.Processes{"rollup": {s.Rollup}}})}
	s.clusters = emr.New(emr.Config{Clock: s.behind, Runner: runner, Seed: 1, Faults: faults,
		Timing: emr.Timing{Start: 2 * time.Second, Bootstrap: time.Second, Stop: time.Second, Capacity: time.Second, Step: time.Second}})
	listener, err := net.Listen("tcp", s.EMR)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.record(s.clusters.Handler()), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { s.clusters.Close(); _ = server.Close() })
	s.listenXRay(t)
	s.upload(t)
	return s
}

// record writes down who calls EMR: functions name themselves in the User-Agent header.
func (s *stack) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app := ""
		for _, word := range strings.Fields(r.Header.Get("User-Agent")) {
			if name, ok := strings.CutPrefix(word, "app/"); ok {
				app = name
			}
		}
		s.mu.Lock()
		s.emrCalls = append(s.emrCalls, emrCall{app, strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "ElasticMapReduce.")})
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// upload puts the programs and the playbook where make deploy puts them.
func (s *stack) upload(t *testing.T) {
	t.Helper()
	for key, path := range map[string]string{"code/linux-arm64/rollup": s.Rollup, "code/playbooks/video.json": "../../playbooks/video.json"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.hours.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.hours.Create(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
	}
}

// holding runs steps, but lets those of held clusters go on until their cluster is ended.
type holding struct {
	*stack
	emr.Runner
}

func (h *holding) Open(ctx context.Context, run emr.StepRun) (emr.Work, error) {
	h.mu.Lock()
	held := h.hold[run.ClusterName]
	h.mu.Unlock()
	if held {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Runner.Open(ctx, run)
}

// arriveIn sets Kinesis' clock back so that what is sent now arrives in the hour, from its 20th minute on.
func (s *stack) arriveIn(t *testing.T, of hour.Hour) {
	t.Helper()
	behind := time.Since(of.Start().Add(20 * time.Minute))
	if err := os.WriteFile(s.Clock, fmt.Appendf(nil, "%d", behind.Milliseconds()), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the clock reads the file every 50 ms
}

// post sends a body to the API as a producer would.
func (s *stack) post(t *testing.T, path, contentType, key string, body []byte) (status int, answer string) {
	t.Helper()
	id := strings.SplitN(strings.TrimPrefix(s.Outputs["ApiUrl"], "https://"), ".", 2)[0]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint+"/_aws/execute-api/"+id+"/v1"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// event is the i-th event of an hour.
func event(of hour.Hour, i int) string {
	kind := []string{"view", "play", "heartbeat", "ad_impression"}[i%4]
	return fmt.Sprintf(`{"id":"%s-%04d","type":"%s","publisher":"p%d","provider":"c%d","watched":%d,"impressions":%d}`,
		of.Compact(), i, kind, i%3, i%2, i%7, i%2)
}

// send sends n events that arrive in the hour, most through POST /events in the three forms, the last through /direct, and
// waits until they are archived. It returns them as lines, sorted.
func (s *stack) send(t *testing.T, of hour.Hour, n int) []string {
	t.Helper()
	s.arriveIn(t, of)
	var lines []string
	for i := range n {
		lines = append(lines, event(of, i))
	}
	third := (n - 1) / 2
	for _, request := range []struct{ path, contentType, body string }{
		{"/events", "application/json", "[" + strings.Join(lines[:third], ",") + "]"},
		{"/events", "application/x-ndjson", strings.Join(lines[third:n-2], "\n") + "\n"},
		{"/events", "application/json", lines[n-2]},
		{"/direct", "application/json", lines[n-1]},
	} {
		if status, answer := s.post(t, request.path, request.contentType, s.APIKey, []byte(request.body)); status != http.StatusAccepted {
			t.Fatalf("hour %s: %s %s answered %d %s", of, request.path, request.contentType, status, answer)
		}
	}
	deadline := time.Now().Add(2 * time.Minute)
	for archived := 0; archived < n; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("hour %s: %d of %d events archived after two minutes", of, archived, n)
		}
		archived = 0
		for o, err := range s.archive.List(t.Context(), s.keys.DataPrefix(of)) {
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := s.keys.ParseObjectKey(o.Key); ok {
				archived += d.Count
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// start starts the hour machine as a person does in the console.
func (s *stack) start(t *testing.T, name, input string) string {
	t.Helper()
	out, err := s.machines.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: aws.String(s.Outputs["HourMachineArn"]), Name: &name, Input: &input})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ExecutionArn
}

// execution is an execution of the hour machine, by its name.
func (s *stack) execution(name string) string {
	return strings.Replace(s.Outputs["HourMachineArn"], ":stateMachine:", ":execution:", 1) + ":" + name
}

// ended waits for an execution to end, and tells how, and which states it visited.
func (s *stack) ended(t *testing.T, arn string, limit time.Duration) (status string, visited []string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		out, err := s.machines.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err == nil && out.Status != "RUNNING" {
			status = string(out.Status)
			break
		}
		if time.Now().After(deadline) {
			_, visited = "", s.visited(t, arn)
			t.Fatalf("%s has not ended after %s (%v); it visited %v", filepath.Base(arn), limit, err, visited)
		}
	}
	return status, s.visited(t, arn)
}

func (s *stack) visited(t *testing.T, arn string) []string {
	t.Helper()
	var names []string
	pages := sfn.NewGetExecutionHistoryPaginator(s.machines, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Logf("history of %s: %v", arn, err)
			return names
		}
		for _, e := range page.Events {
			if e.StateEnteredEventDetails != nil {
				names = append(names, *e.StateEnteredEventDetails.Name)
			}
		}
	}
	return names
}

// manifest reads the manifest of an hour.
func (s *stack) manifest(t *testing.T, of hour.Hour) *hour.Manifest {
	t.Helper()
	key := s.keys.ManifestKey(of)
	data, _, err := s.hours.Get(t.Context(), key, hour.MaxDocument)
	if err != nil {
		t.Fatalf("hour %s: %v", of, err)
	}
	m, err := s.keys.DecodeManifest(key, data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lines reads the events of the parts that a manifest names, sorted.
func (s *stack) lines(t *testing.T, m *hour.Manifest) []string {
	t.Helper()
	var all []string
	for _, p := range m.Parts {
		r, err := s.hours.GetRange(t.Context(), p.Key, p.ETag, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := bzip2.Decompress(&b, r, bzip2.ReaderConfig{}); err != nil {
			t.Fatalf("%s: %v", p.Key, err)
		}
		_ = r.Close()
		for line := range strings.Lines(b.String()) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	slices.Sort(all)
	return all
}
