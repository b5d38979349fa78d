package cost

import (
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var write = flag.Bool("write", false, "write docs/COST.md")

func list(t *testing.T) Prices {
	t.Helper()
	p, err := List()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePageIsWhatTheFormulaSays(t *testing.T) {
	const path = "../../docs/COST.md"
	text := Document(list(t))
	if *write {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("docs/COST.md is not what the formula says (%v); go test ./internal/cost -write", err)
	}
}

func TestEveryPriceIsInTheFile(t *testing.T) {
	v := reflect.ValueOf(list(t))
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("no %s", v.Type().Field(i).Name)
		}
	}
	for name, why := range list(t).Unchecked {
		if f := v.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) }); !f.IsValid() || f.Kind() != reflect.Float64 || why == "" {
			t.Errorf("%s is no price, or nothing is said of it", name)
		}
	}
	if day, err := time.Parse(time.DateOnly, list(t).Date); err != nil || day.Year() < 2026 {
		t.Errorf("the date is %q", list(t).Date)
	}
}

// By hand: 100 M events of 500 bytes are billed as 100 M KB, 95.37 GB at 0.08, two readers of 46.57 GB at 0.04, 24 hours
// at 0.04, and six further days of 46.57 GB at 0.10 a month of 30.42 days.
func TestAnOnDemandStreamIsBilledByRoundedRecords(t *testing.T) {
	want := 95.367*0.08 + 2*46.566*0.04 + 24*0.04 + 46.566*6*0.10/30.417
	if got := Talk(100e6, true).stream(list(t), 0); math.Abs(got-want) > 0.01 {
		t.Errorf("%.3f dollars, want %.3f", got, want)
	}
}

// By hand: 3 472 records a second at the peak are four shards: 96 shard hours at 0.035, and 100 M put units at 0.014.
func TestAProvisionedStreamIsBilledByShardsAndPutUnits(t *testing.T) {
	l := Talk(100e6, false)
	if l.Shards() != 4 {
		t.Fatalf("%v shards", l.Shards())
	}
	if got, want := l.stream(list(t), l.Shards()), 96*0.035+100*0.014; math.Abs(got-want) > 1e-9 {
		t.Errorf("%.3f dollars, want %.3f", got, want)
	}
}

func TestFirehoseBillsFiveKilobytesForASmallEvent(t *testing.T) {
	p := list(t)
	if got, want := Firehose(p, Talk(100e6, true)), 100e6*5*1024/(1<<30)*0.029; math.Abs(got-want) > 1e-9 {
		t.Errorf("%.3f dollars, want %.3f", got, want)
	}
	large := Talk(1e6, true)
	large.EventBytes = 5*1024 + 1
	if got, want := Firehose(p, large), 2*Firehose(p, Talk(1e6, true)); math.Abs(got-want) > 1e-9 {
		t.Errorf("an event of 5 KB and a byte costs %v, want %v", got, want)
	}
}

// By hand: ten minutes of two nodes at 0.1632 and two at 0.065, four at 0.0408 for EMR, and 316 GB of volumes.
func TestTheClusterIsMostOfAnHour(t *testing.T) {
	p, c := list(t), Default()
	cluster := 10.0 / 60 * (2*0.1632 + 2*0.065 + 4*0.0408 + 316*0.08/730)
	r := Run{Bytes: 2e9, Stored: 250e6, Batches: 240, Objects: 240, Parts: 1}
	without := Sum(Hour(p, c, r))
	r.Clusters, r.ClusterMinutes = 1, 10
	with := Sum(Hour(p, c, r))
	if got := with - without; math.Abs(got-cluster) > 0.003 || got < cluster {
		t.Errorf("ten minutes of the cluster make %.4f dollars, want %.4f and a little for the polls", got, cluster)
	}
	if without <= 0 || without > 0.02 {
		t.Errorf("the rest of the run costs %.4f dollars", without)
	}
}

func TestTenTimesTheLoadCostsMoreAndAnEventLess(t *testing.T) {
	p, c := list(t), Default()
	for _, onDemand := range []bool{true, false} {
		small, large := Sum(Day(p, c, Talk(10e6, onDemand))), Sum(Day(p, c, Talk(100e6, onDemand)))
		if large <= small || large/10 >= small {
			t.Errorf("10 M events cost %.2f dollars, 100 M %.2f", small, large)
		}
	}
}
