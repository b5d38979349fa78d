package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"penstock/internal/verify"
)

type verifyCmd struct {
	place
	asJSON
	Range       span          `arg:"" predictor:"hour" placeholder:"RANGE" help:"Hour, day, month or FROM..TO."`
	ArchiveKeep time.Duration `default:"840h" placeholder:"TIME" help:"How long the archive of a published hour is kept: a later hour whose archive is gone as a whole is in order (${default})."`
	Procs       int           `placeholder:"N" help:"Objects read at the same time (as many as there are cores)."`
}

// Help implements kong.HelpProvider.
func (verifyCmd) Help() string {
	return `Recomputes all that can be recomputed of an hour: keys, every index against its objects, rejects, the seal against the archive, the ledger's chain and what it adds up to, every part line by line against the archive objects that it was made of, the manifest, the results and the playbook's check.

Each line is something that is wrong, with the command that mends it; the exit code is then 7. Notes are worth knowing and not wrong. A running hour may change while it is read: repeat the command if it finds anything there.

The stream is not read again, and a lost index is not made again.

Examples:

  penstock verify 2026-11-23T07
  penstock verify 2026-11-23..2026-11-29
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
	v := &verify.Verifier{Archive: d.Archive, Hours: d.Hours, Keys: d.Keys, Text: d.Format == "text", Now: c.Now,
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
	set, finish := c.progress(scope.Documents, "documents")
	if set != nil {
		var done atomic.Int64
		v.Progress = func() { set(int(done.Add(1))) }
	}
	all := verified{Hours: len(scope.Hours), Findings: []verifiedObject{}, Notes: []verifiedObject{}}
	bad := 0
	for _, h := range scope.Hours {
		r, err := v.Hour(ctx, h)
		if err != nil {
			finish()
			return err
		}
		all.Objects, all.Bytes = all.Objects+r.Objects, all.Bytes+r.Bytes
		for _, f := range r.Findings {
			all.Findings = append(all.Findings, verifiedObject{f, cmd.next(d, f)})
		}
		for _, f := range r.Notes {
			all.Notes = append(all.Notes, verifiedObject{f, cmd.next(d, f)})
		}
		if len(r.Findings) > 0 {
			bad++
		}
	}
	finish()
	if err := cmd.show(c, &all); err != nil || bad == 0 {
		return err
	}
	return failf(exitCorrupt, "%s in %d of %s", count(len(all.Findings), "finding", "findings"), bad, count(all.Hours, "hour", "hours"))
}

func (cmd verifyCmd) show(c *console, all *verified) error {
	if cmd.JSON {
		return c.printJSON(all)
	}
	var b strings.Builder
	for _, f := range all.Findings {
		fmt.Fprintln(&b, c.paint(red, "wrong")+" "+f.line())
	}
	for _, f := range all.Notes {
		fmt.Fprintln(&b, c.paint(dim, "note")+"  "+f.line())
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
