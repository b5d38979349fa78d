package publish

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"penstock/internal/cost"
	"penstock/internal/hour"
	"penstock/internal/playbook"
)

// Estimate is what a publication costs, by the formula of docs/COST.md: its archive, the run, and its clusters, which
// are priced as their playbook asks for them. It depends on nothing else, so that the same run gives the same bytes.
func Estimate(p *hour.Publication, clusters int, book *playbook.Playbook) (*hour.Cost, error) {
	prices, err := cost.List()
	if err != nil {
		return nil, fmt.Errorf("estimate cost: %w", err)
	}
	r := cost.Run{Bytes: float64(p.Bytes), Batches: float64(p.Batches), Objects: float64(p.Objects), Parts: float64(len(p.Parts)),
		Clusters: float64(clusters), ClusterMinutes: p.Minutes}
	for _, part := range p.Parts {
		r.Stored += float64(part.Size)
	}
	c := cost.Cluster{}
	if book != nil {
		c = Hardware(&book.Cluster)
	}
	dollars := cost.Sum(cost.Hour(prices, c, r))
	return &hour.Cost{Prices: prices.Date, Dollars: math.Round(dollars*1e4) / 1e4}, nil
}

// Sizes of volumes in GB. Source: Amazon EMR Management Guide, "Default EBS storage for instances" (64 for an xlarge, and
// by size), and the default of root volumes.
const (
	volumeGB     = 64
	rootVolumeGB = 15
)

// Hardware is what a playbook's cluster is made of when every fleet gets the first of its types.
func Hardware(book *playbook.Cluster) cost.Cluster {
	var c cost.Cluster
	root := float64(rootVolumeGB)
	if book.RootVolumeGiB > 0 {
		root = float64(book.RootVolumeGiB)
	}
	for _, f := range book.Fleets {
		weight, size := float64(max(1, f.Instances[0].Weight)), xlarges(f.Instances[0].Type)
		onDemand, spot := math.Ceil(float64(f.OnDemand)/weight), math.Ceil(float64(f.Spot)/weight)
		c.OnDemand += onDemand * size
		c.Spot += spot * size
		c.VolumeGB += (onDemand + spot) * (root + volumeGB*size)
	}
	return c
}

// xlarges is how many xlarge instances an instance type is as large as. EC2 names sizes by that number; what it does not
// know counts as one.
func xlarges(instance string) float64 {
	_, size, _ := strings.Cut(instance, ".")
	switch size {
	case "nano", "micro", "small":
		return 1.0 / 8
	case "medium":
		return 1.0 / 4
	case "large":
		return 1.0 / 2
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(size, "xlarge")); err == nil && n > 0 && strings.HasSuffix(size, "xlarge") {
		return float64(n)
	}
	return 1
}
