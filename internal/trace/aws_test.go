package trace

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// answer is an HTTP transport that answers every request and keeps its trace header.
type answer struct{ header string }

func (a *answer) Do(r *http.Request) (*http.Response, error) {
	a.header = r.Header.Get("X-Amzn-Trace-Id")
	return &http.Response{StatusCode: 200, Header: http.Header{"X-Amz-Request-Id": {"REQ"}}, Body: http.NoBody, Request: r}, nil
}

func TestInstrumentedClientSendsTheTraceOn(t *testing.T) {
	transport := &answer{}
	plain := aws.Config{Region: "eu-central-1", HTTPClient: transport, Credentials: credentials.NewStaticCredentialsProvider("A", "B", "")}
	traced := Instrument(Instrument(plain))
	call := func(ctx context.Context, cfg aws.Config) {
		t.Helper()
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		if _, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); err != nil {
			t.Fatal(err)
		}
	}
	sink, out, clock := newTestSink(t)
	id := TraceIDFor(1, "r", clock.now())
	ctx, end := sink.Invoke(t.Context(), Invocation{Function: "archive", RequestID: "r", Header: Header(id, "")})

	call(ctx, plain)
	if transport.header != "" {
		t.Errorf("Instrument changed the configuration it was given: header %q", transport.header)
	}
	call(ctx, traced)
	if !strings.Contains(transport.header, "Root="+id) || !strings.Contains(transport.header, "Sampled=1") {
		t.Errorf("header %q", transport.header)
	}
	end(nil)
	docs := out.documents(t, "2026/11/23/08/archive.ndjson")
	if len(docs) != 2 {
		t.Fatalf("%d documents for one call and its function", len(docs))
	}
	if d := find(t, docs, "S3"); d.Namespace != "aws" || d.AWS["operation"] != "HeadObject" || kindOf(&d) != KindCall {
		t.Errorf("subsegment %+v", d)
	}
}
