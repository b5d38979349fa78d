package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"penstock/internal/trace"
)

// daemon takes the place of X-Ray's daemon: it keeps the documents that the functions send over UDP.
type daemon struct {
	mu        sync.Mutex
	documents [][]byte
	bad       []string
}

// Limits of a segment document. Sources: X-Ray developer guide, segment documents; X-Ray daemon protocol.
const maxSegment = 64 << 10

var (
	datagramHead = []byte(`{"format":"json","version":1}`)
	traceID      = regexp.MustCompile(`^1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	segmentID    = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

func (s *stack) listenXRay(t *testing.T) {
	t.Helper()
	if s.XRay == "" {
		return
	}
	c, err := net.ListenPacket("udp", s.XRay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		b := make([]byte, 1<<17)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			s.xray.take(bytes.Clone(b[:n]))
		}
	}()
}

// take checks the shape and size of a datagram.
func (d *daemon) take(datagram []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	head, document, ok := bytes.Cut(datagram, []byte("\n"))
	var doc struct {
		Name       string
		ID         string
		TraceID    string  `json:"trace_id"`
		ParentID   string  `json:"parent_id"`
		StartTime  float64 `json:"start_time"`
		EndTime    float64 `json:"end_time"`
		InProgress bool    `json:"in_progress"`
		Type       string
	}
	head = bytes.ReplaceAll(head, []byte(" "), nil)
	switch err := json.Unmarshal(document, &doc); {
	case !ok || !bytes.Equal(head, datagramHead):
		d.bad = append(d.bad, "head "+string(head))
	case len(document) > maxSegment:
		d.bad = append(d.bad, "larger than 64 KB: "+doc.Name)
	case err != nil:
		d.bad = append(d.bad, err.Error())
	case doc.Name == "" || len(doc.Name) > 200 || !segmentID.MatchString(doc.ID) || !traceID.MatchString(doc.TraceID) || doc.StartTime == 0 ||
		!doc.InProgress && doc.EndTime < doc.StartTime || doc.Type == "subsegment" && !segmentID.MatchString(doc.ParentID):
		d.bad = append(d.bad, "shape of "+string(document[:min(len(document), 200)]))
	default:
		d.documents = append(d.documents, document)
	}
}

// parentOf is the id of an execution's own segment, which Step Functions would make. The emulator names it to the functions.
func parentOf(execution string) string {
	digest := sha256.Sum256([]byte(execution))
	return hex.EncodeToString(digest[:])[24:40]
}

// sentDocument is what is looked at of a segment document.
type sentDocument struct {
	ID        string
	TraceID   string  `json:"trace_id"`
	ParentID  string  `json:"parent_id"`
	StartTime float64 `json:"start_time"`
	EndTime   float64 `json:"end_time"`
}

// traces holds what the functions sent against X-Ray's rules, puts it into moto's X-Ray as the daemon does, and reads it
// back by the code that `penstock trace` uses. Step Functions' own segments are not there, no emulator makes them: one
// stands in for each execution, and then each execution must be one tree.
func (s *stack) traces(t *testing.T) {
	endpoint := os.Getenv("PENSTOCK_XRAY_ENDPOINT")
	if endpoint == "" || s.XRay == "" {
		t.Skip("PENSTOCK_XRAY_ENDPOINT names no X-Ray server")
	}
	s.xray.mu.Lock()
	documents, bad := slices.Clone(s.xray.documents), slices.Clone(s.xray.bad)
	s.xray.mu.Unlock()
	if len(bad) > 0 {
		t.Errorf("%d documents that X-Ray would refuse, such as %s", len(bad), bad[0])
	}
	executions := s.withExecutions(t, &documents)
	api := xray.New(xray.Options{BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	var ids []string
	for _, d := range documents {
		out, err := api.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{string(d)}})
		if err != nil || len(out.UnprocessedTraceSegments) > 0 {
			t.Fatalf("put a segment: %v %v", err, out)
		}
		var doc sentDocument
		if err := json.Unmarshal(d, &doc); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, doc.TraceID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		t.Fatal("no function sent a segment")
	}
	remote := trace.NewRemote(api, func(ctx context.Context, d time.Duration) error { time.Sleep(d); return ctx.Err() })
	seen := map[string]bool{}
	for batch := range slices.Chunk(ids, 100) {
		read, err := remote.Load(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if len(read) != len(batch) {
			t.Errorf("%d of %d traces came back", len(read), len(batch))
		}
		for _, r := range read {
			if r.Damaged > 0 {
				t.Errorf("trace %s: %d damaged documents", r.ID, r.Damaged)
			}
			for _, root := range r.Roots {
				seen[root.Name] = true
			}
			if name := executions[r.ID]; name != "" {
				if len(r.Roots) != 1 || r.Roots[0].Name != name || r.Roots[0].Orphan || len(r.Roots[0].Children) == 0 {
					t.Errorf("the trace of %s is not one tree: %d roots", name, len(r.Roots))
					continue
				}
				for _, c := range r.Roots[0].Children {
					seen[c.Name] = true
				}
			}
		}
	}
	for _, name := range []string{"archive", "claim", "seal", "compact", "prepare", "judge", "publish"} {
		if !seen[name] {
			t.Errorf("no trace has %s; those seen are %v", name, seen)
		}
	}
	t.Logf("%d documents in %d traces, %d of them of executions", len(documents), len(ids), len(executions))
	if len(executions) < 8 {
		t.Errorf("only %d executions were traced", len(executions))
	}
}

// withExecutions adds to the documents one segment for each execution of the hour machine whose functions sent some. It
// returns the executions' names by trace id.
func (s *stack) withExecutions(t *testing.T, documents *[][]byte) map[string]string {
	t.Helper()
	type span struct {
		trace      string
		start, end float64
	}
	spans := map[string]*span{}
	for _, d := range *documents {
		var doc sentDocument
		if err := json.Unmarshal(d, &doc); err != nil {
			t.Fatal(err)
		}
		if x := spans[doc.ParentID]; x != nil {
			x.start, x.end = min(x.start, doc.StartTime), max(x.end, doc.EndTime)
		} else {
			spans[doc.ParentID] = &span{doc.TraceID, doc.StartTime, doc.EndTime}
		}
	}
	machine := s.Outputs["HourMachineArn"]
	list, err := s.machines.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &machine})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, e := range list.Executions {
		id := parentOf(*e.ExecutionArn)
		x := spans[id]
		if x == nil {
			t.Errorf("no function of %s sent a segment", *e.Name)
			continue
		}
		names[x.trace] = *e.Name
		b, err := json.Marshal(map[string]any{"name": *e.Name, "id": id, "trace_id": x.trace, "start_time": x.start, "end_time": x.end})
		if err != nil {
			t.Fatal(err)
		}
		*documents = append(*documents, b)
	}
	return names
}
