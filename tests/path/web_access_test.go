// Package path tests the path of an hour whole: events in at one end, published hours out at the other.
package path

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/datadir"
	"penstock/internal/hadoop"
	"penstock/internal/hour"
	"penstock/internal/local"
	"penstock/internal/playbook"
	"penstock/playbooks"
)

// webAccess is a real access log: 9 999 page views over 84 hours. It is kept beside the repository.
func webAccess(t *testing.T) []byte {
	t.Helper()
	name := os.Getenv("PENSTOCK_WEB_ACCESS")
	if name == "" {
		name = filepath.Join("..", "..", "..", "shared", "data", "web_access.ndjson")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Skipf("the access log is not here (set PENSTOCK_WEB_ACCESS to its path): %v", err)
	}
	return b
}

type group struct {
	Status json.Number `json:"status"`
	Method string      `json:"method"`
}

type totals struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
}

func TestEveryPageViewIsPublishedOnceAndTheRollupAgreesWithAnIndependentCount(t *testing.T) {
	t.Parallel()
	data := webAccess(t)
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	if err := datadir.Init(dir, datadir.Marker{Name: "web", Format: "json"}); err != nil {
		t.Fatal(err)
	}
	s, err := local.OpenSession(ctx, dir, local.SessionOptions{Holder: "test", Wall: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	book, err := playbook.Parse(playbooks.Web)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	job := local.Job{Name: "web_access.ndjson", Digest: hex.EncodeToString(sum[:]), Clock: "time", Seed: 1, Playbook: book,
		Exec: hadoop.InProcess{}, Wall: time.Now,
		Open: func(start time.Time) (local.Source, error) {
			return local.NewLines("web_access.ndjson", bytes.NewReader(data), "time", start, 0), nil
		}}
	report, err := s.Run(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Input.Hours) != 84 {
		t.Errorf("events arrived in %d hours, want 84", len(report.Input.Hours))
	}

	// The independent count: a line's hour is that of its own time.
	want := map[string]map[group]totals{}
	lines := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		var v struct {
			Time string `json:"time"`
			group
			Bytes int64 `json:"bytes"`
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		h := v.Time[:13]
		if want[h] == nil {
			want[h] = map[group]totals{}
		}
		sum := want[h][v.group]
		sum.Requests++
		sum.Bytes += v.Bytes
		want[h][v.group] = sum
		lines[h] = append(lines[h], strings.TrimSuffix(line, "\n"))
	}
	if len(want) != 84 {
		t.Fatalf("the file has %d hours", len(want))
	}
	d, err := datadir.Open(dir, datadir.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	total := 0
	for name := range want {
		h, err := hour.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := d.Hours.Get(ctx, d.Keys.ManifestKey(h), hour.MaxDocument)
		if err != nil {
			t.Errorf("%s: %v", h, err)
			continue
		}
		m, err := d.Keys.DecodeManifest(d.Keys.ManifestKey(h), b)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, part := range m.Parts {
			r, err := d.Hours.GetRange(ctx, part.Key, part.ETag, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			sc := bufio.NewScanner(bzip2.NewReader(r))
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				seen[sc.Text()]++
				total++
			}
			if err := sc.Err(); err != nil {
				t.Fatal(err)
			}
			r.Close()
		}
		for _, line := range lines[name] {
			seen[line]--
		}
		for line, n := range seen {
			if n != 0 {
				t.Errorf("%s: %+d times too often: %.80s", h, n, line)
			}
		}
		got := map[group]totals{}
		for _, f := range m.Results {
			if !strings.Contains(f.Key, "/part-") {
				continue
			}
			r, err := d.Hours.GetRange(ctx, f.Key, f.ETag, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			for line := range strings.Lines(string(b)) {
				k, v, _ := strings.Cut(line, "\t")
				var g group
				var sums totals
				if json.Unmarshal([]byte(k), &g) != nil || json.Unmarshal([]byte(v), &sums) != nil {
					t.Fatalf("%s: result line %q", h, line)
				}
				got[g] = sums
			}
		}
		if len(got) != len(want[name]) {
			t.Errorf("%s: %d groups, want %d", h, len(got), len(want[name]))
		}
		for g, sums := range want[name] {
			if got[g] != sums {
				t.Errorf("%s %v: %+v, want %+v", h, g, got[g], sums)
			}
		}
	}
	if total != 9999 {
		t.Errorf("%d events are compacted, want 9999", total)
	}
}
