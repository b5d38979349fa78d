package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/hadoop"
	"penstock/internal/store"
)

type emrCmd struct {
	Listen string            `default:"127.0.0.1:4700" placeholder:"ADDR" help:"Where to listen (${default}); with port 0, one that is free."`
	Dir    map[string]string `placeholder:"BUCKET=DIR" help:"A bucket in a directory; may be repeated."`
	S3     []string          `name:"s3" placeholder:"BUCKET" help:"A bucket in S3, or where AWS_ENDPOINT_URL says; may be repeated."`
	Start  time.Duration     `default:"5s" placeholder:"TIME" help:"How long a cluster takes to start (${default})."`
	Seed   uint64            `placeholder:"N" help:"Of the ids of clusters and steps."`
}

// Help implements kong.HelpProvider.
func (emrCmd) Help() string {
	return `Serves EMR's own wire protocol (AWS JSON 1.1) until it is interrupted, so that Step Functions in an emulator, the AWS CLI or an SDK drive it as they drive EMR. Clusters run their Hadoop Streaming steps as processes on this machine; signatures are not checked, so listen where only you can reach it. The steps' s3:// URIs name the buckets given.

Examples:

  penstock emr --listen 127.0.0.1:4700 --dir hours=data/hours
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 penstock emr --s3 penstock-hours
  aws --endpoint-url http://127.0.0.1:4700 emr list-clusters
`
}

// Run serves until the context ends, then ends all clusters.
func (cmd emrCmd) Run(ctx context.Context, c *console) error {
	buckets, err := cmd.buckets(ctx, c)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	real := clock.Real{}
	runner := hadoop.New(hadoop.Config{Clock: real, Buckets: buckets, Exec: hadoop.Processes{"rollup": {self, "rollup"}}})
	service := emr.New(emr.Config{Clock: real, Runner: runner, Seed: cmd.Seed,
		Timing: emr.Timing{Start: cmd.Start, Bootstrap: time.Second, Stop: time.Second, Capacity: cmd.Start}})
	defer service.Close()
	listener, err := net.Listen("tcp", cmd.Listen)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", cmd.Listen, err)
	}
	fmt.Fprintf(c.Out, "EMR at http://%s\n", listener.Addr())
	server := &http.Server{Handler: service.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve at %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

func (cmd emrCmd) buckets(ctx context.Context, c *console) (hadoop.Buckets, error) {
	if len(cmd.Dir)+len(cmd.S3) == 0 {
		return nil, &failure{exitUsage, errors.New("no bucket: give --dir BUCKET=DIR or --s3 BUCKET")}
	}
	buckets := hadoop.Buckets{}
	for name, path := range cmd.Dir {
		if _, err := os.Stat(path); err != nil {
			return nil, &failure{exitUsage, fmt.Errorf("bucket %s: %w", name, err)}
		}
		dir, err := store.OpenDir(path, store.DirOptions{Now: c.Now})
		if err != nil {
			return nil, err
		}
		buckets[name] = dir
	}
	for _, name := range cmd.S3 {
		bucket, err := s3Bucket(ctx, name)
		if err != nil {
			return nil, err
		}
		buckets[name] = bucket
	}
	return buckets, nil
}
