package cost

import "math"

// Cluster is what a run's cluster consists of, and how long it takes. A node is priced as an m7g.xlarge; one of another
// size counts by its size, whatever its family.
type Cluster struct {
	OnDemand, Spot float64 // nodes
	VolumeGB       float64 // of all nodes
	Minutes        float64 // from request to end, without the job's input
	BytesPerSecond float64 // of stored input that the job gets through
}

// Default is the cluster of playbooks/video.json: one master and one core node on demand, two task nodes on spot. The
// times are those of the process EMR.
func Default() Cluster {
	return Cluster{OnDemand: 2, Spot: 2, VolumeGB: 4 * (64 + 15), Minutes: 6 + 40.0/60, BytesPerSecond: 5 << 20}
}

// minutes is how long the cluster lives for so much stored input.
func (c Cluster) minutes(stored float64) float64 { return c.Minutes + stored/c.BytesPerSecond/60 }

// Dollars is what so many minutes of the cluster cost.
func (c Cluster) Dollars(p Prices, minutes float64) float64 {
	nodes := c.OnDemand*p.InstanceHourOnDemand + c.Spot*p.InstanceHourSpot + (c.OnDemand+c.Spot)*p.InstanceHourEMR
	return minutes / 60 * (nodes + c.VolumeGB*p.VolumeGBMonth/hoursOfMonth)
}

// Run is what is known of a run that published an hour.
type Run struct {
	Bytes          float64 // uncompressed, of the hour's events
	Stored         float64 // compressed, of its parts
	Batches        float64 // archived
	Objects        float64 // of the archive that were joined
	Parts          float64
	Clusters       float64
	ClusterMinutes float64 // of all its clusters
}

// Use is what a run takes of the services besides its clusters.
type Use struct {
	Transitions float64 // states entered, of both machines
	Calls       float64 // of functions
	Seconds     float64 // of functions, of computeGB each
	Puts        float64 // and listings
	Gets        float64
}

// What functions are assumed to take on one vCPU; docs/PERFORMANCE.md has what was measured.
const (
	computeGB    = 1769.0 / 1024
	smallGB      = 0.5
	archiveBytes = 20 << 20 // raw bytes a second that archive compresses
	compactBytes = 60 << 20 // stored bytes a second that compact joins
	metricsBytes = 60 << 20 // raw bytes a second that metrics counts
	uploadBytes  = 16 << 20 // stored bytes of one part of an upload
	payload      = 4.4e6    // raw bytes that an invocation carries: 6 MB of base64
	batchSeconds = 0.1      // that a batch takes besides compressing it
)

// Use estimates what a run takes: the schedule's tick, the states of one run without failures, a look at the cluster a
// minute; each call lists and reads the ledger, and the tick lists the last days. tests/path holds it against what a run
// really does.
func (r Run) Use() Use {
	looks := math.Ceil(r.ClusterMinutes)
	entries := 6 + r.Parts + 2*r.Clusters // of the ledger
	calls := 5 + r.Parts + r.Clusters + looks
	return Use{
		Transitions: 20 + 2*r.Parts + 3*r.Clusters + 5*looks,
		Calls:       calls,
		Seconds:     5 + 0.1*looks + 2*r.Parts + r.Stored/compactBytes,
		Puts:        24 + entries + 2 + 3*(r.Parts+r.Clusters) + r.Stored/uploadBytes + 3*calls,
		Gets:        entries*calls + 2*r.Batches + r.Objects,
	}
}

// Hour estimates, item by item, what an hour cost that a run published: its archive, the run, the clusters. The edge, the
// stream and what is kept are not in it: they belong to no single hour.
func Hour(p Prices, c Cluster, r Run) []Line {
	u := r.Use()
	return []Line{
		{lineArchive, p.lambda(r.Batches, r.Batches*batchSeconds+r.Bytes/archiveBytes, computeGB)},
		{lineArchivePuts, (r.Batches + r.Objects) / 1e3 * p.S3ThousandPuts},
		{lineClusters, c.Dollars(p, r.ClusterMinutes)},
		{lineRun, u.Transitions/1e3*p.StepsThousandTransitions + p.lambda(u.Calls, u.Seconds, computeGB) +
			u.Puts/1e3*p.S3ThousandPuts + u.Gets/1e3*p.S3ThousandGets},
	}
}

// Items of an hour.
const (
	lineArchive     = "archive"
	lineArchivePuts = "S3 requests of the archive"
	lineClusters    = "EMR and its instances"
	lineRun         = "the rest of the runs: machines, seal, compact, S3 requests"
)

// lambda is the price of calls that take seconds, in all, of a function of so many GB.
func (p Prices) lambda(calls, seconds, memory float64) float64 {
	return calls/1e6*p.LambdaMillionRequests + seconds*memory*p.LambdaGBSecondArm64
}

// Line is one item of an estimate.
type Line struct {
	Item    string
	Dollars float64
}

// Sum adds the lines up.
func Sum(lines []Line) float64 {
	sum := 0.0
	for _, l := range lines {
		sum += l.Dollars
	}
	return sum
}
