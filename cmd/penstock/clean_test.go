package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"penstock/internal/datadir"
)

func TestTwoCommandsThatWriteAreKeptApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := fixture(dir); err != nil {
		t.Fatal(err)
	}
	d, err := datadir.Open(dir, datadir.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	release, err := d.Lock("penstock run")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := &console{Out: &out, Err: os.Stderr, Now: time.Now}
	cmd := cleanCmd{place: place{folder: folder{Data: dir}}, Yes: true, LogKeep: time.Hour}
	if err := cmd.Run(context.Background(), c); codeOf(err) != exitRunning {
		t.Errorf("got %v", err)
	}
	cmd.Yes = false
	if err := cmd.Run(context.Background(), c); err != nil { // to look is no writing
		t.Errorf("got %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	cmd.Yes = true
	if err := cmd.Run(context.Background(), c); err != nil {
		t.Errorf("got %v", err)
	}
}
