package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestPackageHoldsOneExecutableAndIsTheSameEachTime(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "archive")
	want := bytes.Repeat([]byte("a program\n"), 10_000)
	if err := os.WriteFile(program, want, 0o600); err != nil {
		t.Fatal(err)
	}
	var first []byte
	for i := range 2 {
		out := filepath.Join(dir, "out")
		if err := run([]string{out, program}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(out, "archive.zip"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		} else if !bytes.Equal(first, got) {
			t.Error("the same program gave other bytes")
		}
	}
	r, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode() != 0o755 {
		t.Fatalf("files %v", r.File)
	}
	f, err := r.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

func TestPackageWantsExecutables(t *testing.T) {
	if err := run([]string{t.TempDir()}); err == nil {
		t.Error("nothing to pack is no error")
	}
	if err := run([]string{t.TempDir(), "absent"}); err == nil {
		t.Error("an absent executable is no error")
	}
}
