package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/fault"
	"penstock/internal/store"
)

// script is an HTTP transport that answers requests in turn.
type script struct {
	t       *testing.T
	mu      sync.Mutex
	answers []answer
	seen    []string
}

// answer is one answer. want is what the request's method and query have to contain.
type answer struct {
	want    string
	status  int
	code    string // of an error document
	header  map[string]string
	body    string
	cut     int  // the body breaks after so many bytes, if not 0
	stall   bool // the body never comes
	hang    bool // the answer never comes
	inspect func(*http.Request)
}

func (s *script) Do(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	line := fmt.Sprintf("%s %s?%s range=%s none=%s match=%s sent=%d", r.Method, r.URL.Path, r.URL.RawQuery,
		r.Header.Get("Range"), r.Header.Get("If-None-Match"), r.Header.Get("If-Match"), len(sent))
	s.seen = append(s.seen, line)
	if len(s.answers) == 0 {
		s.mu.Unlock()
		s.t.Errorf("unexpected request %s", line)
		return nil, errors.New("unexpected request")
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	s.mu.Unlock()
	for _, want := range strings.Fields(a.want) {
		if !strings.Contains(line, want) {
			s.t.Errorf("request %s, want %s", line, want)
		}
	}
	if a.inspect != nil {
		a.inspect(r)
	}
	if a.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if a.code != "" {
		a.body = "<Error><Code>" + a.code + "</Code><Message>secret detail</Message></Error>"
	}
	response := &http.Response{
		StatusCode: a.status, Header: http.Header{}, Request: r, ContentLength: int64(len(a.body)), Proto: "HTTP/1.1", ProtoMajor: 1,
	}
	response.Header.Set("Content-Length", fmt.Sprint(len(a.body)))
	for k, v := range a.header {
		response.Header.Set(k, v)
	}
	var body io.Reader = strings.NewReader(a.body)
	if a.cut > 0 {
		body = io.MultiReader(strings.NewReader(a.body[:a.cut]), errReader{errors.New("connection reset")})
	}
	if a.stall {
		body = io.MultiReader(strings.NewReader(a.body[:a.cut]), readerFunc(func([]byte) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}))
	}
	if r.Method == http.MethodHead {
		body = strings.NewReader("")
	}
	response.Body = io.NopCloser(body)
	return response, nil
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

const partSize = 1000

// scripted is an S3 store whose server follows a script; all answers have to be asked for.
func scripted(t *testing.T, options store.S3Options, answers ...answer) (*store.S3, *script) {
	t.Helper()
	sc := &script{t: t, answers: answers}
	t.Cleanup(func() {
		if len(sc.answers) > 0 {
			t.Errorf("%d answers were not asked for; requests: %s", len(sc.answers), strings.Join(sc.seen, "; "))
		}
	})
	client := s3.New(s3.Options{
		HTTPClient: sc, Region: "us-east-1", BaseEndpoint: aws.String("http://s3.test"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
	options.Jitter = half
	if options.Sleep == nil {
		options.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	st := store.NewS3(client, "b", options)
	st.SetPartSize(partSize)
	return st, sc
}

func ok(etag string) map[string]string { return map[string]string{"Etag": `"` + etag + `"`} }

func wantAs[E error](t *testing.T, err error) E {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("error %T %v, want %T", err, err, want)
	}
	if strings.Contains(err.Error(), "secret detail") {
		t.Errorf("the error carries the server's text: %v", err)
	}
	return want
}

func TestS3TriesAgainOn409(t *testing.T) {
	ctx := context.Background()
	conflict := answer{want: "PUT none=*", status: 409, code: "ConditionalRequestConflict"}
	s, _ := scripted(t, store.S3Options{}, conflict, conflict, answer{want: "PUT /b/k none=* sent=3", status: 200, header: ok("e")})
	if o, err := s.Create(ctx, "k", []byte("abc")); err != nil || o.ETag != "e" || o.Size != 3 {
		t.Errorf("created %+v, %v", o, err)
	}
	s, _ = scripted(t, store.S3Options{}, conflict, answer{want: "PUT none=*", status: 412, code: "PreconditionFailed"})
	_, err := s.Create(ctx, "k", []byte("abc"))
	wantAs[*fault.Exists](t, err)
	s, _ = scripted(t, store.S3Options{}, conflict, conflict, conflict, conflict, conflict)
	_, err = s.Create(ctx, "k", []byte("abc"))
	wantAs[*fault.Unavailable](t, err)
	var slept []time.Duration
	s, _ = scripted(t, store.S3Options{Sleep: func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil }},
		conflict, conflict, conflict, answer{status: 200, header: ok("e")})
	if _, err := s.Create(ctx, "k", nil); err != nil || fmt.Sprint(slept) != "[50ms 100ms 200ms]" {
		t.Errorf("slept %v, %v", slept, err)
	}
}

func TestS3RetriesServerErrorsAndKnowsThemAtTheEnd(t *testing.T) {
	ctx := context.Background()
	slow := answer{want: "PUT", status: 503, code: "SlowDown"}
	s, _ := scripted(t, store.S3Options{}, slow, answer{want: "PUT", status: 200, header: ok("e")})
	if _, err := s.Create(ctx, "k", []byte("abc")); err != nil {
		t.Error(err)
	}
	s, _ = scripted(t, store.S3Options{}, slow, slow, slow)
	_, err := s.Create(ctx, "k", []byte("abc"))
	if e := wantAs[*fault.Unavailable](t, err); !strings.Contains(e.Error(), "SlowDown") || !strings.Contains(e.Error(), "s3://b/k") {
		t.Errorf("error %v", e)
	}
	// The first try took effect and lost its answer: the caller is told Exists and compares.
	s, _ = scripted(t, store.S3Options{}, slow, answer{want: "PUT", status: 412, code: "PreconditionFailed"})
	_, err = s.Create(ctx, "k", []byte("abc"))
	wantAs[*fault.Exists](t, err)
}

func TestS3ErrorsHaveTypes(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		status int
		code   string
		times  int
		want   any
	}{
		{403, "AccessDenied", 1, &fault.AccessDenied{}}, {403, "SignatureDoesNotMatch", 1, &fault.AccessDenied{}},
		{400, "ExpiredToken", 1, &fault.AccessDenied{}}, {404, "NoSuchKey", 1, &fault.NotFound{}}, {404, "NoSuchBucket", 1, &fault.BadInput{}},
		{500, "InternalError", 3, &fault.Unavailable{}}, {503, "ServiceUnavailable", 3, &fault.Unavailable{}},
		{400, "RequestTimeout", 3, &fault.Unavailable{}}, {400, "InvalidArgument", 1, &fault.BadInput{}}, {412, "PreconditionFailed", 1, &fault.Changed{}},
	} {
		var answers []answer
		for range c.times {
			answers = append(answers, answer{status: c.status, code: c.code})
		}
		s, _ := scripted(t, store.S3Options{}, answers...)
		_, _, err := s.Get(ctx, "k", 10)
		if got, want := fmt.Sprintf("%T", err), fmt.Sprintf("%T", c.want); got != want {
			t.Errorf("%d %s: %s %v, want %s", c.status, c.code, got, err, want)
		}
	}
	s, _ := scripted(t, store.S3Options{}, answer{want: "PUT match=\"e\"", status: 404, code: "NoSuchKey"})
	_, err := s.Replace(ctx, "k", "e", nil)
	wantAs[*fault.Changed](t, err)
	s, _ = scripted(t, store.S3Options{}, answer{want: "HEAD match=\"e\"", status: 412})
	_, err = s.GetRange(ctx, "k", "e", 3, 0)
	wantAs[*fault.Changed](t, err)
	s, _ = scripted(t, store.S3Options{}, answer{want: "GET range=bytes=9-11", status: 416, code: "InvalidRange"}, answer{want: "HEAD", status: 404})
	_, err = s.GetRange(ctx, "k", "", 9, 3)
	wantAs[*fault.NotFound](t, err)
}

func TestS3StopsWhenTheContextEndsAndWhenTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s, _ := scripted(t, store.S3Options{}, answer{hang: true, inspect: func(*http.Request) { cancel() }})
	if _, err := s.Create(ctx, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s, _ = scripted(t, store.S3Options{Timeout: 20 * time.Millisecond}, answer{hang: true})
	_, err := s.Create(context.Background(), "k", nil)
	if e := wantAs[*fault.Unavailable](t, err); !strings.Contains(e.Error(), "limit") {
		t.Errorf("timed out: %v", e)
	}
	conflict := answer{status: 409, code: "ConditionalRequestConflict"}
	ctx, cancel = context.WithCancel(context.Background())
	s, _ = scripted(t, store.S3Options{Sleep: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }}, conflict)
	if _, err := s.Create(ctx, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled between tries: %v", err)
	}
}

func TestS3ReadsOnWhereABodyBroke(t *testing.T) {
	ctx := context.Background()
	data := strings.Repeat("0123456789", 100)
	whole := answer{want: "GET range= match= ", status: 200, header: ok("v1"), body: data}
	cut := whole
	cut.cut = 300
	stalled := answer{want: `GET range=bytes=300-999 match="v1"`, status: 206, header: ok("v1"), body: data[300:], stall: true, cut: 100}
	rest := answer{want: `GET range=bytes=400-999 match="v1"`, status: 206, header: ok("v1"), body: data[400:]}
	s, _ := scripted(t, store.S3Options{Timeout: 30 * time.Millisecond}, cut, stalled, rest)
	if got, o, err := s.Get(ctx, "k", 1000); err != nil || string(got) != data || o.Size != 1000 || o.ETag != "v1" {
		t.Errorf("%d bytes, %+v, %v", len(got), o, err)
	}
	s, _ = scripted(t, store.S3Options{}, cut, answer{want: "match=\"v1\"", status: 412, code: "PreconditionFailed"})
	_, _, err := s.Get(ctx, "k", 1000)
	wantAs[*fault.Changed](t, err)
	s, _ = scripted(t, store.S3Options{}, cut, answer{status: 206, header: ok("v1"), body: data})
	_, _, err = s.Get(ctx, "k", 1000)
	wantAs[*fault.Corrupt](t, err)
	down := answer{status: 503, code: "SlowDown"}
	answers := []answer{cut}
	for range 5 * 3 { // five tries of S3, each three of the client
		answers = append(answers, down)
	}
	s, _ = scripted(t, store.S3Options{}, answers...)
	_, _, err = s.Get(ctx, "k", 1000)
	wantAs[*fault.Unavailable](t, err)
	s, _ = scripted(t, store.S3Options{}, answer{want: "range=bytes=10-19", status: 206, header: ok("v1"), body: data[10:20], cut: 4},
		answer{want: "range=bytes=14-19", status: 206, header: ok("v1"), body: data[14:20]})
	r, err := s.GetRange(ctx, "k", "", 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != data[10:20] || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a closed body reads on")
	}
}

func TestS3SendsChecksumsUnlessToldNotTo(t *testing.T) {
	for _, none := range []bool{false, true} {
		var sum string
		s, _ := scripted(t, store.S3Options{NoChecksums: none}, answer{status: 200, header: ok("e"), inspect: func(r *http.Request) {
			sum = r.Header.Get("X-Amz-Checksum-Crc32")
		}})
		if _, err := s.Create(context.Background(), "k", []byte("abc")); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{false: "NSRBwg==", true: ""}[none]; sum != want { // CRC-32 of "abc" is 352441c2
			t.Errorf("without checksums %t: %q, want %q", none, sum, want)
		}
	}
}

func TestS3RefusesListingsThatCannotBe(t *testing.T) {
	entry := func(key string) string { return "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>" }
	for _, c := range []struct {
		body string
		is   func(error) bool
	}{
		{entry("b") + entry("a"), func(err error) bool { return errors.As(err, new(*fault.Corrupt)) }},
		{entry("a") + "<IsTruncated>true</IsTruncated>", func(err error) bool { return errors.As(err, new(*fault.Unavailable)) }},
	} {
		s, _ := scripted(t, store.S3Options{}, answer{want: "GET list-type=2", status: 200, body: "<ListBucketResult>" + c.body + "</ListBucketResult>"})
		var last error
		for _, err := range s.List(context.Background(), "") {
			last = err
		}
		if !c.is(last) {
			t.Errorf("%s: %T %v", c.body, last, last)
		}
	}
}
