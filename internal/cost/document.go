package cost

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Document is the text of docs/COST.md.
func Document(p Prices) string {
	c := Default()
	var b strings.Builder
	fmt.Fprintf(&b, `# What it costs

Estimated by internal/cost from list prices of %s in %s (internal/cost/prices.json: change the prices, then
`+"`go test ./internal/cost -write`"+`; a test holds this page to the formula). No free tiers, discounts, tax or data transfer.
Prices checked: %s
Look up those that matter to you. %s

Assumed: events of 500 bytes and of eight types, 100 in a request, peak three times the mean, 0.12 stored bytes for a raw byte; the stream
keeps a week, the archive 35 days; the cluster of playbooks/video.json (two m7g.xlarge on demand, two on spot), %.1f minutes
and a second for each 5 MiB of stored input, each hour. US dollars a day.

`, p.Date, p.Region, p.Checked, unchecked(p), c.Minutes)
	loads := []struct {
		name   string
		events float64
	}{{"10 M", 10e6}, {"100 M (the talk)", 100e6}, {"1 000 M", 1000e6}}
	for _, onDemand := range []bool{true, false} {
		mode := "Provisioned stream"
		if onDemand {
			mode = "On-demand stream (the default)"
		}
		fmt.Fprintf(&b, "## %s\n\n| events a day |", mode)
		var days [][]Line
		for _, l := range loads {
			fmt.Fprintf(&b, " %s |", l.name)
			days = append(days, Day(p, c, Talk(l.events, onDemand)))
		}
		b.WriteString("\n|---|---:|---:|---:|\n")
		row := func(name string, of func(i int) string) {
			fmt.Fprintf(&b, "| %s |", name)
			for i := range loads {
				fmt.Fprintf(&b, " %s |", of(i))
			}
			b.WriteByte('\n')
		}
		for n := range days[0] {
			row(days[0][n].Item, func(i int) string { return fmt.Sprintf("%.2f", days[i][n].Dollars) })
		}
		row("**all**", func(i int) string { return fmt.Sprintf("**%.2f**", Sum(days[i])) })
		row("a month", func(i int) string { return fmt.Sprintf("%.0f", Sum(days[i])*daysOfMonth) })
		row("for a million events", func(i int) string { return fmt.Sprintf("%.3f", Sum(days[i])/loads[i].events*1e6) })
		if !onDemand {
			row("shards", func(i int) string { return fmt.Sprintf("%.0f", Talk(loads[i].events, false).Shards()) })
		}
		b.WriteByte('\n')
	}
	b.WriteString(`## One hour

Each hour's manifest carries its own estimate (` + "`cost`" + `; ` + "`penstock status HOUR`" + ` shows it), by the same formula from what its run
had: batches and parts, raw and stored bytes, minutes of all its clusters at the size of the playbook's fleets. A node
counts by its size as so many m7g.xlarge. It holds the archive, the run and the clusters; the edge, the stream and storage
belong to no single hour.

| stored bytes | archive | run | clusters | all |
|---|---:|---:|---:|---:|
`)
	for _, r := range []struct {
		name string
		run  Run
	}{
		{"none: an empty hour", Run{}},
		{"10 MiB, 1 part", Run{Bytes: 87e6, Stored: 10 << 20, Batches: 120, Objects: 120, Parts: 1, Clusters: 1, ClusterMinutes: c.minutes(10 << 20)}},
		{"1 GiB, 4 parts", Run{Bytes: 8.9e9, Stored: 1 << 30, Batches: 2000, Objects: 2000, Parts: 4, Clusters: 1, ClusterMinutes: c.minutes(1 << 30)}},
	} {
		lines := Hour(p, c, r.run)
		fmt.Fprintf(&b, "| %s | %.4f | %.4f | %.4f | **%.4f** |\n", r.name, lines[0].Dollars+lines[1].Dollars, lines[3].Dollars, lines[2].Dollars, Sum(lines))
	}
	b.WriteString(`
## Against Firehose

Firehose would take the place of archive and its S3 requests (from the stream), or of the stream too (direct). It bills
each record as 5 KB at least, so an event of 500 bytes ten times; producers that aggregate change that, and then
Firehose does not see events. It delivers at least once, and cannot say when an hour is complete.

| events a day | 10 M | 100 M (the talk) | 1 000 M |
|---|---:|---:|---:|
`)
	for _, r := range []struct {
		name string
		of   func(l Load) float64
	}{
		{"archive and its requests", func(l Load) float64 { return item(p, c, l, lineArchive) + item(p, c, l, lineArchivePuts) }},
		{"archive, its requests and an on-demand stream", func(l Load) float64 {
			return item(p, c, l, lineArchive) + item(p, c, l, lineArchivePuts) + item(p, c, l, lineStream)
		}},
		{"Firehose", func(l Load) float64 { return Firehose(p, l) }},
	} {
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, l := range loads {
			fmt.Fprintf(&b, " %.2f |", r.of(Talk(l.events, true)))
		}
		b.WriteByte('\n')
	}
	b.WriteString(`
What weighs most is the stream's price for small records and the hourly cluster. Batches in a record (` + "`Split=lines`" + `, or
the Kinesis Producer Library) divide the first; a playbook with fewer nodes the second.
`)
	return b.String()
}

// unchecked says which prices rest on what.
func unchecked(p Prices) string {
	var b strings.Builder
	b.WriteString("Not checked:\n")
	for _, name := range slices.Sorted(maps.Keys(p.Unchecked)) {
		fmt.Fprintf(&b, "- `%s`: %s\n", name, p.Unchecked[name])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// item is one line of a day.
func item(p Prices, c Cluster, l Load, name string) float64 {
	for _, line := range Day(p, c, l) {
		if line.Item == name {
			return line.Dollars
		}
	}
	return 0
}
