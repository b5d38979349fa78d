package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rogpeppe/go-internal/testscript"

	"penstock/internal/asl"
	"penstock/internal/clock"
	"penstock/internal/cluster"
	"penstock/internal/datadir"
	"penstock/internal/emr"
	"penstock/internal/generate"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

// stubStack is a deployed stack as the command line meets it: CloudFormation, S3, Step Functions, EMR and Lambda behind one
// endpoint. Behind it the hour machine and the stages do their real work, on a clock that goes stubSpeed times as fast.
//
// The stack holds four hours of three days ago: the script's $H0 and $H1 are published, $H2 and $H3 archived only.
type stubStack struct {
	server   *httptest.Server
	clock    *fastClock
	pipeline *local.Pipeline
	hours    *store.S3
	first    hour.Hour
	failing  atomic.Int64 // S3 requests that are answered 503 from now on

	mu   sync.Mutex
	held map[string]bool // hours whose clusters' steps do not end
	bad  map[string]bool // hours whose steps fail
}

const (
	stubName  = local.Stack // clusters carry it
	stubSpeed = 300         // a minute is 200 ms
	stubHours = 4
)

// stubData makes the data directory that stacks begin with, once.
var stubData = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "penstock-stub-*")
	if err != nil {
		return "", err
	}
	if err := datadir.Init(dir, datadir.Marker{Name: hour.DefaultName, Format: "json"}); err != nil {
		return "", err
	}
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		return "", err
	}
	s, err := local.OpenSession(context.Background(), dir, local.SessionOptions{Holder: "stub", Wall: time.Now, NoSync: true})
	if err != nil {
		return "", err
	}
	start := time.Now().UTC().AddDate(0, 0, -3).Truncate(time.Hour)
	_, err = s.Run(context.Background(), local.Job{Name: "stub", Digest: strings.Repeat("5", 64), Seed: 1, Playbook: book, Exec: hadoop.InProcess{}, Shards: 1,
		Wall: time.Now, Open: func(time.Time) (local.Source, error) {
			g, err := generate.New(generate.Config{Seed: 1, Start: start, Duration: stubHours * time.Hour, Events: 80})
			return local.Generated{Generator: g}, err
		}})
	return dir, errors.Join(err, s.Close())
})

// newStubStack starts a stack.
func newStubStack() (*stubStack, error) {
	dir, err := stubData()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	d, err := datadir.Open(dir, datadir.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	states, err := store.OpenDir(d.Stream(), store.DirOptions{Now: time.Now})
	if err != nil {
		return nil, err
	}
	defer states.Close()
	saved, err := local.Load(ctx, states)
	if err != nil {
		return nil, err
	}
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		return nil, err
	}
	book.Cluster.MaxMinutes = 10 * 60 // two minutes of a slow machine
	s := &stubStack{clock: newFastClock(saved.Clock.Time), held: map[string]bool{}, bad: map[string]bool{}, first: saved.Hours[0]}
	fake := gofakes3.New(s3mem.New()).Server()
	s.server = httptest.NewServer(s.router(fake))
	client := s3.New(s3.Options{BaseEndpoint: &s.server.URL, UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	buckets := map[string]*store.S3{}
	for _, name := range []string{"archive", "hours", "failure"} {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("stub-" + name)}); err != nil {
			return nil, err
		}
		buckets[name] = store.NewS3(client, "stub-"+name, store.S3Options{Jitter: func() float64 { return 0.5 }})
	}
	if err := fill(ctx, filepath.Join(dir, "archive"), buckets["archive"]); err != nil {
		return nil, err
	}
	s.hours = buckets["hours"]
	text, err := json.Marshal(book) // the bytes whose hash the pipeline's ledgers have
	if err != nil {
		return nil, err
	}
	if _, err := s.hours.Create(ctx, cluster.PlaybookKey("video"), text); err != nil {
		return nil, err
	}
	model, err := stream.Restore(stream.Options{Now: s.clock.Now, Seed: 1}, saved.Stream)
	if err != nil {
		return nil, err
	}
	s.pipeline, err = local.New(local.Config{Clock: s.clock, Archive: buckets["archive"], Hours: s.hours, Failure: buckets["failure"], Stream: model,
		Keys: d.Keys, Seed: 1, Playbook: book, Format: "json", Exec: hadoop.InProcess{},
		Runner: func(c hadoop.Config) emr.Runner { return &stubRunner{s, hadoop.New(c)} }})
	if err != nil {
		return nil, err
	}
	return s, errors.Join(s.publish(s.first), s.publish(s.first.Add(1)))
}

// fill copies a folder of the data directory into a bucket.
func fill(ctx context.Context, folder string, to *store.S3) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil || store.CheckKey(filepath.ToSlash(rel)) != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			_, err = to.Create(ctx, filepath.ToSlash(rel), b)
		}
		return err
	})
}

// publish runs an hour as the schedule would.
func (s *stubStack) publish(h hour.Hour) error {
	n, _, err := s.pipeline.Ledger.Start(context.Background(), h, ledger.Start{ID: "due/1", By: ledger.BySchedule, Reason: "it is over and has no run"})
	if err != nil {
		return err
	}
	input, err := json.Marshal(hour.Input{Hour: h, N: n})
	if err != nil {
		return err
	}
	x, err := s.pipeline.Engine.StartExecution(context.Background(), local.HourMachine, hour.ExecutionName(h, n), input)
	if err != nil {
		return err
	}
	return s.await(h, func(state *ledger.State) bool { return state.Run(n).Over() }, x.Name)
}

// await waits until the ledger of an hour is as it is wanted.
func (s *stubStack) await(h hour.Hour, is func(*ledger.State) bool, what string) error {
	for range 300 {
		state, err := s.pipeline.Ledger.Read(context.Background(), h)
		if err == nil && is(state) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("hour %s is not so after 15 s: %s", h, what)
}

func (s *stubStack) close() {
	s.pipeline.EMR.Close()
	s.server.Close()
}

// set says of an hour that its steps do not end ("hold") or fail ("bad"), or neither ("good").
func (s *stubStack) set(what, h string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[h], s.bad[h] = what == "hold", what == "bad"
}

func (s *stubStack) is(of map[string]bool, clusterName string) bool {
	h, _, _, ok := hour.ParseClusterName(stubName, clusterName)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok && of[h.String()]
}

// stubRunner runs steps, or does not let them end.
type stubRunner struct {
	stack *stubStack
	emr.Runner
}

func (r *stubRunner) Open(ctx context.Context, run emr.StepRun) (emr.Work, error) {
	for r.stack.is(r.stack.held, run.ClusterName) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		clock.Sleep(r.stack.clock, 10*time.Second)
	}
	if r.stack.is(r.stack.bad, run.ClusterName) {
		return nil, errors.New("the script says that the step fails")
	}
	return r.Runner.Open(ctx, run)
}

// router sends each request to the service that its protocol tells.
func (s *stubStack) router(fake http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch {
		case service == "ElasticMapReduce":
			s.pipeline.EMR.Handler().ServeHTTP(w, r)
		case service == "AWSStepFunctions":
			s.states(w, r, action)
		case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
			s.cloudFormation(w, r)
		case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
			_, _ = io.WriteString(w, `{"Environment":{"Variables":{"SERVICE_ROLE":"arn:aws:iam::1:role/emr","INSTANCE_PROFILE":"profile","SUBNETS":"subnet-1,subnet-2"}}}`)
		case s.failing.Add(-1) >= 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
		default:
			fake.ServeHTTP(w, r)
		}
	})
}

func (s *stubStack) cloudFormation(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	form, _ := url.ParseQuery(string(b))
	w.Header().Set("Content-Type", "text/xml")
	if form.Get("StackName") != stubName {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id %s does not exist</Message></Error></ErrorResponse>`, form.Get("StackName"))
		return
	}
	var x bytes.Buffer
	x.WriteString("<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>" + stubName + "</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Parameters>")
	for k, v := range map[string]string{"EventName": hour.DefaultName, "Format": "json", "Job": "video", "Split": ""} {
		fmt.Fprintf(&x, "<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>", k, v)
	}
	x.WriteString("</Parameters><Outputs>")
	machines := "arn:aws:states:us-east-1:123456789012:stateMachine:"
	for k, v := range map[string]string{"ArchiveBucket": "stub-archive", "HoursBucket": "stub-hours", "FailureBucket": "stub-failure", "StreamName": "stub",
		"HourMachineArn": machines + local.HourMachine, "ScheduleMachineArn": machines + local.ScheduleMachine, "ApiUrl": "http://stub", "ApiKeyId": "key"} {
		fmt.Fprintf(&x, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", k, v)
	}
	x.WriteString("</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>")
	_, _ = w.Write(x.Bytes())
}

// states is Step Functions' wire protocol, AWS JSON 1.0, before the engine.
func (s *stubStack) states(w http.ResponseWriter, r *http.Request, action string) {
	var in struct{ ExecutionArn, StateMachineArn, Name, Input, Cause string }
	b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	err := json.Unmarshal(b, &in)
	var x asl.Execution
	if err == nil {
		switch action {
		case "StartExecution":
			x, err = s.pipeline.Engine.StartExecution(context.Background(), in.StateMachineArn, in.Name, json.RawMessage(in.Input))
		case "StopExecution":
			x, err = s.pipeline.Engine.StopExecution(in.ExecutionArn, "", in.Cause)
		case "DescribeExecution":
			x, err = s.pipeline.Engine.DescribeExecution(in.ExecutionArn)
		default:
			err = fmt.Errorf("no action %s here", action)
		}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil {
		name := "ValidationException"
		var refused *asl.RequestError
		if errors.As(err, &refused) {
			name = refused.Code
		}
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": name, "message": err.Error()})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"executionArn": x.ARN, "stateMachineArn": in.StateMachineArn, "name": x.Name, "status": x.Status,
		"startDate": x.Start.Unix(), "stopDate": x.Start.Unix()})
}

// stackCommand is the scripts' command `stack`: without arguments it starts a stack and points the environment to it; `stack
// hold HOUR`, `bad HOUR` and `good HOUR` say what the hour's steps do, `stack s3fails N` lets N requests fail, `stack cluster
// HOUR` waits until the hour has a cluster, `stack over HOUR` until no run of it is open.
func stackCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		s, err := newStubStack()
		ts.Check(err)
		ts.Defer(s.close)
		stacks.Store(ts.Getenv("WORK"), s)
		for k, v := range map[string]string{"AWS_ENDPOINT_URL": s.server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
			"AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "PENSTOCK_TARGET": "aws:" + stubName} {
			ts.Setenv(k, v)
		}
		for i := range stubHours {
			ts.Setenv(fmt.Sprintf("H%d", i), s.first.Add(i).String())
		}
		return
	}
	v, _ := stacks.Load(ts.Getenv("WORK"))
	s, ok := v.(*stubStack)
	if !ok || len(args) != 2 {
		ts.Fatalf("stack %v: no stack, or not two words", args)
	}
	switch args[0] {
	case "hold", "bad", "good":
		s.set(args[0], args[1])
	case "s3fails":
		var n int64
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		s.failing.Store(n)
	case "cluster":
		h, err := hour.Parse(args[1])
		ts.Check(err)
		for range 300 {
			out, err := s.pipeline.EMR.Call(context.Background(), "ListClusters", json.RawMessage(`{"ClusterStates":["STARTING","BOOTSTRAPPING","RUNNING","WAITING"]}`))
			ts.Check(err)
			if strings.Contains(string(out), "-"+h.Compact()+"-") {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		ts.Fatalf("hour %s has no cluster after 15 s", h)
	case "over":
		h, err := hour.Parse(args[1])
		ts.Check(err)
		ts.Check(s.await(h, func(state *ledger.State) bool { return state.Last > 0 && len(state.Open()) == 0 }, "no run is open"))
	default:
		ts.Fatalf("stack %s: no such word", args[0])
	}
}

var stacks sync.Map // of *stubStack, by the script's $WORK
