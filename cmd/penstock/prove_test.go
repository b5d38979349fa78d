package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"penstock/internal/clock"
	"penstock/internal/cluster"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

// proven is a stack of which commands that only read and mend see S3, Kinesis and CloudFormation behind one endpoint: an hour
// that the whole path has published, with the stream as it was.
type proven struct {
	hour    hour.Hour
	now     time.Time
	keys    hour.Keys
	model   *stream.Model
	buckets map[string]*store.S3
	seal    *hour.Seal
}

func newProven(t *testing.T) *proven {
	t.Helper()
	ctx := context.Background()
	h, err := hour.Parse("2026-11-02T07")
	must(err)
	c := clock.NewVirtual(h.Start().Add(40 * time.Minute))
	p := &proven{hour: h, buckets: map[string]*store.S3{}}
	p.keys, err = hour.NewKeys(hour.DefaultName)
	must(err)
	book, err := playbook.Parse(playbooks.Web)
	must(err)
	p.serve(t, book)
	p.model, err = stream.NewMemory(stream.Options{Now: func() time.Time { return c.Now() }, Shards: 2, Seed: 1})
	must(err)
	line, err := local.New(local.Config{Clock: c, Seed: 1, Keys: p.keys, Playbook: book, Format: "json", Exec: hadoop.InProcess{},
		Archive: p.buckets["archive"], Hours: p.buckets["hours"], Failure: p.buckets["failure"], Stream: p.model, Window: 5 * time.Minute})
	must(err)
	defer line.EMR.Close()
	must(c.Run(func() {
		must(line.Start(ctx))
		for i := range 20 {
			data := fmt.Sprintf(`{"status":200,"method":"GET","bytes":%d}`, i)
			if i%7 == 3 {
				data = "{mangled"
			}
			_, err := line.PutRecords(ctx, []stream.Entry{{PartitionKey: fmt.Sprint(i), Data: []byte(data)}})
			must(err)
			clock.Sleep(c, 40*time.Second)
		}
		must(line.Close(ctx, []hour.Hour{h}))
	}))
	p.now = c.Now().Add(time.Hour)
	l := &ledger.Ledger{Store: p.buckets["hours"], Keys: p.keys, Now: c.Now}
	m, _, err := l.ReadManifest(ctx, h)
	must(err)
	p.seal, err = l.ReadSeal(ctx, m.Seal)
	must(err)
	return p
}

// serve makes buckets and serves them, and points the environment there.
func (p *proven) serve(t *testing.T, book *playbook.Playbook) {
	t.Helper()
	ctx := context.Background()
	fake := gofakes3.New(s3mem.New()).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch {
		case strings.HasPrefix(service, "Kinesis_"):
			p.kinesis(w, r, action)
		case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, p.description())
		default:
			fake.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	client := s3.New(s3.Options{BaseEndpoint: &server.URL, UsePathStyle: true, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	for _, name := range []string{"archive", "hours", "failure"} {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("stub-" + name)})
		must(err)
		p.buckets[name] = store.NewS3(client, "stub-"+name, store.S3Options{Jitter: func() float64 { return 0.5 }})
	}
	text, err := json.Marshal(book)
	must(err)
	_, err = p.buckets["hours"].Create(ctx, cluster.PlaybookKey("web"), text)
	must(err)
}

// description is CloudFormation's answer about the stack.
func (p *proven) description() string {
	var b strings.Builder
	member := func(kind, key, value string) {
		fmt.Fprintf(&b, "<member><%sKey>%s</%sKey><%sValue>%s</%sValue></member>", kind, key, kind, kind, value, kind)
	}
	b.WriteString(`<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>` +
		`<StackName>stub</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-11-01T00:00:00Z</CreationTime><Parameters>`)
	for _, v := range [][2]string{{"EventName", p.keys.Name()}, {"Format", "json"}, {"Job", "web"}} {
		member("Parameter", v[0], v[1])
	}
	b.WriteString("</Parameters><Outputs>")
	for _, v := range [][2]string{{"ArchiveBucket", "stub-archive"}, {"HoursBucket", "stub-hours"}, {"FailureBucket", "stub-failure"}, {"StreamName", "stub"},
		{"HourMachineArn", "arn:aws:states:us-east-1:1:stateMachine:stub-hour"}, {"ScheduleMachineArn", "arn:aws:states:us-east-1:1:stateMachine:stub-schedule"},
		{"ApiUrl", "https://stub"}, {"ApiKeyId", "k"}} {
		member("Output", v[0], v[1])
	}
	b.WriteString("</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>")
	return b.String()
}

// kinesis answers the calls of a reader.
func (p *proven) kinesis(w http.ResponseWriter, r *http.Request, action string) {
	var in struct {
		ShardID       string `json:"ShardId"`
		Type          string `json:"ShardIteratorType"`
		Sequence      string `json:"StartingSequenceNumber"`
		Timestamp     float64
		ShardIterator string
		Limit         int
	}
	must(json.NewDecoder(r.Body).Decode(&in))
	ctx := r.Context()
	var out any
	switch action {
	case "DescribeStreamSummary":
		out = map[string]any{"StreamDescriptionSummary": map[string]any{"StreamName": "stub", "RetentionPeriodHours": 168, "OpenShardCount": 2}}
	case "ListShards":
		list, err := p.model.Shards(ctx, time.Time{})
		must(err)
		shards := []any{}
		for _, s := range list {
			shards = append(shards, map[string]any{"ShardId": s.ID, "SequenceNumberRange": map[string]any{"StartingSequenceNumber": s.First}})
		}
		out = map[string]any{"Shards": shards}
	case "GetShardIterator":
		it, err := p.model.Iterator(ctx, in.ShardID, stream.Start{Type: in.Type, Sequence: in.Sequence, Time: time.UnixMilli(int64(math.Round(in.Timestamp * 1000)))})
		must(err)
		out = map[string]any{"ShardIterator": it}
	case "GetRecords":
		page, err := p.model.Records(ctx, in.ShardIterator, in.Limit)
		must(err)
		records := []any{}
		for _, x := range page.Records {
			records = append(records, map[string]any{"SequenceNumber": x.Sequence, "PartitionKey": x.PartitionKey, "Data": base64.StdEncoding.EncodeToString(x.Data),
				"ApproximateArrivalTimestamp": float64(x.Arrival.UnixMilli()) / 1000})
		}
		out = map[string]any{"Records": records, "NextShardIterator": page.Next, "MillisBehindLatest": page.BehindTip.Milliseconds()}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	must(json.NewEncoder(w).Encode(out))
}

// verify runs `penstock verify HOUR --target aws:stub` and returns what it prints, and its exit code.
func (p *proven) verify(deep, rebuild bool) (string, int) {
	var out bytes.Buffer
	c := &console{Out: &out, Err: io.Discard, Now: func() time.Time { return p.now }}
	cmd := verifyCmd{place: place{folder: folder{Data: DefaultData}, Target: "aws:stub"}, Range: span{Range: hour.Range{From: p.hour, To: p.hour}, Given: true},
		ArchiveKeep: defaultArchiveKeep, Deep: deep, Rebuild: rebuild}
	err := cmd.Run(context.Background(), c)
	code := exitOK
	if err != nil {
		code = codeOf(err)
		fmt.Fprintln(&out, err)
	}
	return out.String(), code
}

func TestAStackIsComparedWithItsStreamAndItsLostIndexIsMadeAgain(t *testing.T) {
	p := newProven(t)
	ctx := context.Background()
	var piece *hour.Piece
	for i := range p.seal.Pieces {
		if p.seal.Pieces[i].Object != nil && p.seal.Pieces[i].RejectsFile != nil {
			piece = &p.seal.Pieces[i]
		}
	}
	expect := func(deep, rebuild bool, code int, texts ...string) {
		t.Helper()
		got, exit := p.verify(deep, rebuild)
		if exit != code {
			t.Fatalf("exit code %d, want %d: %s", exit, code, got)
		}
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Fatalf("want %q in:\n%s", text, got)
			}
		}
	}
	expect(true, false, exitOK, "stream: 20 of 20 archived records compared\n", "nothing is wrong")

	archive := p.buckets["archive"]
	must(archive.Delete(ctx, piece.Index.Key))
	expect(true, false, exitCorrupt, piece.Index.Key+": gone: a seal names it: `penstock verify 2026-11-02T07 --rebuild --target aws:stub` makes it good",
		"the hour is published without them")
	expect(true, true, exitOK, "rebuilt  2026-11-02T07 archive/"+piece.Index.Key, "it was lost, and made again at", "stream: 20 of 20 archived records compared", "nothing is wrong")
	expect(false, true, exitOK, "nothing is wrong") // once more

	// A damaged object: its lines stand in the part. The archive takes an object only where none is.
	good, _, err := archive.Get(ctx, piece.Object.Key, hour.MaxDocument)
	must(err)
	must(archive.Delete(ctx, piece.Object.Key))
	_, err = archive.Create(ctx, piece.Object.Key, append(good[:len(good)-1:len(good)-1], good[len(good)-1]^1))
	must(err)
	expect(false, false, exitCorrupt, "`aws s3 cp s3://stub-hours/2026/11/player_events.2026110207.", " - | penstock bzip2 -d | sed -n ",
		"then `aws s3 rm s3://stub-archive/"+piece.Object.Key+"`", "then `aws s3api put-object --if-none-match '*' --body mended.bz2 --bucket stub-archive --key "+piece.Object.Key+"`")
	must(archive.Delete(ctx, piece.Object.Key))
	_, err = archive.Create(ctx, piece.Object.Key, good)
	must(err)
	expect(false, false, exitOK, "nothing is wrong")

	// A part, and what no command makes again.
	must(p.buckets["hours"].Delete(ctx, p.keys.PartKey(p.hour, p.seal.Revision, 0)))
	expect(false, false, exitCorrupt, "gone: the ledger names it: `penstock rerun 2026-11-02T07 --force --target aws:stub`")
	must(p.buckets["hours"].Delete(ctx, p.keys.LedgerKey(p.hour, 2)))
	expect(false, false, exitCorrupt, "`aws s3api list-object-versions --bucket stub-hours --prefix "+p.keys.LedgerKey(p.hour, 2)+"` lists them")
}

func TestAnIndexWhoseRecordsTheStreamNoLongerHasIsSaid(t *testing.T) {
	p := newProven(t)
	must(p.buckets["archive"].Delete(context.Background(), p.seal.Pieces[0].Index.Key))
	s, err := p.model.Snapshot(context.Background())
	must(err)
	s.Records = nil
	p.now = p.now.Add(200 * time.Hour)
	p.model, err = stream.Restore(stream.Options{Now: func() time.Time { return p.now }}, s)
	must(err)
	got, code := p.verify(true, true)
	for _, text := range []string{"lost     2026-11-02T07 archive/" + p.seal.Pieces[0].Index.Key, "the stream no longer has its records (0 of them are left)",
		"the published parts hold its events, and readers miss nothing", "bring back an earlier version: `aws s3api list-object-versions --bucket stub-archive --prefix ",
		"are no longer in it: the stream keeps 168h0m0s, and so reaches back to 2026-11-0"} {
		if !strings.Contains(got, text) {
			t.Errorf("want %q in:\n%s", text, got)
		}
	}
	if code != exitCorrupt {
		t.Errorf("exit code %d", code)
	}
}

func TestAStackIsCleanedOfWhatALostAttemptWrote(t *testing.T) {
	p := newProven(t)
	ctx := context.Background()
	lost := p.keys.ResultPrefix(hour.ResultKey{Job: "web", Hour: p.hour, Revision: p.seal.Revision, Run: 1, Cluster: 9}) + "part-00000"
	_, err := p.buckets["hours"].Create(ctx, lost, []byte("half a result"))
	must(err)
	run := func(yes, json bool) string {
		t.Helper()
		var out bytes.Buffer
		c := &console{Out: &out, Err: io.Discard, Now: func() time.Time { return time.Now().Add(50 * 24 * time.Hour) }} // of S3's clock, which is the real one
		cmd := cleanCmd{place: place{folder: folder{Data: DefaultData}, Target: "aws:stub"}, Yes: yes, asJSON: asJSON{JSON: json}, Grace: 7 * 24 * time.Hour, LogKeep: time.Hour}
		if err := cmd.Run(ctx, c); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	// The archive is its lifecycle's, and so are the logs.
	if got := run(false, false); !strings.Contains(got, "result of cluster 9 of run 1 was not published") ||
		!strings.Contains(got, "1 object, 13 B would go: `penstock clean --yes --target aws:stub` deletes them\n") {
		t.Fatalf("%s", got)
	}
	var report cleaned
	if err := json.Unmarshal([]byte(run(true, true)), &report); err != nil || !report.Deleted || report.Objects != 1 || report.Bytes != 13 {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := run(false, false); got != "there is nothing to clean\n" {
		t.Fatalf("%s", got)
	}
	p.now = time.Now()
	if got, code := p.verify(false, false); code != exitOK {
		t.Fatalf("%s", got)
	}
}
