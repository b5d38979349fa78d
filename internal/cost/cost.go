// Package cost estimates in US dollars what Penstock costs on AWS: a day of a load, and one hour that was run. Prices come
// from a dated file; everything else is an assumption that is named and can be changed. docs/COST.md is written by it.
package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
)

//go:embed prices.json
var file []byte

// Prices are the list prices of one Region at one date, in US dollars per unit that the name says. A GB is 2^30 bytes.
type Prices struct {
	Date, Region, Currency, Note   string
	Checked                        string            // how and against what, on the date
	Unchecked                      map[string]string // prices that were not checked, by name in the file, and what they rest on
	APIMillionRequests             float64
	LambdaMillionRequests          float64
	LambdaGBSecondArm64            float64
	KinesisOnDemandStreamHour      float64
	KinesisOnDemandGBIn            float64 // each record rounded up to 1 KB
	KinesisOnDemandGBOut           float64
	KinesisOnDemandGBMonthRetained float64 // beyond the first day
	KinesisShardHour               float64
	KinesisMillionPutUnits         float64 // of 25 KB, at least one a record
	KinesisShardHourRetained       float64 // beyond the first day
	S3ThousandPuts                 float64 // and listings
	S3ThousandGets                 float64
	S3GBMonth                      float64
	StepsThousandTransitions       float64
	InstanceHourOnDemand           float64 // of a node, m7g.xlarge
	InstanceHourSpot               float64
	InstanceHourEMR                float64 // on top of either
	VolumeGBMonth                  float64
	KMSKeyMonth                    float64
	KMSTenThousandRequests         float64
	LogGB                          float64
	MetricMonth                    float64
	AlarmMonth                     float64
	DashboardMonth                 float64
	TraceMillion                   float64
	FirehoseGB                     float64 // each record rounded up to 5 KB
}

// List returns the prices of the file.
func List() (Prices, error) {
	var p Prices
	if err := json.Unmarshal(file, &p); err != nil {
		return Prices{}, fmt.Errorf("read prices: %w", err)
	}
	return p, nil
}

const (
	gb           = 1 << 30
	kb           = 1 << 10
	hoursOfMonth = 730.0
	daysOfMonth  = hoursOfMonth / 24
)

// Load is a day's load.
type Load struct {
	EventsPerDay     float64
	EventBytes       float64
	EventsPerRequest float64 // that producers send at once
	PeakToMean       float64
	Compression      float64 // stored bytes for a raw byte
	OnDemand         bool    // the stream's mode
	ArchiveDays      float64
	RetentionDays    float64
}

// Talk is a load of so many events a day, with the talk's proportions.
func Talk(events float64, onDemand bool) Load {
	return Load{EventsPerDay: events, EventBytes: 500, EventsPerRequest: 100, PeakToMean: 3, Compression: 0.12, OnDemand: onDemand,
		ArchiveDays: 35, RetentionDays: 7}
}

// Shards is how many a provisioned stream needs at the peak: 1 000 records and 1 MB a second each.
func (l Load) Shards() float64 {
	perSecond := l.EventsPerDay / 86400 * l.PeakToMean
	return math.Max(1, math.Ceil(math.Max(perSecond/1000, perSecond*l.EventBytes/1e6)))
}

// What CloudWatch keeps and watches for a stack; tests/aws counts them in template.yaml and the stages.
const (
	AlarmMetrics = 15 // that alarms look at, each of which is billed
	StackFigures = 18 // metrics of a stack
	TypeFigures  = 5  // metrics of each type of event
	typesSeen    = 8
)

// Day estimates a day of a load, item by item.
func Day(p Prices, c Cluster, l Load) []Line {
	raw := l.EventsPerDay * l.EventBytes
	stored := raw * l.Compression
	shards := l.Shards()
	requests := l.EventsPerDay / l.EventsPerRequest
	batches := math.Max(1440*shards, raw/payload) + 24*shards // a batch at the turn of an hour is cut in two
	hour := Hour(p, c, Run{Bytes: raw / 24, Stored: stored / 24, Batches: batches / 24, Objects: batches / 24,
		Parts: math.Max(1, math.Ceil(stored/24/(256<<20))), Clusters: 1, ClusterMinutes: c.minutes(stored / 24)})
	of := func(item string) Line {
		for _, line := range hour {
			if line.Item == item {
				return Line{item, 24 * line.Dollars}
			}
		}
		panic("no item " + item)
	}
	return []Line{
		{"API Gateway, REST", requests / 1e6 * p.APIMillionRequests},
		{"ingest", p.lambda(requests, requests*0.03, smallGB)},
		{lineStream, l.stream(p, shards)},
		of(lineArchive),
		{"metrics", p.lambda(17280*shards, 17280*shards*0.01+raw/metricsBytes, smallGB)},
		of(lineArchivePuts),
		{"S3 storage: archive, and a month of hours", stored / gb * (l.ArchiveDays + daysOfMonth) * p.S3GBMonth / daysOfMonth},
		of(lineClusters),
		of(lineRun),
		{"KMS, alarms, figures, dashboard, logs, traces", (p.KMSKeyMonth+AlarmMetrics*p.AlarmMonth+(StackFigures+typesSeen*TypeFigures)*p.MetricMonth+p.DashboardMonth)/daysOfMonth +
			(2*batches+requests)/1e4*p.KMSTenThousandRequests/10 + (batches+requests)*1000/gb*p.LogGB +
			(0.05*(batches+requests)+86400*2*0.05)/1e6*p.TraceMillion},
	}
}

const lineStream = "Kinesis"

// stream is a day of Kinesis, read by two.
func (l Load) stream(p Prices, shards float64) float64 {
	rounded := math.Ceil(l.EventBytes/kb) * kb * l.EventsPerDay / gb
	if l.OnDemand {
		return 24*p.KinesisOnDemandStreamHour + rounded*p.KinesisOnDemandGBIn + 2*l.EventsPerDay*l.EventBytes/gb*p.KinesisOnDemandGBOut +
			l.EventsPerDay*l.EventBytes/gb*(l.RetentionDays-1)*p.KinesisOnDemandGBMonthRetained/daysOfMonth
	}
	units := math.Ceil(l.EventBytes/(25*kb)) * l.EventsPerDay
	return 24*shards*(p.KinesisShardHour+p.KinesisShardHourRetained) + units/1e6*p.KinesisMillionPutUnits
}

// Firehose estimates a day of delivering the same load to S3 with Firehose, which takes the place of archive and its
// requests; with direct also of the stream. An object a minute and shard is left out.
func Firehose(p Prices, l Load) float64 {
	return math.Ceil(l.EventBytes/(5*kb)) * 5 * kb * l.EventsPerDay / gb * p.FirehoseGB
}
