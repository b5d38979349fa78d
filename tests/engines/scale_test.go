package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/internal/archive"
	"penstock/internal/compact"
	"penstock/internal/generate"
	"penstock/internal/hour"
	"penstock/internal/ledger"
	"penstock/internal/seal"
	"penstock/internal/store"
)

// TestMeasureScale takes an hour of growing size through the archive, compaction
// and the rollup on Hadoop, each stage as a process of its own: the code of the
// functions over folders in the place of buckets. PENSTOCK_SCALE holds the sizes,
// in MB of raw events.
func TestMeasureScale(t *testing.T) {
	measuring(t, "scale")
	sizes := os.Getenv("PENSTOCK_SCALE")
	if sizes == "" {
		sizes = "50,500"
	}
	var table []scaleRow
	for size := range strings.SplitSeq(sizes, ",") {
		mb, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(size+"MB", func(t *testing.T) { table = append(table, measureScale(t, mb*eventsOfMB)) })
	}
	t.Logf("%d cores, %s\n%s", runtime.NumCPU(), runtime.GOARCH, scaleTable(table))
}

// eventsOfMB is how many generated events make a megabyte.
const eventsOfMB = 1920

// scaleRow is what an hour took.
type scaleRow struct {
	archived                 archived
	parts                    int
	stored                   int64
	archive, compact, rollup usage
}

// archived is what the stage of the archive has made, and what the deliveries
// took without the making of events.
type archived struct {
	Objects, Events int
	Bytes           int64 // raw, line feeds included
	Wall, CPU       time.Duration
}

func scaleTable(rows []scaleRow) string {
	var b strings.Builder
	line := func(stage, what string, cell func(scaleRow) string) {
		fmt.Fprintf(&b, "| %s | %s |", stage, what)
		for _, r := range rows {
			fmt.Fprintf(&b, " %s |", cell(r))
		}
		b.WriteByte('\n')
	}
	line("stage", "", func(r scaleRow) string { return fmt.Sprintf("%.2g GB raw", float64(r.archived.Bytes)/1e9) })
	line("", "events", func(r scaleRow) string { return fmt.Sprint(r.archived.Events) })
	line("", "objects; parts", func(r scaleRow) string { return fmt.Sprintf("%d; %d", r.archived.Objects, r.parts) })
	line("", "stored, MB; ratio", func(r scaleRow) string {
		return fmt.Sprintf("%.1f; %.1f", float64(r.stored)/1e6, float64(r.archived.Bytes)/float64(r.stored))
	})
	for _, stage := range []struct {
		name string
		of   func(scaleRow) usage
	}{
		{"archive", func(r scaleRow) usage { return r.archive }},
		{"compact", func(r scaleRow) usage { return r.compact }},
		{"rollup on Hadoop", func(r scaleRow) usage { return r.rollup }},
	} {
		line(stage.name, "wall, s", func(r scaleRow) string { return fmt.Sprintf("%.1f", stage.of(r).wall.Seconds()) })
		line("", "CPU, s", func(r scaleRow) string { return fmt.Sprintf("%.1f", stage.of(r).cpu.Seconds()) })
		line("", "peak, MiB", func(r scaleRow) string { return fmt.Sprint(stage.of(r).peakMiB) })
	}
	return b.String()
}

func measureScale(t *testing.T, events int) (r scaleRow) {
	dir := t.TempDir()
	hours := filepath.Join(dir, "hours")
	made := makeHour(t, dir, events, 10_000)
	r.archived, r.archive, r.compact = made.archived, made.archive, made.compact
	t.Logf("%v", made)
	parts, err := filepath.Glob(filepath.Join(hours, "2026", "11", "*.bz2"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("parts %v, error %v", parts, err)
	}
	r.parts = len(parts)
	for _, p := range parts {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		r.stored += info.Size()
	}
	out := filepath.Join(dir, "out")
	r.rollup = measured(t, streamingJob(t, 768, "file://"+filepath.Join(hours, "2026", "11", "*.bz2"), "file://"+out)...)
	t.Logf("rollup on Hadoop: %v", r.rollup)
	result, err := os.ReadFile(filepath.Join(out, "part-00000"))
	if err != nil {
		t.Fatal(err)
	}
	if n := total(t, string(result)); n != r.archived.Events || n == 0 {
		t.Errorf("%d events counted, want %d", n, r.archived.Events)
	}
	return r
}

// made is an hour that the stages have made, and what they took.
type made struct {
	archived
	archive, compact usage
}

func (m made) String() string {
	return fmt.Sprintf("%d objects, %.3f GB raw; archive: %v; compact: %v", m.Objects, float64(m.Bytes)/1e9, m.archive, m.compact)
}

// makeHour takes generated events through the archive and compaction, into the
// folders archive and hours of dir.
func makeHour(t *testing.T, dir string, events, batch int) (m made) {
	t.Helper()
	m.archive = measured(t, os.Args[0], stageCommand, "archive", dir, fmt.Sprint(events), fmt.Sprint(batch))
	data, err := os.ReadFile(filepath.Join(dir, "archived.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m.archived); err != nil {
		t.Fatal(err)
	}
	m.archive.wall, m.archive.cpu = m.Wall, m.CPU
	m.compact = measured(t, os.Args[0], stageCommand, "compact", dir)
	return m
}

// stageCommand is the command of the test's own program that runs one stage.
const stageCommand = "measure-stage"

func beStage(args []string) int {
	run := map[string]func([]string) error{"archive": archiveStage, "compact": compactStage}[args[0]]
	if err := run(args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "stage %s: %v\n", args[0], err)
		return 1
	}
	return 0
}

const scaleShard = "shardId-000000000000"

// stageStores opens a stage's buckets. Nothing is made durable, which S3 does
// elsewhere.
func stageStores(dir string) (keys hour.Keys, archived, hours *store.Dir, err error) {
	if keys, err = hour.NewKeys("player_events"); err != nil {
		return keys, nil, nil, err
	}
	open := func(name string) (*store.Dir, error) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
		return store.OpenDir(filepath.Join(dir, name), store.DirOptions{Now: time.Now, NoSync: true})
	}
	if archived, err = open("archive"); err != nil {
		return keys, nil, nil, err
	}
	hours, err = open("hours")
	return keys, archived, hours, err
}

// archiveStage delivers events of an hour to the archive's function, in batches
// of so many, or the largest payloads that Lambda takes.
func archiveStage(args []string) error {
	events, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	batch, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	keys, archives, _, err := stageStores(args[0])
	if err != nil {
		return err
	}
	handler, err := archive.New(archive.Config{Store: archives, Keys: keys, Now: time.Now})
	if err != nil {
		return err
	}
	g, err := generate.New(generate.Config{Seed: 13, Start: hourBegin, Duration: time.Hour, Events: events, MangledEvery: -1})
	if err != nil {
		return err
	}
	var sum archived
	var payload []byte
	for sum.Events < events {
		payload = append(payload[:0], `{"Records":[`...)
		// A record is some 4/3 of an event and 150 bytes around it.
		for records := 0; records < batch && len(payload) < 6<<20-8<<10; records++ {
			e, ok := g.Next()
			if !ok {
				break
			}
			data, err := json.Marshal(e.Data)
			if err != nil {
				return err
			}
			if records > 0 {
				payload = append(payload, ',')
			}
			ms := e.Time.UnixMilli()
			sum.Events, sum.Bytes = sum.Events+1, sum.Bytes+int64(len(e.Data))+1
			payload = fmt.Appendf(payload, `{"eventID":"%s:%020d","kinesis":{"sequenceNumber":"%d","approximateArrivalTimestamp":%d.%03d,"data":%s}}`,
				scaleShard, sum.Events, 1_000_000_000+sum.Events, ms/1000, ms%1000, data)
		}
		payload = append(payload, "]}"...)
		begin, cpu := time.Now(), cpuSelf()
		if _, err := handler.Invoke(context.Background(), payload); err != nil {
			return err
		}
		sum.Objects, sum.Wall, sum.CPU = sum.Objects+1, sum.Wall+time.Since(begin), sum.CPU+cpuSelf()-cpu
	}
	data, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(args[0], "archived.json"), data, 0o644)
}

// compactStage seals what the archive holds, as the seal's plan does once the
// stream is read to the hour's end, and writes the parts.
func compactStage(args []string) error {
	ctx := context.Background()
	keys, archives, hours, err := stageStores(args[0])
	if err != nil {
		return err
	}
	h := hour.Of(hourBegin)
	var batches []seal.Batch
	for o, err := range archives.List(ctx, keys.HourPrefix(h)) {
		if err != nil {
			return err
		}
		data, _, err := archives.Get(ctx, o.Key, hour.MaxDocument)
		if err != nil {
			return err
		}
		index, err := keys.DecodeIndex(o.Key, data)
		if err != nil {
			return err
		}
		batches = append(batches, seal.Batch{Index: index, Ref: hour.Ref{Key: o.Key, SHA256: hour.SHA256(data)}, ObjectETag: index.Object.ETag})
	}
	selection, err := seal.Select(nil, seal.Archived{Batches: batches})
	if err != nil {
		return err
	}
	s := &hour.Seal{Version: hour.Version, Hour: h, Layout: hour.Layout, Revision: hour.RevisionOf(hour.Layout, selection.Pieces),
		Pieces: selection.Pieces, Events: selection.Events, Parts: seal.Parts(selection.Pieces, seal.PartBytes, seal.PartObjects)}
	doc := hour.Encode(s)
	if _, err := hours.Create(ctx, keys.SealKey(h, s.Revision), doc); err != nil {
		return err
	}
	books := &ledger.Ledger{Store: hours, Keys: keys, Now: time.Now}
	x := hour.ExecutionName(h, 1)
	for _, e := range []hour.Entry{
		{ID: x + "/s", Type: hour.EntryStarted, Run: 1},
		{ID: x + "/c", Type: hour.EntryClaimed, Run: 1, Execution: x},
		{ID: x + "/S", Type: hour.EntrySealed, Run: 1, Execution: x, Revision: s.Revision, Seal: &hour.Ref{Key: keys.SealKey(h, s.Revision), SHA256: hour.SHA256(doc)}},
	} {
		if _, err := books.Append(ctx, h, func(*ledger.State) (*hour.Entry, error) { return &e, nil }); err != nil {
			return err
		}
	}
	handler := &compact.Handler{Archive: archives, Hours: hours, Ledger: books, Keys: keys}
	for part := range s.Parts {
		if _, err := handler.Handle(ctx, compact.In{Hour: h, N: 1, Execution: x, Revision: s.Revision, Part: part}); err != nil {
			return err
		}
	}
	return nil
}

func cpuSelf() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
