package publish

import (
	"testing"

	"penstock/internal/cost"
	"penstock/internal/hour"
	"penstock/internal/playbook"
	"penstock/playbooks"
)

func TestTheClusterOfThePageIsThatOfTheVideoPlaybook(t *testing.T) {
	book, err := playbook.Parse(playbooks.Video)
	if err != nil {
		t.Fatal(err)
	}
	want := cost.Default()
	want.Minutes, want.BytesPerSecond = 0, 0 // what a run took stands in its ledger
	if got := Hardware(&book.Cluster); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestFleetsCountBySizeAndWeight(t *testing.T) {
	book := &playbook.Cluster{RootVolumeGiB: 20, Fleets: []playbook.Fleet{
		{Role: "MASTER", OnDemand: 1, Instances: []playbook.Instance{{Type: "m7g.large"}}},
		{Role: "CORE", OnDemand: 4, Instances: []playbook.Instance{{Type: "m7g.2xlarge", Weight: 4}}},
		{Role: "TASK", OnDemand: 2, Spot: 9, Instances: []playbook.Instance{{Type: "r6g.xlarge", Weight: 4}, {Type: "r6g.16xlarge", Weight: 64}}},
	}}
	want := cost.Cluster{OnDemand: 0.5 + 2 + 1, Spot: 3, VolumeGB: (20 + 32) + (20 + 128) + 4*(20+64)}
	if got := Hardware(book); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for name, want := range map[string]float64{"t4g.small": 0.125, "m7g.medium": 0.25, "i4i.metal": 1, "x": 1, "m7g.0xlarge": 1, "m7g.48xlarge": 48} {
		if got := xlarges(name); got != want {
			t.Errorf("%s is %v xlarges, want %v", name, got, want)
		}
	}
}

func TestAnHourWithoutEventsCostsATrifleAndTheSameAgain(t *testing.T) {
	p := &hour.Publication{}
	a, err := Estimate(p, 0, nil)
	b, err2 := Estimate(p, 0, nil)
	if err != nil || err2 != nil || *a != *b || a.Dollars <= 0 || a.Dollars > 0.01 {
		t.Errorf("%+v, %+v, %v", a, b, err)
	}
}
