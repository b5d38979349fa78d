package engines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/clock"
	"penstock/internal/emr"
	"penstock/internal/generate"
	"penstock/internal/hadoop"
	"penstock/internal/store"
	"penstock/internal/supervise"
)

// TestMain makes the test's own program the supervisor of what it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == supervise.Argument {
		os.Exit(supervise.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == clusterParent {
		os.Exit(beClusterParent(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == measureCommand {
		os.Exit(beMeasure(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == stageCommand {
		os.Exit(beStage(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func supervisor() []string { return []string{os.Args[0], supervise.Argument} }

// folder returns the folder of an engine that "make engines" has fetched, or
// skips the test.
func folder(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("PENSTOCK_ENGINES")
	if root == "" {
		t.Skip("PENSTOCK_ENGINES names no folder with Hadoop: run make test-engines")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(filepath.Join(dir, "fetched")); err != nil {
		t.Skipf("%s is not fetched: run make engines", name)
	}
	return dir
}

func classPath(t testing.TB, name string) string {
	t.Helper()
	path, err := hadoop.ClassPath(folder(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildRollup builds the program once, as it is deployed: one static binary.
var buildRollup = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(os.Getenv("PENSTOCK_ENGINES"), "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "rollup")
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, "penstock/cmd/rollup")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build rollup: %w: %s", err, out)
	}
	return file, nil
})

func rollupProgram(t testing.TB) string {
	t.Helper()
	file, err := buildRollup()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// engine is Hadoop with its local job runner.
func engine(t testing.TB) hadoop.Engine {
	t.Helper()
	return hadoop.Engine{
		ClassPath: classPath(t, "hadoop"), Supervisor: supervisor(), HeapMiB: 384, Limit: 3 * time.Minute,
		Programs: map[string]string{"rollup": rollupProgram(t)},
	}
}

var epoch = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func memory() *store.Memory { return store.NewMemory(func() time.Time { return epoch }) }

func put(t testing.TB, s hadoop.Store, key string, data []byte) {
	t.Helper()
	if _, err := s.CreateFrom(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s hadoop.Store, key string) string {
	t.Helper()
	r, err := s.GetRange(t.Context(), key, "", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// runStep runs a step to its end, without a cluster around it.
func runStep(t testing.TB, r emr.Runner, args ...string) emr.StepResult {
	t.Helper()
	w, err := r.Open(t.Context(), emr.StepRun{
		ClusterID: "j-1", StepID: "s-1", Name: "rollup", Jar: "command-runner.jar", Args: args, LogURI: "s3://hours/logs/",
	})
	if err != nil {
		return emr.StepResult{Failure: err.Error()}
	}
	defer w.Close()
	w.Compute(t.Context())
	return w.Commit(t.Context())
}

// streaming are the arguments of a step: mapper and combiner are rollup's.
func streaming(mapper, input, output string, properties ...string) []string {
	args := []string{"hadoop-streaming", "-files", "s3://hours/code/linux-amd64/rollup"}
	for _, p := range properties {
		args = append(args, "-D", p)
	}
	return append(args, "-mapper", mapper, "-combiner", "rollup combine", "-reducer", "rollup reduce", "-input", input, "-output", output)
}

const (
	mapVideo = "rollup map --group publisher,provider --count events --count views:type=view --sum secondsWatched:watched"
	mapWeb   = "rollup map --group status,method --count requests --sum bytes:bytes"
)

// config is a runner's over one bucket, "hours".
func config(t testing.TB, s hadoop.Store) hadoop.Config {
	return hadoop.Config{Clock: clock.Real{}, Buckets: hadoop.Buckets{"hours": s}, Exec: hadoop.InProcess{}, TempDir: t.TempDir()}
}

// events makes n events of a day, each a line.
func events(t testing.TB, seed uint64, n, mangledEvery int) []byte {
	t.Helper()
	t.Logf("events of seed %d", seed)
	g, err := generate.New(generate.Config{Seed: seed, Start: epoch, Duration: 24 * time.Hour, Events: n, MangledEvery: mangledEvery})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for {
		e, ok := g.Next()
		if !ok {
			return b.Bytes()
		}
		b.Write(bytes.ReplaceAll(bytes.ReplaceAll(e.Data, []byte{'\n'}, []byte{' '}), []byte{'\r'}, []byte{' '}))
		b.WriteByte('\n')
	}
}

// webAccess is a real access log of 9 999 page views, kept beside the repository.
func webAccess(t testing.TB) []byte {
	t.Helper()
	name := os.Getenv("PENSTOCK_WEB_ACCESS")
	if name == "" {
		name = filepath.Join("..", "..", "..", "shared", "data", "web_access.ndjson")
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the access log is not here: set PENSTOCK_WEB_ACCESS to its path")
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sorted returns the lines of all parts, sorted: Hadoop does not order lines
// among reducers.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}
