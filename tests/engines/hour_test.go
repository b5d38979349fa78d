package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"penstock/internal/emr"
	"penstock/internal/generate"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/internal/store"
	"penstock/internal/stream"
	"penstock/playbooks"
)

// hourBegin is when the events of an hour begin, hourOf the hour.
var hourBegin = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

// runHour runs the events of an hour through the whole path on a virtual clock,
// the step on what runner makes, and returns the hour's manifest, nil if it is
// not published.
func runHour(ctx context.Context, hours store.Store, now *clock.Virtual, runner func(hadoop.Config) emr.Runner, book *playbook.Playbook, n int) (*hour.Manifest, error) {
	keys, err := hour.NewKeys("player_events")
	if err != nil {
		return nil, err
	}
	model, err := stream.NewMemory(stream.Options{Now: now.Now, Shards: 2, Seed: 3})
	if err != nil {
		return nil, err
	}
	g, err := generate.New(generate.Config{Seed: 3, Start: hourBegin.Add(time.Minute), Duration: 50 * time.Minute, Events: n, MangledEvery: 100})
	if err != nil {
		return nil, err
	}
	p, err := local.New(local.Config{
		Clock: now, Archive: store.NewMemory(now.Now), Hours: hours, Failure: store.NewMemory(now.Now), Stream: model, Keys: keys, Seed: 3,
		Playbook: book, Format: "json", Runner: runner,
	})
	if err != nil {
		return nil, err
	}
	defer p.EMR.Close()
	h := hour.Of(hourBegin)
	var failed error
	err = now.Run(func() {
		failed = errors.Join(p.Start(ctx))
		if failed == nil {
			failed = (&local.Feed{Source: local.Generated{Generator: g}}).Run(ctx, p)
		}
		if failed == nil {
			failed = p.Close(ctx, []hour.Hour{h})
		}
	})
	if err := errors.Join(failed, err); err != nil {
		return nil, err
	}
	b, _, err := hours.Get(ctx, keys.ManifestKey(h), hour.MaxDocument)
	if err != nil {
		return nil, nil // not published
	}
	return keys.DecodeManifest(keys.ManifestKey(h), b)
}

func videoPlaybook(t *testing.T) *playbook.Playbook {
	t.Helper()
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// s3Server serves S3 in this process, with one bucket, "hours", for Hadoop and
// for this process.
func s3Server(ctx context.Context) (*httptest.Server, *hadoop.S3, store.Store, error) {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	client := s3Client(server.URL)
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("hours")}); err != nil {
		server.Close()
		return nil, nil, nil, err
	}
	return server, &hadoop.S3{Endpoint: server.URL, Region: "us-east-1", AccessKey: "test", SecretKey: "test"},
		store.NewS3(client, "hours", store.S3Options{Jitter: func() float64 { return 0.5 }}), nil
}

// overS3 makes an engine read and write a new S3 server, whose bucket is returned.
func overS3(t *testing.T, e *hadoop.Engine) store.Store {
	t.Helper()
	server, s3, hours, err := s3Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	e.S3 = s3
	return hours
}

func s3Client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// own is the result of the store's parts as the local EMR makes it.
func own(t *testing.T, s store.Store) string {
	t.Helper()
	args := streaming(videoPlaybook(t).Steps[0].Mapper, "s3://hours/2026/11/*.bz2", "s3://hours/own")
	if r := runStep(t, hadoop.New(config(t, s)), args...); r.Failure != "" {
		t.Fatal(r.Failure)
	}
	return get(t, s, "own/part-00000")
}

// published checks an hour that Hadoop processed.
func published(t *testing.T, s store.Store, m *hour.Manifest) {
	t.Helper()
	var names []string
	for _, o := range m.Results {
		names = append(names, o.Key[strings.LastIndexByte(o.Key, '/')+1:])
	}
	if got := fmt.Sprint(names); got != "[_SUCCESS part-00000]" && got != "[part-00000]" {
		t.Fatalf("the manifest names %s", got)
	}
	got := get(t, s, m.Results[len(m.Results)-1].Key)
	if want := own(t, s); sorted(got) != sorted(want) || got == "" {
		t.Errorf("Hadoop wrote\n%s\nwant\n%s", got, want)
	}
}

// TestAnHourIsPublishedFromHadoopOverS3A drives an hour by its state machine;
// the step runs on Hadoop, which reads parts and writes results as s3://.
func TestAnHourIsPublishedFromHadoopOverS3A(t *testing.T) {
	t.Parallel()
	e := engine(t)
	hours := overS3(t, &e)
	now := clock.NewVirtual(hourBegin)
	results := &recorder{}
	m, err := runHour(t.Context(), hours, now, func(c hadoop.Config) emr.Runner {
		c.TempDir = t.TempDir()
		return results.over(hadoop.NewEngine(c, e))
	}, videoPlaybook(t), 3000)
	if err != nil {
		t.Fatal(err)
	}
	if m == nil || len(results.all) != 1 {
		t.Fatalf("the hour is not published; steps %+v\n%s", results.all, logs(t, hours))
	}
	published(t, hours, m)
	if !strings.HasPrefix(m.Results[0].Key, "results/video/2026/11/23/07/") {
		t.Errorf("output %s", m.Results[0].Key)
	}
	readFromS3(t, results.all[0])
}

// readFromS3 checks that Hadoop itself read the step's input.
func readFromS3(t *testing.T, r emr.StepResult) {
	t.Helper()
	c := r.Counters["File System Counters"]
	if c["S3: Number of bytes read"]+c["S3A: Number of bytes read"] == 0 {
		t.Errorf("Hadoop read nothing from S3: %v", c)
	}
}

// recorder keeps the results of steps.
type recorder struct{ all []emr.StepResult }

type recorded struct {
	emr.Runner
	to *recorder
}

type recordedWork struct {
	emr.Work
	to *recorder
}

func (r *recorder) over(runner emr.Runner) emr.Runner { return recorded{runner, r} }

func (r recorded) Open(ctx context.Context, s emr.StepRun) (emr.Work, error) {
	w, err := r.Runner.Open(ctx, s)
	if err != nil {
		r.to.all = append(r.to.all, emr.StepResult{Failure: err.Error()})
		return nil, err
	}
	return recordedWork{w, r.to}, nil
}

func (w recordedWork) Commit(ctx context.Context) emr.StepResult {
	result := w.Work.Commit(ctx)
	w.to.all = append(w.to.all, result)
	return result
}

// logs returns all logs of steps.
func logs(t *testing.T, s store.Store) string {
	t.Helper()
	var b bytes.Buffer
	for o, err := range s.List(t.Context(), "logs/") {
		if err != nil {
			t.Fatal(err)
		}
		if err := gunzip(&b, get(t, s, o.Key)); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestAStepThatFailsOnHadoopLeavesTheHourUnpublished: a failed step is a
// person's turn, no second cluster is started, and no part is left on S3.
func TestAStepThatFailsOnHadoopLeavesTheHourUnpublished(t *testing.T) {
	t.Parallel()
	e := engine(t)
	hours := overS3(t, &e)
	now := clock.NewVirtual(hourBegin)
	book := videoPlaybook(t)
	book.Steps[0].Mapper = "rollup map" // nothing to count: exit code 2
	results := &recorder{}
	m, err := runHour(t.Context(), hours, now, func(c hadoop.Config) emr.Runner {
		c.TempDir = t.TempDir()
		return results.over(hadoop.NewEngine(c, e))
	}, book, 200)
	if err != nil {
		t.Fatal(err)
	}
	if m != nil || len(results.all) != 1 || !strings.Contains(results.all[0].Failure, "subprocess failed with code") {
		t.Errorf("manifest %v, steps %+v", m, results.all)
	}
	if text := logs(t, hours); !strings.Contains(text, "nothing to count or to sum") {
		t.Errorf("the log has none of the mapper's words:\n%s", text)
	}
	for o, err := range hours.List(t.Context(), "results/") {
		if err != nil || !strings.HasSuffix(o.Key, "/") { // S3A leaves folders
			t.Errorf("%s is left, error %v", o.Key, err)
		}
	}
}
