package bzip2

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestCompressAndDecompressCopy(t *testing.T) {
	in := nasty("runs", 210_000)
	for _, codec := range []Codec{CodecOwn, CodecDsnet} {
		var z, back bytes.Buffer
		if n, err := Compress(&z, bytes.NewReader(in), WriterConfig{Level: 1, Procs: 2, Codec: codec}); n != int64(len(in)) || err != nil {
			t.Errorf("%v: Compress: %d, %v", codec, n, err)
		}
		if n, err := Decompress(&back, &z, ReaderConfig{Procs: 2, Codec: codec}); n != int64(len(in)) || err != nil || !bytes.Equal(back.Bytes(), in) {
			t.Errorf("%v: Decompress: %d, %v", codec, n, err)
		}
	}
}

func TestCompressAndDecompressReportErrors(t *testing.T) {
	in := nasty("random", 110_000)
	if _, err := Compress(io.Discard, bytes.NewReader(in), WriterConfig{Level: 12}); !errors.Is(err, ErrConfig) {
		t.Errorf("level 12: %v", err)
	}
	if _, err := Decompress(io.Discard, bytes.NewReader(in), ReaderConfig{Procs: -3}); !errors.Is(err, ErrConfig) {
		t.Errorf("-3 goroutines: %v", err)
	}
	if _, err := Compress(&failingWriter{1000}, bytes.NewReader(in), WriterConfig{Level: 1, Procs: 3}); !errors.Is(err, errDisk) {
		t.Errorf("failing writer: %v", err)
	}
	var out bytes.Buffer
	if _, err := Compress(&out, io.MultiReader(bytes.NewReader(in), iotest.ErrReader(errDisk)), WriterConfig{Level: 1, Procs: 3}); !errors.Is(err, errDisk) {
		t.Errorf("failing reader: %v", err)
	}
	if _, err := Decompress(io.Discard, &out, ReaderConfig{}); !errors.Is(err, ErrTruncated) {
		t.Errorf("what was written before the error: %v", err)
	}
	if _, err := Decompress(&failingWriter{1000}, bytes.NewReader(encode(t, WriterConfig{}, in)), ReaderConfig{}); !errors.Is(err, errDisk) {
		t.Errorf("failing writer: %v", err)
	}
}
