package engines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestHadoopReadsEveryLineOfEveryPartOnceWhereverItIsSplit(t *testing.T) {
	t.Parallel()
	path := classPath(t, "hadoop")
	parts := corpus(t)
	var list strings.Builder
	byFile := map[string]part{}
	for _, p := range parts {
		byFile[p.file] = p
		for _, size := range []int{max(100, p.size()/30), 64 << 10, 256 << 10, 1 << 20} {
			fmt.Fprintf(&list, "%s\tsize %d\n", p.file, size)
		}
		fmt.Fprintf(&list, "%s\tedges %d\n", p.file, p.step())
	}
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("java/SplitCheck.java")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "java", "-Xmx384m", "-XX:+UseSerialGC", "-Djava.util.concurrent.ForkJoinPool.common.parallelism=0", "-cp", path, source, file)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("SplitCheck: %v\n%s", err, &stderr)
	}
	checks, cuts, split := 0, 0, 0
	for line := range strings.Lines(string(out)) {
		w := strings.Split(strings.TrimSpace(line), "\t")
		if len(w) != 6 {
			t.Fatalf("SplitCheck says %q", line)
		}
		p := byFile[w[0]]
		n, sum := p.lines()
		if want := fmt.Sprintf("%d %016x", n, sum); want != w[4]+" "+w[5] {
			t.Errorf("%s, %s API, %s, %s splits: lines and hash %s %s, want %s", p.name, w[1], w[2], w[3], w[4], w[5], want)
		}
		checks++
		if w[2] == "edges" {
			var c int
			fmt.Sscan(w[3], &c)
			cuts += c
		} else if w[3] != "1" {
			split++
		}
	}
	if want := len(parts) * 2 * 5; checks < want || split < len(parts) || cuts < 1200 {
		t.Errorf("%d checks, want at least %d; %d with more than one split; %d edges", checks, want, split, cuts)
	}
	t.Logf("%d parts, %d checks, %d of them with more than one split, %d edges in two APIs: every line once", len(parts), checks, split, cuts)
}
