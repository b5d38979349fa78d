package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"penstock/internal/reread"
	"penstock/internal/verify"
)

type verifyCmd struct {
	place
	asJSON
	Range       span          `arg:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO."`
	ArchiveKeep time.Duration `default:"840h" placeholder:"TIME" help:"How long the archive of a published hour is kept: a later hour whose archive is gone as a whole is in order (${default})."`
	Procs       int           `placeholder:"N" help:"Objects read at the same time (as many as there are cores; 16 of a stack)."`
	Deep        bool          `help:"Read the stream again, too, as far as it still has the hours, and compare record by record."`
	Rebuild     bool          `help:"First make indexes that are gone again from the stream, as far as it still has their records."`
}

// Help implements kong.HelpProvider.
func (verifyCmd) Help() string {
	return `Recomputes all that can be recomputed of an hour: keys, every index against its objects, rejects, the seal against the archive, the ledger's chain and what it adds up to, every part line by line against the archive objects that it was made of, the manifest, the results and the playbook's check.

Each line is something that is wrong, with the command that mends it; the exit code is then 7. Notes are worth knowing and not wrong. A running hour may change while it is read: repeat the command if it finds anything there.

With --deep the stream is read once more and held against the archive: each record's place and arrival, what became of it as events and rejects, records that the archive lacks, records that the stream does not have. It says how many records were still in the stream. A data directory's stream keeps only what is not archived yet.

With --rebuild an index that is gone (a seal names it, or objects lie there that it committed) is made again of the stream's records, by the archive's own code; and records of a published hour that were never archived are, as a replay's. Nothing else is written, and nothing without it.

Examples:

  penstock verify 2026-11-23T07
  penstock verify 2026-11-23..2026-11-29 --deep
  penstock verify 2026-11-23T07 --rebuild --target aws:penstock
  penstock verify 2026-11 --json | jq '.findings[].key'
`
}

// verified is what verify prints as JSON.
type verified struct {
	Hours    int              `json:"hours"`
	Objects  int              `json:"objects"` // read
	Bytes    int64            `json:"bytes"`   // read
	Findings []verifiedObject `json:"findings"`
	Notes    []verifiedObject `json:"notes"`
	Stream   *compared        `json:"stream,omitempty"`  // with --deep
	Rebuilt  []rebuiltIndex   `json:"rebuilt,omitempty"` // with --rebuild: indexes that were gone
}

type verifiedObject struct {
	verify.Finding
	Next string `json:"next,omitempty"` // what to do, as a command where there is one
}

func (cmd verifyCmd) Run(ctx context.Context, c *console) error {
	procs, err := procsOf(cmd.Procs)
	if err != nil {
		return err
	}
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Stack != nil && cmd.Procs == 0 {
		procs = readAtOnce
	}
	now, err := d.Clock(ctx)
	if err != nil {
		return err
	}
	v := &verify.Verifier{Archive: d.Archive, Hours: d.Hours, Keys: d.Keys, Text: d.Format == "text", Now: func() time.Time { return now },
		ArchiveKeep: cmd.ArchiveKeep, Procs: procs}
	if book, ref, err := d.Playbook(ctx); err == nil { // without one there is nothing to hold the results against
		v.Playbook, v.PlaybookHash = book, ref.SHA256
	}
	scope, err := v.Scan(ctx, cmd.Range.Range)
	if err != nil {
		return err
	}
	if len(scope.Hours) == 0 {
		return failf(exitNoData, "%s has no data in %s: %s lists the hours that have", cmd.Range, cmd.where(), cmd.command("status"))
	}
	all := &verified{Hours: len(scope.Hours), Findings: []verifiedObject{}, Notes: []verifiedObject{}}
	var deep *reread.Reader
	if cmd.Deep || cmd.Rebuild {
		if deep, err = cmd.reader(ctx, d, v); err != nil {
			return err
		}
	}
	if cmd.Rebuild {
		if all.Rebuilt, err = cmd.rebuild(ctx, d, deep, scope.Hours); err != nil {
			return err
		}
	}
	bad, err := cmd.check(ctx, c, d, v, deep, scope, all)
	if err != nil {
		return err
	}
	if err := cmd.show(c, all); err != nil || bad == 0 {
		return err
	}
	return failf(exitCorrupt, "%s in %d of %s", count(len(all.Findings), "finding", "findings"), bad, count(all.Hours, "hour", "hours"))
}

// check verifies the hours, and says how many have findings.
func (cmd verifyCmd) check(ctx context.Context, c *console, d *site, v *verify.Verifier, deep *reread.Reader, scope verify.Scope, all *verified) (bad int, err error) {
	total := scope.Documents
	if cmd.Deep {
		total += scope.Documents - len(scope.Hours) // the indexes once more
		all.Stream = &compared{}
	}
	set, finish := c.progress(total, "documents")
	defer finish()
	if set != nil {
		var done atomic.Int64
		v.Progress = func() { set(int(done.Add(1))) }
	}
	for _, h := range scope.Hours {
		r, err := v.Hour(ctx, h)
		if err != nil {
			return 0, err
		}
		all.Objects, all.Bytes = all.Objects+r.Objects, all.Bytes+r.Bytes
		findings, notes := r.Findings, r.Notes
		if cmd.Deep {
			deep.Progress = v.Progress
			r, err := deep.Compare(ctx, h)
			if err != nil {
				return 0, err
			}
			all.Stream.add(r)
			findings, notes = append(findings, r.Findings...), append(notes, r.Notes...)
		}
		for _, f := range findings {
			all.Findings = append(all.Findings, verifiedObject{f, cmd.next(d, f)})
		}
		for _, f := range notes {
			all.Notes = append(all.Notes, verifiedObject{f, cmd.next(d, f)})
		}
		if len(findings) > 0 {
			bad++
		}
	}
	if cmd.Deep {
		return bad, all.Stream.reach(ctx, d, deep)
	}
	return bad, nil
}

func (cmd verifyCmd) show(c *console, all *verified) error {
	if cmd.JSON {
		return c.printJSON(all)
	}
	var b strings.Builder
	for _, r := range all.Rebuilt {
		fmt.Fprintln(&b, r.line(c))
	}
	for _, f := range all.Findings {
		fmt.Fprintln(&b, c.paint(red, "wrong")+" "+f.line())
	}
	for _, f := range all.Notes {
		fmt.Fprintln(&b, c.paint(dim, "note")+"  "+f.line())
	}
	if all.Stream != nil {
		fmt.Fprintln(&b, all.Stream.line())
	}
	if len(all.Findings) == 0 {
		fmt.Fprintf(&b, "%s: %s, %s checked, nothing is wrong\n", count(all.Hours, "hour", "hours"), count(all.Objects, "object", "objects"), size(all.Bytes))
	}
	if _, err := fmt.Fprint(c.Out, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (f *verifiedObject) line() string {
	s := fmt.Sprintf("%s %s/%s: %s", f.Hour, f.Bucket, f.Key, f.Why)
	if f.Next != "" {
		s += ": " + f.Next
	}
	return clean(s)
}

// readAtOnce is how many objects of a bucket are read at the same time, unless it is said.
const readAtOnce = 16

// next says what mends a finding.
func (cmd verifyCmd) next(d *site, f verify.Finding) string {
	rerun := cmd.command("rerun %s --force", f.Hour)
	switch f.Mend {
	case verify.MendRerun:
		return rerun
	case verify.MendReplace:
		return fmt.Sprintf("`%s`, then %s", remove(d, f.Bucket, f.Key), rerun)
	case verify.MendRebuild:
		return cmd.command("verify %s --rebuild", f.Hour) + " makes it good as long as the stream has the records"
	case verify.MendReplay:
		return cmd.command("replay %s", f.Hour)
	case verify.MendClean:
		return cmd.command("clean %s --yes", f.Hour)
	case verify.MendCopy:
		return copyLines(d, f)
	case verify.MendRestore:
		s := "bring back an earlier version of the file: no command makes it again"
		if d.Stack != nil {
			s = fmt.Sprintf("bring back an earlier version of the object: `aws s3api list-object-versions --bucket %s --prefix %s` lists them", d.bucket(string(f.Bucket)), f.Key)
		}
		if f.Holds != nil {
			s += fmt.Sprintf("; lines %d to %d of %s hold what the hour takes of it", f.Holds.From, f.Holds.To, d.path(string(verify.Hours), f.Holds.Key))
		}
		return s
	}
	return ""
}

// remove is the command that removes an object.
func remove(d *site, bucket verify.Bucket, key string) string {
	if d.Stack != nil {
		return "aws s3 rm " + d.path(string(bucket), key)
	}
	return "rm " + d.path(string(bucket), key)
}

// copyLines is the command that makes a damaged archive object again of the part's lines.
func copyLines(d *site, f verify.Finding) string {
	part, object := d.path(string(verify.Hours), f.Holds.Key), d.path(string(f.Bucket), f.Key)
	if d.Stack == nil {
		return fmt.Sprintf("`penstock bzip2 -d < %s | sed -n %d,%dp | penstock bzip2 > %s`", part, f.Holds.From, f.Holds.To, object)
	}
	// The archive takes an object only where none is.
	return fmt.Sprintf("`aws s3 cp %s - | penstock bzip2 -d | sed -n %d,%dp | penstock bzip2 > mended.bz2`, then `aws s3 rm %s`, "+
		"then `aws s3api put-object --if-none-match '*' --body mended.bz2 --bucket %s --key %s`", part, f.Holds.From, f.Holds.To, object, d.bucket(string(f.Bucket)), f.Key)
}
