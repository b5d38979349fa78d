package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"penstock/internal/fault"
	"penstock/internal/stream"
	"penstock/internal/stream/streamtest"
)

// service is an HTTP transport that answers Kinesis' requests in turn.
type service struct {
	t       *testing.T
	mu      sync.Mutex
	answers []reply
}

type reply struct {
	action string // expected
	sent   string // JSON that the request has to be, "" for any
	status int
	body   string
	hang   bool
	before func()
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	sent, _ := io.ReadAll(r.Body)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.mu.Lock()
	if len(s.answers) == 0 {
		s.mu.Unlock()
		s.t.Errorf("unexpected %s %s", action, sent)
		return nil, errors.New("unexpected request")
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	s.mu.Unlock()
	if action != a.action || a.sent != "" && !sameJSON(s.t, string(sent), a.sent) {
		s.t.Errorf("request %s %s\nwant    %s %s", action, sent, a.action, a.sent)
	}
	if a.before != nil {
		a.before()
	}
	if a.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: a.status, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var values [2]any
	for i, s := range []string{a, b} {
		if err := json.Unmarshal([]byte(s), &values[i]); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return asJSON(t, values[0]) == asJSON(t, values[1])
}

func serviced(t *testing.T, options stream.KinesisOptions, answers ...reply) *stream.Kinesis {
	t.Helper()
	s := &service{t: t, answers: answers}
	t.Cleanup(func() {
		if len(s.answers) > 0 {
			t.Errorf("%d answers were not asked for", len(s.answers))
		}
	})
	return stream.NewKinesis(kinesis.New(kinesis.Options{
		HTTPClient: s, Region: "us-east-1", BaseEndpoint: aws.String("http://kinesis.test"),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	}), "events", options)
}

func TestKinesisMapsPutRecords(t *testing.T) {
	k := serviced(t, stream.KinesisOptions{}, reply{
		action: "PutRecords", status: 200,
		sent: `{"StreamName":"events","Records":[{"Data":"YQ==","PartitionKey":"k"},{"Data":"","PartitionKey":"l","ExplicitHashKey":"7"}]}`,
		body: `{"FailedRecordCount":1,"Records":[{"ShardId":"shardId-000000000000","SequenceNumber":"49"},
			{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"}]}`,
	})
	puts, err := k.PutRecords(context.Background(), []stream.Entry{{PartitionKey: "k", Data: []byte("a")}, {PartitionKey: "l", ExplicitHashKey: "7"}})
	want := []stream.Put{{Shard: "shardId-000000000000", Sequence: "49"}, {ErrorCode: "ProvisionedThroughputExceededException"}}
	if err != nil || fmt.Sprint(puts) != fmt.Sprint(want) {
		t.Errorf("answers %v, %v; want %v", puts, err, want)
	}
	k = serviced(t, stream.KinesisOptions{}, reply{action: "PutRecords", status: 200, body: `{"Records":[]}`})
	if _, err := k.PutRecords(context.Background(), putEntries(0, 1)); !errors.As(err, new(*fault.Unavailable)) {
		t.Errorf("an answer too short: %v", err)
	}
}

func TestKinesisListsShardsByPageAndTime(t *testing.T) {
	shard := func(id, parent, last string) string {
		return fmt.Sprintf(`{"ShardId":%q,"ParentShardId":%q,"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},
			"SequenceNumberRange":{"StartingSequenceNumber":"1"%s}}`, id, parent, last)
	}
	k := serviced(t, stream.KinesisOptions{},
		reply{
			action: "ListShards", status: 200, sent: `{"StreamName":"events","ShardFilter":{"Type":"FROM_TIMESTAMP","Timestamp":1795417200}}`,
			body: `{"NextToken":"more","Shards":[` + shard("shardId-2", "shardId-1", "") + `]}`,
		},
		reply{
			action: "ListShards", status: 200, sent: `{"NextToken":"more"}`,
			body: `{"Shards":[` + shard("shardId-1", "", `,"EndingSequenceNumber":"5"`) + `]}`,
		})
	list, err := k.Shards(context.Background(), time.Unix(1795417200, 0))
	want := []stream.Shard{{ID: "shardId-1", StartHash: "0", EndHash: "9", First: "1", Last: "5"}, {ID: "shardId-2", Parent: "shardId-1", StartHash: "0", EndHash: "9", First: "1"}}
	if err != nil || fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("shards %v, %v; want %v", list, err, want)
	}
}

func TestKinesisReads(t *testing.T) {
	ctx := context.Background()
	var records []string
	for ms := range 1000 {
		records = append(records, fmt.Sprintf(`{"SequenceNumber":"%d","PartitionKey":"k","Data":"YQ==","ApproximateArrivalTimestamp":1545084650.%03d}`, ms, ms))
	}
	k := serviced(t, stream.KinesisOptions{},
		reply{
			action: "GetShardIterator", status: 200, body: `{"ShardIterator":"it"}`,
			sent: `{"StreamName":"events","ShardId":"shardId-1","ShardIteratorType":"AFTER_SEQUENCE_NUMBER","StartingSequenceNumber":"12"}`,
		},
		reply{
			action: "GetRecords", status: 200, sent: `{"ShardIterator":"it","Limit":1000}`,
			body: `{"MillisBehindLatest":1500,"NextShardIterator":"it2","Records":[` + strings.Join(records, ",") + `]}`,
		},
		reply{
			action: "GetRecords", status: 200, body: `{"MillisBehindLatest":0,"Records":[],"ChildShards":[
				{"ShardId":"shardId-2","ParentShards":["shardId-1"],"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"}}]}`,
		},
		reply{action: "DescribeStreamSummary", status: 200, sent: `{"StreamName":"events"}`, body: `{"StreamDescriptionSummary":{"StreamName":"events","StreamARN":"a","StreamStatus":"ACTIVE","RetentionPeriodHours":168,"StreamCreationTimestamp":1,"EnhancedMonitoring":[],"OpenShardCount":1}}`},
	)
	it, err := k.Iterator(ctx, "shardId-1", stream.Start{Type: stream.AfterSequence, Sequence: "12"})
	if err != nil || it != "it" {
		t.Fatalf("iterator %q, %v", it, err)
	}
	page, err := k.Records(ctx, it, 1000)
	if err != nil || page.Next != "it2" || page.BehindTip != 1500*time.Millisecond || len(page.Records) != 1000 {
		t.Fatalf("page of %d, next %q, behind %s, %v", len(page.Records), page.Next, page.BehindTip, err)
	}
	for ms, r := range page.Records {
		if want := time.UnixMilli(1545084650_000 + int64(ms)); !r.Arrival.Equal(want) || string(r.Data) != "a" || r.PartitionKey != "k" {
			t.Fatalf("record %d: %+v, want the arrival %s", ms, r, want)
		}
	}
	page, err = k.Records(ctx, page.Next, 1)
	if err != nil || page.Next != "" || page.BehindTip != 0 || fmt.Sprint(page.Children) != "[shardId-2]" {
		t.Errorf("last page %+v, %v", page, err)
	}
	if d, err := k.Retention(ctx); err != nil || d != 168*time.Hour {
		t.Errorf("retention %s, %v", d, err)
	}
}

func TestKinesisErrorsHaveTypes(t *testing.T) {
	ctx := context.Background()
	is := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	badInput, denied, unavailable := is(new(*fault.BadInput)), is(new(*fault.AccessDenied)), is(new(*fault.Unavailable))
	for _, c := range []struct {
		status, times int
		code          string
		want          func(error) bool
	}{
		{400, 1, "ResourceNotFoundException", badInput}, {400, 1, "ExpiredIteratorException", badInput}, {400, 1, "InvalidArgumentException", badInput},
		{400, 1, "ValidationException", badInput}, {400, 1, "AccessDeniedException", denied}, {400, 1, "KMSAccessDeniedException", denied},
		{400, 3, "ProvisionedThroughputExceededException", unavailable}, {400, 1, "ResourceInUseException", unavailable},
		{500, 3, "InternalFailure", unavailable}, {503, 3, "ServiceUnavailable", unavailable},
	} {
		var answers []reply
		for range c.times {
			answers = append(answers, reply{action: "GetRecords", status: c.status, body: `{"__type":"` + c.code + `","message":"secret detail"}`})
		}
		_, err := serviced(t, stream.KinesisOptions{}, answers...).Records(ctx, "it", 1)
		if !c.want(err) || !strings.Contains(err.Error(), "events") || strings.Contains(err.Error(), "secret detail") {
			t.Errorf("%d %s: %T %v", c.status, c.code, err, err)
		}
	}
	k := serviced(t, stream.KinesisOptions{}, reply{action: "GetShardIterator", status: 400, body: `{"__type":"ResourceNotFoundException"}`})
	if _, err := k.Iterator(ctx, "shardId-9", stream.Start{Type: stream.Latest}); !errors.As(err, new(*fault.NotFound)) {
		t.Errorf("unknown shard: %v", err)
	}
}

func TestKinesisStopsWhenTheContextEndsAndWhenTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	k := serviced(t, stream.KinesisOptions{}, reply{action: "GetRecords", hang: true, before: cancel})
	if _, err := k.Records(ctx, "it", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	k = serviced(t, stream.KinesisOptions{Timeout: 20 * time.Millisecond}, reply{action: "GetRecords", hang: true})
	if _, err := k.Records(context.Background(), "it", 1); !errors.As(err, new(*fault.Unavailable)) || !strings.Contains(err.Error(), "limit") {
		t.Errorf("timed out: %v", err)
	}
}

// The endpoint is that of kinesis-local or another server of Kinesis' protocol that takes the credentials test/test.
func TestKinesisKeepsTheContractOverAnEndpoint(t *testing.T) {
	endpoint := os.Getenv("PENSTOCK_KINESIS_ENDPOINT")
	if endpoint == "" {
		t.Skip("PENSTOCK_KINESIS_ENDPOINT names no Kinesis server")
	}
	client := kinesis.New(kinesis.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	var n atomic.Int64
	streamtest.Run(t, func(t *testing.T) streamtest.Subject {
		name := fmt.Sprintf("penstock-%d-%d", os.Getpid(), n.Add(1))
		if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)}); err != nil {
			t.Fatal(err)
		}
		active(t, client, name)
		t.Cleanup(func() {
			client.DeleteStream(context.Background(), &kinesis.DeleteStreamInput{StreamName: &name})
		})
		k := stream.NewKinesis(client, name, stream.KinesisOptions{})
		return streamtest.Subject{
			Writer: k, Reader: k, Now: time.Now,
			Split: func(shard, at string) error {
				_, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: &shard, NewStartingHashKey: &at})
				active(t, client, name)
				return err
			},
			Merge: func(shard, adjacent string) error {
				_, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &name, ShardToMerge: &shard, AdjacentShardToMerge: &adjacent})
				active(t, client, name)
				return err
			},
		}
	}, streamtest.Skip("mangled iterators are refused", "kinesis-local answers 500 to some of them"),
		streamtest.Skip("large records make several pages", "kinesis-local takes more than a minute for 16 MiB"))
}

func active(t *testing.T, client *kinesis.Client, name string) {
	t.Helper()
	for range 200 {
		out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		if err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("stream %s does not become active", name)
}
