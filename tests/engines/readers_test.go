package engines

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPlainReadersReadPartsWhole needs no engine: bzip2 itself (which, unlike
// Hadoop, checks the stream's combined CRC), Python and Go.
func TestPlainReadersReadPartsWhole(t *testing.T) {
	folder(t, "hadoop") // so that it counts as one of these tests
	t.Parallel()
	program := func(argv ...string) func(string) ([]byte, error) {
		return func(file string) ([]byte, error) {
			return exec.CommandContext(t.Context(), argv[0], append(argv[1:], file)...).Output()
		}
	}
	readers := map[string]func(string) ([]byte, error){
		"bzip2":  program("bzip2", "-dc"),
		"Python": program("python3", "-c", "import bz2,shutil,sys; shutil.copyfileobj(bz2.open(sys.argv[1]), sys.stdout.buffer)"),
		"Go": func(file string) ([]byte, error) {
			f, err := os.Open(file)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(bzip2.NewReader(f))
		},
	}
	parts := corpus(t)
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(strings.ToLower(name)); err != nil && name == "bzip2" {
				t.Skip("bzip2 is not installed")
			}
			for _, p := range parts {
				got, err := read(p.file)
				if err != nil || !bytes.Equal(got, p.raw) {
					t.Errorf("%s: %d bytes of hash %s, error %v; want %d of %s", p.name, len(got), hash(got), err, len(p.raw), hash(p.raw))
				}
				if name != "bzip2" {
					continue
				}
				if out, err := exec.CommandContext(t.Context(), "bzip2", "-t", p.file).CombinedOutput(); err != nil {
					t.Errorf("bzip2 -t %s: %v: %s", p.name, err, out)
				}
			}
		})
	}
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}
