package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"penstock/internal/asl"
	"penstock/internal/claim"
	"penstock/internal/cluster"
	"penstock/internal/due"
	"penstock/internal/emr"
	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/ingest"
	"penstock/internal/playbook"
	"penstock/internal/prepare"
	"penstock/internal/publish"
	"penstock/internal/recordfailure"
	"penstock/internal/seal"
)

// Stack is this machine's name among stacks; cluster names carry it.
const Stack = "local"

// Site is what this machine gives to each of its clusters.
func Site() prepare.Site {
	return prepare.Site{Bucket: HoursBucket, Code: "code", Logs: "logs", ServiceRole: "local", InstanceProfile: "local",
		SecurityConfiguration: "local"}
}

// functionName is the name on this machine of the function that a placeholder of the machines stands for.
func functionName(placeholder string) string { return strings.ToLower(placeholder) }

// runStages adds the functions of a run around sealing and compaction.
func (p *Pipeline) runStages(f map[string]Function, s *seal.Handler) {
	book := fixed{p.Playbook}
	f["claim"] = lambda((&claim.Handler{Ledger: p.Ledger, Executions: p}).Handle)
	f["recordfailure"] = lambda((&recordfailure.Handler{Ledger: p.Ledger}).Handle)
	f["prepare"] = lambda((&prepare.Handler{Ledger: p.Ledger, Playbooks: book, Stack: Stack, Site: Site()}).Handle)
	f["findcluster"] = lambda((&prepare.Finder{Ledger: p.Ledger, Clusters: clusters{p.EMR}}).Handle)
	f["judge"] = lambda((&prepare.Judge{Ledger: p.Ledger}).Handle)
	f["publish"] = lambda((&publish.Handler{Ledger: p.Ledger, Hours: p.Hours, Playbooks: book}).Handle)
	f["due"] = lambda((&due.Handler{Ledger: p.Ledger, Archive: p.Archive, Hours: p.Hours, Late: s, Executions: p, Rules: p.Rules}).Handle)
}

// fixed is the playbook that the pipeline was made with.
type fixed struct{ book *playbook.Playbook }

func (f fixed) Playbook(context.Context) (*playbook.Playbook, hour.Ref, error) {
	return PlaybookRef(f.book)
}

// PlaybookRef is the reference that the ledgers of this machine know a playbook by.
func PlaybookRef(book *playbook.Playbook) (*playbook.Playbook, hour.Ref, error) {
	b, err := json.Marshal(book)
	return book, hour.Ref{Key: "playbooks/" + book.Name + ".json", SHA256: hour.SHA256(b)}, err
}

// Describe tells how an execution stands, given its ARN or its name. One that claimed its hour (it is known by its ARN)
// and that this process does not know died with the process that ran it.
func (p *Pipeline) Describe(_ context.Context, execution string) (status string, found bool, err error) {
	arn := execution
	named := !strings.HasPrefix(execution, "arn:")
	if named {
		if arn, err = p.Engine.ExecutionARN(HourMachine, execution); err != nil {
			return "", false, err
		}
	}
	x, err := p.Engine.DescribeExecution(arn)
	var unknown *asl.RequestError
	if errors.As(err, &unknown) {
		if named {
			return "", false, nil
		}
		return fault.StatusAbsent, true, nil
	}
	return string(x.Status), err == nil, err
}

// clusters lists the process EMR's clusters.
type clusters struct{ emr *emr.Service }

func (c clusters) Clusters(ctx context.Context, since time.Time, live bool) iter.Seq2[cluster.Summary, error] {
	return func(yield func(cluster.Summary, error) bool) {
		in := map[string]any{}
		if !since.IsZero() {
			in["CreatedAfter"] = float64(since.UnixMilli()) / 1000
		}
		if live {
			in["ClusterStates"] = []string{cluster.Starting, cluster.Bootstrapping, cluster.Running, cluster.Waiting}
		}
		for {
			var page struct {
				Clusters []struct {
					ID     string `json:"Id"`
					Name   string
					Status struct {
						State    string
						Timeline struct{ CreationDateTime float64 }
					}
				}
				Marker string
			}
			out, err := c.emr.Call(ctx, "ListClusters", plain(in))
			if err == nil {
				err = json.Unmarshal(out, &page)
			}
			if err != nil {
				yield(cluster.Summary{}, &fault.Unavailable{Service: "emr", Action: "list clusters", Err: err})
				return
			}
			for _, x := range page.Clusters {
				at := time.UnixMilli(int64(x.Status.Timeline.CreationDateTime * 1000)).UTC()
				if !yield(cluster.Summary{ID: x.ID, Name: x.Name, State: x.Status.State, CreatedAt: at}, nil) {
					return
				}
			}
			if page.Marker == "" {
				return
			}
			in["Marker"] = page.Marker
		}
	}
}

func plain(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs and maps
	}
	return b
}

// sends is how often events that the stream did not take are sent again before the run gives up.
const sends = 20

// send puts events through the edge's sender, again and again where the stream does not take them, and says how many can
// never be sent.
func (p *Pipeline) send(ctx context.Context, events []ingest.Event) (refused int, err error) {
	for range sends {
		failures, sendErr := p.sender.Send(ctx, events)
		err = sendErr
		var again []ingest.Event
		for _, f := range failures {
			switch f.Code {
			case ingest.CodeTooLarge, ingest.CodeBadKey:
				refused++
			default:
				again = append(again, events[f.Index])
			}
		}
		if len(again) == 0 {
			return refused, nil
		}
		events = again
	}
	return refused, errors.Join(fmt.Errorf("send %d events: the stream does not take them", len(events)), err)
}

// unsettled returns those of the hours that the schedule has yet to do something about: neither published nor failed for
// good.
func (p *Pipeline) unsettled(ctx context.Context, hours []hour.Hour) ([]hour.Hour, error) {
	var open []hour.Hour
	for _, h := range hours {
		st, err := p.Ledger.Read(ctx, h)
		if err != nil {
			return nil, err
		}
		if !due.Settled(st, p.Rules) {
			open = append(open, h)
		}
	}
	return open, nil
}
