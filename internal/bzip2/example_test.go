package bzip2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"penstock/internal/bzip2"
)

// Compress with two goroutines, decompress again.
func Example() {
	text := strings.Repeat("She sells sea shells by the sea shore.\n", 1000)
	var file bytes.Buffer
	w, err := bzip2.NewWriter(&file, bzip2.WriterConfig{Procs: 2})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // without it the file is truncated
		log.Fatal(err)
	}
	fmt.Println(len(text), "bytes are now", file.Len())

	r, err := bzip2.NewReader(&file, bzip2.ReaderConfig{Procs: 2})
	if err != nil {
		log.Fatal(err)
	}
	back, err := io.ReadAll(r)
	fmt.Println(string(back) == text, err)
	// Output:
	// 39000 bytes are now 115
	// true <nil>
}

// One Writer for many files keeps its memory.
func ExampleWriter_Reset() {
	w, err := bzip2.NewWriter(nil, bzip2.WriterConfig{})
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		var file bytes.Buffer
		w.Reset(&file)
		if _, err := io.WriteString(w, text); err != nil {
			log.Fatal(err)
		}
		if err := w.Close(); err != nil {
			log.Fatal(err)
		}
		fmt.Println(text, file.Len())
	}
	// Output:
	// first 42
	// second 43
}

// Whole buffers, in equal blocks, into reused memory.
func ExampleEncoder() {
	e := bzip2.Encoder{Procs: 4} // the zero value is ready as well
	var out []byte
	for range 2 {
		out = e.Encode(out[:0], []byte("an object"))
		fmt.Printf("%.4s, %d bytes\n", out, len(out))
	}
	// Output:
	// BZh9, 49 bytes
	// BZh9, 49 bytes
}

// Two streams and fresh bytes become one stream.
func ExampleJoiner() {
	var e bzip2.Encoder
	one, two := e.Encode(nil, []byte("one\n")), e.Encode(nil, []byte("two\n"))

	var joined bytes.Buffer
	j := bzip2.NewJoiner(&joined)
	for _, stream := range [][]byte{one, two} {
		if _, err := j.Add(bytes.NewReader(stream)); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := io.WriteString(j, "three\n"); err != nil {
		log.Fatal(err)
	}
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}
	info, err := bzip2.Scan(bytes.NewReader(joined.Bytes()), func(b bzip2.Block) error {
		fmt.Printf("block at bit %d, CRC %08x\n", b.Offset, b.CRC)
		return nil
	})
	fmt.Println(info.Blocks, "blocks,", err)
	if _, err := bzip2.Decompress(os.Stdout, &joined, bzip2.ReaderConfig{Single: true}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// block at bit 32, CRC 7813c082
	// block at bit 250, CRC 2eb71ad7
	// block at bit 484, CRC 01c7336a
	// 3 blocks, <nil>
	// one
	// two
	// three
}

// Errors say what is wrong and where.
func ExampleFormatError() {
	stream := new(bzip2.Encoder).Encode(nil, []byte("some text"))
	_, err := bzip2.Scan(bytes.NewReader(stream[:30]), nil)
	var format *bzip2.FormatError
	fmt.Println(errors.Is(err, bzip2.ErrTruncated), errors.As(err, &format))
	fmt.Println(err)
	// Output:
	// true true
	// truncated bzip2 stream: bit 240: no footer at the end
}
