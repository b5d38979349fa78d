// Command package writes deployment packages of Lambda functions: zip files with one executable named bootstrap. The same
// executable gives the same bytes: the time is fixed, and there is nothing else in them.
//
//	go run ./tests/package dist/functions dist/linux-arm64/functions/*
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// run writes, for each executable, a package of its name into a directory.
func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("want a directory and executables")
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return err
	}
	for _, path := range args[1:] {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		packed, err := pack(data)
		if err != nil {
			return fmt.Errorf("pack %s: %w", path, err)
		}
		if err := os.WriteFile(filepath.Join(args[0], filepath.Base(path)+".zip"), packed, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pack returns a zip file that holds executable as bootstrap, which anybody may run.
func pack(executable []byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(executable); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
