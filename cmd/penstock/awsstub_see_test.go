package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

	"penstock/internal/store"
	"penstock/internal/stream"
)

// seenStack is the stack "seen" as the commands that only look meet it: CloudFormation, S3 with the fixture's buckets, Kinesis,
// CloudWatch Logs, X-Ray, Lambda, Step Functions, EMR and the HTTP edge behind one endpoint.
type seenStack struct {
	*httptest.Server
	stream  *stream.Model
	stopped atomic.Bool  // every execution is aborted
	failing atomic.Int64 // S3 requests that are answered 503 from now on

	mu    sync.Mutex
	logs  map[string][]string // group -> messages
	spans atomic.Bool         // Transaction Search is on
	posts int                 // requests that the edge got
	taken []string            // events that the edge took
}

// newSeenStack serves the data directory at path.
func newSeenStack(path string) (*seenStack, error) {
	s := &seenStack{logs: map[string][]string{}}
	var err error
	if s.stream, err = stream.NewMemory(stream.Options{Now: time.Now, Shards: 2, Seed: 1}); err != nil {
		return nil, err
	}
	fake := gofakes3.New(s3mem.New()).Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.route(w, r, fake) }))
	client := s3.New(s3.Options{BaseEndpoint: &s.URL, UsePathStyle: true, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	for _, name := range []string{"archive", "hours", "failure"} {
		if _, err := client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("seen-" + name)}); err != nil {
			return nil, err
		}
		to := store.NewS3(client, "seen-"+name, store.S3Options{Jitter: func() float64 { return 0.5 }})
		folder := filepath.Join(path, name)
		err := filepath.WalkDir(folder, func(file string, e fs.DirEntry, err error) error {
			key := strings.TrimPrefix(filepath.ToSlash(strings.TrimPrefix(file, folder)), "/")
			if err != nil || e.IsDir() || store.CheckKey(key) != nil {
				return err
			}
			b, err := os.ReadFile(file)
			if err == nil {
				_, err = to.Create(context.Background(), key, b)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *seenStack) route(w http.ResponseWriter, r *http.Request, fake http.Handler) {
	service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if service == "" && !form && (strings.HasPrefix(r.URL.Path, "/seen-") || r.URL.Path == "/") {
		if s.failing.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
			return
		}
		fake.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch {
	case form:
		s.cloudFormation(w, string(body))
	case strings.HasPrefix(service, "Kinesis"):
		answer(s.kinesis(action, body))
	case service == "Logs_20140328":
		answer(s.filter(in))
	case service == "AWSStepFunctions":
		status := "RUNNING"
		if s.stopped.Load() {
			status = "ABORTED"
		}
		answer(200, map[string]any{"executionArn": in["executionArn"], "status": status, "startDate": 1.0})
	case service == "ElasticMapReduce":
		at := float64(time.Now().Add(-time.Hour).Unix())
		cluster := func(id, name string) map[string]any {
			return map[string]any{"Id": id, "Name": name, "Status": map[string]any{"State": "RUNNING", "Timeline": map[string]any{"CreationDateTime": at}}}
		}
		answer(200, map[string]any{"Clusters": []any{cluster("j-1", "seen-2026112309-1-1"), cluster("j-2", "seen-2026112308-1-1"), cluster("j-3", "somebody-else")}})
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
		s.invoke(w, r, body)
	case r.URL.Path == "/TraceSummaries":
		answer(200, map[string]any{"TraceSummaries": []any{map[string]any{"Id": seenTrace}}})
	case r.URL.Path == "/Traces" && s.spans.Load():
		answer(200, map[string]any{"Traces": []any{}})
	case r.URL.Path == "/Traces":
		answer(200, map[string]any{"Traces": []any{map[string]any{"Id": seenTrace, "Segments": []any{map[string]any{"Id": "0123456789abcdef",
			"Document": `{"name":"hour","id":"0123456789abcdef","trace_id":"` + seenTrace + `","origin":"AWS::StepFunctions::StateMachine","start_time":1795420860,"end_time":1795420950}`}}}}})
	case r.URL.Path == "/GetTraceSegmentDestination":
		answer(200, map[string]any{"Destination": map[bool]string{true: "CloudWatchLogs", false: "XRay"}[s.spans.Load()], "Status": "ACTIVE"})
	case strings.HasSuffix(r.URL.Path, "/events"):
		answer(s.edge(r, body))
	default:
		http.Error(w, "no such call: "+r.URL.Path+" "+service+"."+action, http.StatusNotImplemented)
	}
}

const seenTrace = "1-6b03f2bc-0123456789abcdef01234567"

func (s *seenStack) cloudFormation(w http.ResponseWriter, body string) {
	form, _ := url.ParseQuery(body)
	w.Header().Set("Content-Type", "text/xml")
	if form.Get("StackName") != "seen" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack does not exist</Message></Error></ErrorResponse>`)
		return
	}
	var x bytes.Buffer
	x.WriteString("<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>seen</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Parameters>")
	for k, v := range map[string]string{"EventName": "player_events", "Format": "json", "Job": "video", "Split": ""} {
		fmt.Fprintf(&x, "<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>", k, v)
	}
	x.WriteString("</Parameters><Outputs>")
	machine := "arn:aws:states:us-east-1:1:stateMachine:"
	for k, v := range map[string]string{"ArchiveBucket": "seen-archive", "HoursBucket": "seen-hours", "FailureBucket": "seen-failure", "StreamName": "seen",
		"HourMachineArn": machine + "seen-hour", "ScheduleMachineArn": machine + "seen-schedule", "ApiUrl": s.URL + "/v1", "ApiKeyId": "k123"} {
		fmt.Fprintf(&x, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", k, v)
	}
	x.WriteString("</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>")
	_, _ = w.Write(x.Bytes())
}

// kinesis is Kinesis' wire protocol before the model.
func (s *seenStack) kinesis(action string, body []byte) (int, any) {
	var in struct {
		ShardId, ShardIteratorType, StartingSequenceNumber, ShardIterator string
		Timestamp                                                         float64
		Limit                                                             int
		Records                                                           []struct{ Data, PartitionKey string }
	}
	_ = json.Unmarshal(body, &in)
	ctx := context.Background()
	var out any
	var err error
	switch action {
	case "ListShards":
		var shards []stream.Shard
		shards, err = s.stream.Shards(ctx, time.Time{})
		var list []any
		for _, x := range shards {
			list = append(list, map[string]any{"ShardId": x.ID, "HashKeyRange": map[string]any{"StartingHashKey": x.StartHash, "EndingHashKey": x.EndHash},
				"SequenceNumberRange": map[string]any{"StartingSequenceNumber": x.First}})
		}
		out = map[string]any{"Shards": list}
	case "GetShardIterator":
		var it string
		it, err = s.stream.Iterator(ctx, in.ShardId, stream.Start{Type: in.ShardIteratorType, Sequence: in.StartingSequenceNumber, Time: time.UnixMilli(int64(in.Timestamp * 1000))})
		out = map[string]any{"ShardIterator": it}
	case "GetRecords":
		var page stream.Page
		page, err = s.stream.Records(ctx, in.ShardIterator, in.Limit)
		list := []any{}
		for _, r := range page.Records {
			list = append(list, map[string]any{"SequenceNumber": r.Sequence, "PartitionKey": r.PartitionKey, "Data": r.Data, "ApproximateArrivalTimestamp": float64(r.Arrival.UnixMilli()) / 1000})
		}
		out = map[string]any{"Records": list, "NextShardIterator": page.Next, "MillisBehindLatest": page.BehindTip.Milliseconds()}
	case "PutRecords":
		var entries []stream.Entry
		for _, r := range in.Records {
			b, _ := base64.StdEncoding.DecodeString(r.Data)
			entries = append(entries, stream.Entry{PartitionKey: r.PartitionKey, Data: b})
		}
		var puts []stream.Put
		puts, err = s.stream.PutRecords(ctx, entries)
		var list []any
		for _, p := range puts {
			list = append(list, map[string]any{"ShardId": p.Shard, "SequenceNumber": p.Sequence})
		}
		out = map[string]any{"Records": list, "FailedRecordCount": 0}
	}
	if err != nil {
		return 400, map[string]any{"__type": "InvalidArgumentException", "message": err.Error()}
	}
	return 200, out
}

// filter is FilterLogEvents: messages that contain the quoted term, or any word of a pattern of alternatives.
func (s *seenStack) filter(in map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group, _ := in["logGroupName"].(string)
	messages, ok := s.logs[group]
	if !ok {
		return 400, map[string]any{"__type": "ResourceNotFoundException", "message": "no such group"}
	}
	pattern, _ := in["filterPattern"].(string)
	events := []any{}
	for i, m := range messages {
		hit := pattern == ""
		for _, term := range strings.Split(strings.TrimPrefix(pattern, "?"), " ?") {
			hit = hit || strings.Contains(m, strings.Trim(term, `"`))
		}
		if hit {
			events = append(events, map[string]any{"eventId": fmt.Sprintf("%s-%d", group, i), "timestamp": time.Now().UnixMilli(), "logStreamName": "s", "message": m})
		}
	}
	return 200, map[string]any{"events": events}
}

func (s *seenStack) invoke(w http.ResponseWriter, r *http.Request, body []byte) {
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/seen-"), "/invocations")
	w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte("START\nworking\nEND\n")))
	switch {
	case r.URL.Query().Get("Qualifier") != "live" || name == "judge":
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, `{"Message":"Function not found"}`)
	case r.Header.Get("X-Amz-Invocation-Type") == "DryRun":
		w.WriteHeader(204)
	case name == "seal":
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		_, _ = io.WriteString(w, `{"errorType":"HourNotComplete","errorMessage":"shardId-000000000000: 5 records behind"}`)
	default:
		fmt.Fprintf(w, `{"called":%q,"with":%s}`, name, body)
	}
}

// edge is POST /events: it is busy at first, refuses a body for its line with "bad", and takes the second event of a batch
// only the second time.
func (s *seenStack) edge(r *http.Request, body []byte) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("X-Api-Key") != "secret" {
		return 403, map[string]any{"message": "Forbidden"}
	}
	if s.posts++; s.posts == 1 {
		return 429, map[string]any{"accepted": 0, "message": "the stream is busy, send again later"}
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	for i, l := range lines {
		if strings.Contains(l, "bad") {
			return 400, map[string]any{"line": i + 1, "message": "breaks the schema"}
		}
	}
	if len(lines) > 2 {
		s.taken = append(append(s.taken, lines[0]), lines[2:]...)
		return 207, map[string]any{"accepted": len(lines) - 1, "failed": []any{map[string]any{"index": 1, "reason": "ProvisionedThroughputExceededException"}}}
	}
	s.taken = append(s.taken, lines...)
	return 202, map[string]any{"accepted": len(lines)}
}

// serveSeen is the script command `seen DIR`: the data directory as the stack aws:seen. `seen log GROUP FILE` adds a file's
// lines to a log group, `seen spans` switches Transaction Search on, `seen stopped` aborts all executions, `seen failing
// N` lets S3 answer 503 to the next N requests, and `seen taken FILE` holds what the edge took against a
// file.
func serveSeen(ts *testscript.TestScript, _ bool, args []string) {
	if s, ok := ts.Value("seen").(*seenBox); ok && s.stack != nil {
		s.stack.mu.Lock()
		defer s.stack.mu.Unlock()
		switch {
		case args[0] == "log":
			s.stack.logs[args[1]] = append(s.stack.logs[args[1]], strings.Split(strings.TrimSpace(ts.ReadFile(args[2])), "\n")...)
		case args[0] == "failing":
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			s.stack.failing.Store(int64(n))
		case args[0] == "stopped":
			s.stack.stopped.Store(true)
		case args[0] == "spans":
			s.stack.spans.Store(true)
		case args[0] == "taken":
			slices.Sort(s.stack.taken)
			if got, want := strings.Join(s.stack.taken, "\n"), strings.TrimSpace(ts.ReadFile(args[1])); got != want {
				ts.Fatalf("the edge took\n%s\nwant\n%s", got, want)
			}
		default:
			ts.Fatalf("seen %v", args)
		}
		return
	}
	stack, err := newSeenStack(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(stack.Close)
	ts.Value("seen").(*seenBox).stack = stack
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": stack.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_EC2_METADATA_DISABLED": "true", "PENSTOCK_TARGET": "aws:seen"} {
		ts.Setenv(k, v)
	}
}

// seenBox holds the stack of one script.
type seenBox struct{ stack *seenStack }
