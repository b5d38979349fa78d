package path

import (
	"strings"
	"sync"
	"testing"

	"penstock/internal/cost"
	"penstock/internal/local"
	"penstock/internal/store/storefault"
)

// The formula of docs/COST.md counts states, calls and requests. This holds its counts against those of real runs: within
// a third for what is counted, half for reads.
func TestTheFormulaCountsWhatARunTakes(t *testing.T) {
	w := newWorld(t, recipe{seed: 5, format: "json", hours: 4, puts: 400})
	var mu sync.Mutex
	var got cost.Use
	batches := 0.0
	p, err := w.live(weather{
		store: func(op storefault.Op) storefault.Outcome {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case op.Seam == "archive" && op.Write || op.Seam == "mapping" || op.Seam == "producer" || op.Seam == "failed":
			case op.Action == "List" || op.Write:
				got.Puts++
			default:
				got.Gets++
			}
			return storefault.Outcome{}
		},
		functions: func(function string, _ int) (error, error) {
			if function != "archive" {
				got.Calls++
			}
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, machine := range []string{local.HourMachine, local.ScheduleMachine} {
		executions, err := p.Engine.ListExecutions(machine, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range executions {
			events, err := p.Engine.GetExecutionHistory(x.ARN)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if strings.HasSuffix(e.Type, "StateEntered") {
					got.Transitions++
				}
			}
		}
	}
	var want cost.Use
	for _, h := range w.arrived {
		m, _, err := w.ledger().ReadManifest(t.Context(), h)
		if err != nil || m == nil {
			t.Fatalf("hour %s: %v", h, err)
		}
		r := cost.Run{Batches: float64(m.Batches), Objects: float64(m.Objects), Parts: float64(len(m.Parts)), Clusters: float64(m.Cluster), ClusterMinutes: m.Minutes}
		batches += r.Batches
		u := r.Use()
		want.Transitions += u.Transitions
		want.Calls += u.Calls
		want.Puts += u.Puts
		want.Gets += u.Gets
	}
	t.Logf("%d hours of %v batches: counted %+v, estimated %+v", len(w.arrived), batches, got, want)
	for _, c := range []struct {
		name      string
		got, want float64
		within    float64
	}{{"transitions", got.Transitions, want.Transitions, 1.33}, {"calls", got.Calls, want.Calls, 1.33},
		{"writes and listings", got.Puts, want.Puts, 1.33}, {"reads", got.Gets, want.Gets, 1.5}} {
		if c.got > c.want*c.within || c.want > c.got*c.within {
			t.Errorf("%s: counted %.0f, estimated %.0f", c.name, c.got, c.want)
		}
	}
}
