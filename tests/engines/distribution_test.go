package engines

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/generate"
	"penstock/internal/supervise"
)

// shelves tell where Hadoop's own distribution keeps a jar, by the beginning of
// its name; the first that fits counts. "" is a jar that the distribution does
// not have, or not there. As of hadoop-assemblies (hadoop-*-dist.xml,
// hadoop-tools.xml) in Hadoop's sources.
var shelves = []struct{ begin, folder string }{
	{"hadoop-client-", ""}, {"hadoop-minicluster-", ""}, {"mockito-", ""}, {"byte-buddy-", ""},
	{"hadoop-auth-", "common/lib"}, {"hadoop-annotations-", "common/lib"}, {"hadoop-shaded-", "common/lib"},
	{"hadoop-common-", "common"}, {"hadoop-registry-", "common"},
	{"hadoop-hdfs-", "hdfs"}, {"hadoop-mapreduce-", "mapreduce"},
	{"hadoop-yarn-server-tests-", "yarn/test"}, {"hadoop-yarn-", "yarn"},
	{"guice-", "yarn/lib"}, {"aopalliance-", "yarn/lib"}, {"javax.inject-", "yarn/lib"}, {"jersey-client-", "yarn/lib"}, {"jersey-guice-", "yarn/lib"},
	{"fst-", "yarn/lib"}, {"objenesis-", "yarn/lib"}, {"ehcache-", "yarn/lib"}, {"HikariCP-", "yarn/lib"}, {"jna-", "yarn/lib"}, {"cache-api-", "yarn/lib"},
	{"hadoop-streaming-", "tools/lib"}, {"junit-", "tools/lib"}, {"hamcrest-", "tools/lib"},
	{"", "common/lib"},
}

// distribution lays the jars that were fetched out as Hadoop's tarball has them,
// and returns what HADOOP_HOME would name: the tarball itself is in no package
// registry. Its configuration is that of a cluster which is not there.
func distribution(t testing.TB) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "hadoop-3.4.2")
	shelve := func(jar, folder string) {
		file := filepath.Join(home, "share", "hadoop", folder, filepath.Base(jar))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(jar, file)); err != nil {
			t.Fatal(err)
		}
	}
	for _, jar := range jars(t, "yarn") {
		for _, s := range shelves {
			if strings.HasPrefix(filepath.Base(jar), s.begin) {
				if s.folder != "" {
					shelve(jar, s.folder)
				}
				break
			}
		}
	}
	// S3A and what it needs of the SDK; the rest of the local runner's jars is one shaded Hadoop.
	for _, jar := range jars(t, "hadoop") {
		name := filepath.Base(jar)
		if strings.HasPrefix(name, "hadoop-aws-") || !strings.HasPrefix(name, "hadoop-") && !strings.HasPrefix(name, "netty-") && !beside(t, home, name) {
			shelve(jar, "tools/lib")
		}
	}
	for name, text := range map[string]string{
		"bin/hadoop":               "#!/bin/sh\necho bin/hadoop is not for Penstock >&2\nexit 9\n",
		"etc/hadoop/core-site.xml": "<configuration><property><name>fs.defaultFS</name><value>hdfs://nowhere.invalid:8020</value><final>true</final></property></configuration>\n",
	} {
		file := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func jars(t testing.TB, engine string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder(t, engine), "lib", "*.jar"))
	if err != nil || len(all) == 0 {
		t.Fatalf("jars of %s: %d, error %v", engine, len(all), err)
	}
	return all
}

// beside says whether the layout has the library already, perhaps in another
// version.
func beside(t testing.TB, home, jar string) bool {
	t.Helper()
	library := jar
	if i := strings.IndexAny(jar, "0123456789"); i > 0 && jar[i-1] == '-' {
		library = jar[:i]
	}
	found, err := filepath.Glob(filepath.Join(home, "share", "hadoop", "*", "lib", library+"[0-9]*.jar"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found) > 0
}

// buildPenstock builds the command.
func buildPenstock(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "penstock")
	cmd := exec.Command("go", "build", "-trimpath", "-o", file, "penstock/cmd/penstock")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build penstock: %v: %s", err, out)
	}
	return file
}

// TestPenstockRunTakesTheHadoopThatHADOOP_HOMENames runs an hour by the command,
// as a person would, on the layout of a distribution.
func TestPenstockRunTakesTheHadoopThatHADOOP_HOMENames(t *testing.T) {
	t.Parallel()
	home := distribution(t)
	program := buildPenstock(t)
	dir := t.TempDir()
	t.Logf("events of seed %d", 5)
	g, err := generate.New(generate.Config{Seed: 5, Start: hourBegin.Add(time.Minute), Duration: 50 * time.Minute, Events: 1500, MangledEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for e, ok := g.Next(); ok; e, ok = g.Next() {
		lines.Write(append(e.Data, '\n'))
	}
	if err := os.WriteFile(filepath.Join(dir, "events.ndjson"), lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) (string, error) {
		var out, stderr strings.Builder
		env := append(os.Environ(), "HADOOP_HOME="+home, "PENSTOCK_ENGINES="+filepath.Join(dir, "nothing"), "HADOOP_CONF_DIR="+filepath.Join(home, "etc", "hadoop"))
		err := supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: append([]string{program}, argv...), Dir: dir, Env: env, Stdout: &out, Stderr: &stderr})
		if err != nil {
			err = errors.Join(err, errors.New(stderr.String()))
		}
		return out.String(), err
	}
	results := map[string]string{}
	for _, engine := range []string{"process", "hadoop"} {
		if out, err := run("run", "events.ndjson", "--clock", "time", "--data", engine, "--engine", engine); err != nil || !strings.Contains(out, "published") {
			t.Fatalf("run with engine %s: %v\n%s", engine, err, out)
		}
		if results[engine], err = run("result", "2026-11-23T07", "--data", engine, "--json"); err != nil || results[engine] == "" {
			t.Fatalf("result of engine %s: %v", engine, err)
		}
	}
	if results["hadoop"] != results["process"] {
		t.Errorf("Hadoop made\n%s\nwant\n%s", results["hadoop"], results["process"])
	}
	// The log is Hadoop's.
	text, err := run("logs", "2026-11-23T07", "--data", "hadoop")
	if err != nil || !strings.Contains(text, "Running job: job_local") || !strings.Contains(text, "Map input records=1500") {
		t.Errorf("log, error %v:\n%s", err, text)
	}

	// A job that fails is a failed hour, and the log of its step has the failing task's words.
	book, err := os.ReadFile("../../playbooks/video.json")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(book, &document); err != nil {
		t.Fatal(err)
	}
	document["steps"].([]any)[0].(map[string]any)["mapper"] = "rollup map"
	if book, err = json.Marshal(document); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fails.json"), book, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run("run", "events.ndjson", "--clock", "time", "--data", "failed", "--engine", "hadoop", "--playbook", "fails.json"); !strings.Contains(out, " failed\n") {
		t.Errorf("a failed hour: %v\n%s", err, out)
	}
	text, err = run("logs", "2026-11-23T07", "--data", "failed")
	head, _, _ := strings.Cut(text, "\n")
	_, step, found := strings.Cut(head, ", step ")
	if err != nil || !found {
		t.Fatalf("log, error %v:\n%s", err, text)
	}
	if text, err = run("logs", "2026-11-23T07", "--data", "failed", "--step", step); err != nil || !strings.Contains(text, "nothing to count or to sum") {
		t.Errorf("log of step %s has none of the mapper's words, error %v:\n%s", step, err, text)
	}
}
