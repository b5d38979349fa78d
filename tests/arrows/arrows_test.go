// Package arrows holds the import arrows of DESIGN section 3 against the code.
package arrows

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// layers lists the packages from the bottom up: one may import those of the layers below only. Packages that are not
// listed stand on top.
var layers = [][]string{
	{"internal/hour", "internal/clock", "internal/bzip2", "internal/emf", "internal/generate", "internal/cost", "internal/jsonwalk",
		"internal/supervise"},
	{"internal/fault"},
	{"internal/store", "internal/stream", "internal/trace", "internal/playbook", "internal/rollup", "internal/asl", "internal/env"},
	{"internal/store/storefault", "internal/stream/streamfault", "internal/stream/kpl", "internal/emr", "internal/ledger", "internal/datadir",
		"internal/cluster"},
	{"internal/clean"},
	{"internal/archive", "internal/ingest", "internal/metrics", "internal/seal", "internal/compact", "internal/claim",
		"internal/prepare", "internal/publish", "internal/recordfailure", "internal/due", "internal/reap", "internal/operate", "internal/hadoop", "internal/verify"},
	{"internal/replay"}, // which does by the stages' code what several of them do
	{"internal/local", "internal/reread"},
}

// sdk are the places where the AWS SDK may appear.
var sdk = []string{"internal/store/s3", "internal/stream/kinesis", "internal/trace/", "internal/awsapi/", "cmd/penstock/aws", "functions/", "tests/"}

func TestPackagesImportDownwardsOnly(t *testing.T) {
	layer := map[string]int{}
	for i, names := range layers {
		for _, n := range names {
			layer["penstock/"+n] = i
		}
	}
	of := func(pkg string) int {
		if i, ok := layer[pkg]; ok {
			return i
		}
		return len(layers)
	}
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		pkg := "penstock/" + filepath.ToSlash(filepath.Dir(rel))
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			if strings.HasPrefix(p, "penstock/") && p != "penstock/statemachines" && of(p) >= of(pkg) && of(pkg) < len(layers) {
				t.Errorf("%s imports %s, which is not below it", rel, p)
			}
			if pkg == "penstock/internal/hour" && strings.Contains(strings.SplitN(p, "/", 2)[0], ".") {
				t.Errorf("%s imports %s: hour uses the standard library only", rel, p)
			}
			if strings.HasPrefix(p, "github.com/aws/aws-sdk-go-v2") && !allowed(rel) {
				t.Errorf("%s imports %s: the AWS SDK has its places", rel, p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Fatalf("only %d files were read", files)
	}
}

func allowed(path string) bool {
	for _, p := range sdk {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}
