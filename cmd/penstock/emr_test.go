package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestEMRServesItsWireProtocolUntilItIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	cmd := emrCmd{Listen: "127.0.0.1:0", Dir: map[string]string{"hours": t.TempDir()}, Start: time.Second}
	go func() { done <- cmd.Run(ctx, &console{Out: in, Err: io.Discard, Now: time.Now}) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimPrefix(strings.TrimSpace(line), "EMR at ")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "ElasticMapReduce.ListClusters")
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || string(body) != `{"Clusters":[]}` {
		t.Errorf("it answered %d %s, %v", response.StatusCode, body, err)
	}
	interrupt()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestEMRWantsABucket(t *testing.T) {
	err := emrCmd{Listen: "127.0.0.1:0"}.Run(t.Context(), &console{Out: io.Discard, Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Error(err)
	}
}
