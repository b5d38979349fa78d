package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/store"
)

const (
	began = `<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`
	ended = `<CompleteMultipartUploadResult><ETag>"whole-2"</ETag></CompleteMultipartUploadResult>`
)

// uploading is the script of a multipart upload of two parts up to the answer to completing it.
func uploading(complete answer) []answer {
	complete.want = "POST uploadId=u1 none=*"
	return []answer{
		{want: "HEAD", status: 404}, {want: "POST uploads", status: 200, body: began},
		{want: "PUT uploadId=u1 partNumber=", status: 200, header: ok("p")}, {want: "PUT uploadId=u1 partNumber=", status: 200, header: ok("p")},
		complete,
	}
}

func TestS3CompletesUploadsOnlyForAbsentKeys(t *testing.T) {
	ctx := context.Background()
	body := make([]byte, partSize+partSize/2)
	abort := answer{want: "DELETE uploadId=u1", status: 204}
	plain := func() io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }

	s, _ := scripted(t, store.S3Options{}, uploading(answer{status: 200, body: ended})...)
	if o, err := s.CreateFrom(ctx, "k", plain()); err != nil || o.ETag != "whole-2" || o.Size != 1500 {
		t.Errorf("created %+v, %v", o, err)
	}
	s, _ = scripted(t, store.S3Options{}, append(uploading(answer{status: 412, code: "PreconditionFailed"}), abort)...)
	_, err := s.CreateFrom(ctx, "k", plain())
	wantAs[*fault.Exists](t, err)

	conflict := append(uploading(answer{status: 409, code: "ConditionalRequestConflict"}), abort)
	s, _ = scripted(t, store.S3Options{}, append(conflict, answer{want: "HEAD", status: 200, header: ok("other")})...)
	_, err = s.CreateFrom(ctx, "k", plain())
	wantAs[*fault.Exists](t, err)

	again := append(append(conflict, answer{want: "HEAD", status: 404}), uploading(answer{status: 200, body: ended})...)
	s, _ = scripted(t, store.S3Options{}, again...)
	if _, err := s.CreateFrom(ctx, "k", bytes.NewReader(body)); err != nil {
		t.Errorf("a body that can be read again: %v", err)
	}
	s, _ = scripted(t, store.S3Options{}, append(conflict, answer{want: "HEAD", status: 404})...)
	_, err = s.CreateFrom(ctx, "k", plain())
	wantAs[*fault.Unavailable](t, err)
}

func TestS3AbortsWhatItCannotFinish(t *testing.T) {
	body := make([]byte, partSize+partSize/2)
	abort := answer{want: "DELETE uploadId=u1", status: 204}
	start := []answer{{want: "HEAD", status: 404}, {want: "POST uploads", status: 200, body: began}}
	part := answer{want: "PUT uploadId=u1", status: 200, header: ok("p")}

	s, _ := scripted(t, store.S3Options{}, append(start[:2:2], answer{want: "PUT", status: 403, code: "AccessDenied"}, abort)...)
	_, err := s.CreateFrom(context.Background(), "k", bytes.NewReader(body[:partSize]))
	wantAs[*fault.AccessDenied](t, err)

	ctx, cancel := context.WithCancel(context.Background())
	hanging := answer{want: "PUT", hang: true, inspect: func(*http.Request) { cancel() }}
	abort.inspect = func(r *http.Request) {
		if r.Context().Err() != nil {
			t.Error("the abort shares the dead context")
		}
	}
	s, _ = scripted(t, store.S3Options{}, append(start[:2:2], hanging, abort)...)
	if _, err := s.CreateFrom(ctx, "k", bytes.NewReader(body[:partSize])); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}

	broken := errors.New("reader broke")
	s, _ = scripted(t, store.S3Options{}, append(start[:2:2], part, abort)...)
	if _, err := s.CreateFrom(context.Background(), "k", io.MultiReader(bytes.NewReader(body[:partSize]), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("broken reader: %v", err)
	}
}

func TestS3UploadsEveryPartOnceAndInOrder(t *testing.T) {
	const n = 37
	var mu sync.Mutex
	got := map[string]int{}
	answers := []answer{{want: "HEAD", status: 404}, {want: "POST uploads", status: 200, body: began}}
	for range n {
		answers = append(answers, answer{want: "PUT uploadId=u1", status: 200, header: ok("p"), inspect: func(r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			got[r.URL.Query().Get("partNumber")]++
		}})
	}
	answers = append(answers, answer{want: "POST uploadId=u1", status: 200, body: ended})
	s, sc := scripted(t, store.S3Options{}, answers...)
	o, err := s.CreateFrom(context.Background(), "k", bytes.NewReader(make([]byte, n*partSize)))
	if err != nil || o.Size != n*partSize || len(got) != n || got["1"] != 1 || got[fmt.Sprint(n)] != 1 {
		t.Errorf("created %+v, %v; parts %v", o, err, got)
	}
	for _, line := range sc.seen[2 : n+2] {
		if !strings.Contains(line, "sent=1000") {
			t.Errorf("part %s", line)
		}
	}
}
