package verify

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"penstock/internal/fault"
	"penstock/internal/hour"
	"penstock/internal/store"
)

// checkResults checks that every file of the published result is there as it was published, and what the playbook demands.
func (c *check) checkResults(ctx context.Context) error {
	p := c.published
	if p == nil || p.Result == "" {
		return nil
	}
	k, rest, ok := c.Keys.ParseResultKey(p.Result)
	if !ok || rest != "" || k.Hour != c.hour || k.Revision != c.revision || k.Job != p.Job || k.Cluster != p.Cluster {
		c.find(Hours, p.Result, MendRerun, "the published result is not where a cluster of this revision writes")
		return nil
	}
	there := map[string]store.Object{}
	for o, err := range c.Hours.List(ctx, p.Result) {
		if err != nil {
			return fmt.Errorf("list results: %w", err)
		}
		there[o.Key] = o
	}
	if _, ok := there[p.Result+"_SUCCESS"]; !ok {
		c.find(Hours, p.Result+"_SUCCESS", MendRerun, "gone: the job's sign that its output is whole")
	}
	named := map[string]bool{p.Result + "_SUCCESS": true}
	field := c.field()
	sum, whole := new(big.Rat), true
	for _, f := range p.Results {
		named[f.Key] = true
		o, ok := there[f.Key]
		switch {
		case !ok:
			c.find(Hours, f.Key, MendRerun, "gone: the publication names it")
		case o.Size != f.Size || o.ETag != f.ETag:
			c.find(Hours, f.Key, MendRerun, "its size or ETag is not what was published")
		default:
			ok, err := c.readResult(ctx, f, field, sum)
			if err != nil {
				return err
			}
			whole = whole && ok
			continue
		}
		whole = false
	}
	for _, key := range sorted(there) {
		if !named[key] {
			c.note(Hours, key, MendNone, "it lies among the published results, which do not name it")
		}
	}
	if whole && field != "" && sum.Cmp(new(big.Rat).SetInt64(int64(p.Events))) != 0 {
		c.find(Hours, p.Result, MendRerun, "the sum of %s is %s, the hour has %d events", field, sum.RatString(), p.Events)
	}
	return nil
}

// field is the one that the playbook sums, if it is the playbook that the result was made by.
func (c *check) field() string {
	if c.Playbook == nil || c.Playbook.Check == nil || c.Playbook.Name != c.published.Job || c.state == nil || c.state.Published() == nil {
		return ""
	}
	k, _, _ := c.Keys.ParseResultKey(c.published.Result)
	run := k.Run // an earlier one's, if the run that published resumed there
	for i := range c.state.Entries {
		e := &c.state.Entries[i]
		if e.Type == hour.EntryClusterRequested && e.Run == run && e.Cluster != nil && e.Cluster.Number == c.published.Cluster && e.Playbook != nil {
			if e.Playbook.SHA256 == c.PlaybookHash {
				return c.Playbook.Check.Sum
			}
			c.note(Hours, c.published.Result, MendNone, "the playbook has changed since: its check is left out")
		}
	}
	return ""
}

// readResult reads a result file to its end and adds up the playbook's field. It returns false, with a finding, if a line
// has none.
func (c *check) readResult(ctx context.Context, f hour.File, field string, sum *big.Rat) (ok bool, err error) {
	body, err := c.Hours.GetRange(ctx, f.Key, f.ETag, 0, -1)
	var none *fault.NotFound
	var changed *fault.Changed
	if errors.As(err, &none) || errors.As(err, &changed) {
		c.find(Hours, f.Key, MendRerun, "it is not what was published")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read result: %w", err)
	}
	defer body.Close()
	in := &counted{r: body}
	bad := ""
	if field != "" {
		bad = addUp(sum, in, f.Key, field)
	}
	if in.err == nil {
		_, _ = io.Copy(io.Discard, in)
	}
	if in.err != nil {
		return false, fmt.Errorf("read result %s: %w", f.Key, in.err)
	}
	c.count(in.n)
	if in.n != f.Size {
		bad = fmt.Sprintf("%d bytes, the publication says %d", in.n, f.Size)
	}
	if bad != "" {
		c.find(Hours, f.Key, MendRerun, "%s", bad)
	}
	return bad == "", nil
}

// addUp adds the field of every line, a JSON object or one behind a key and a TAB, and says what is wrong, or "".
func addUp(sum *big.Rat, in io.Reader, key, field string) string {
	r := in
	switch {
	case strings.HasSuffix(key, ".gz"):
		z, err := gzip.NewReader(in)
		if err != nil {
			return "it is not compressed as its name says"
		}
		r = z
	case strings.HasSuffix(key, ".bz2"):
		r = bzip2.NewReader(in)
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if _, value, found := bytes.Cut(line, []byte{'\t'}); found {
			line = value
		}
		var fields map[string]json.RawMessage
		text := ""
		if json.Unmarshal(line, &fields) == nil {
			text = string(fields[field])
		}
		// No exponent, and not many digits: a number may be huge.
		value, ok := new(big.Rat), text != "" && len(text) <= 128 && strings.Trim(text, "-.0123456789") == ""
		if ok {
			_, ok = value.SetString(text)
		}
		if !ok {
			return fmt.Sprintf("line %d has no plain number %q", n, field)
		}
		sum.Add(sum, value)
	}
	if lines.Err() != nil {
		return "it cannot be read as lines"
	}
	return ""
}

// strays notes what nothing names.
func (c *check) strays(context.Context) error {
	for _, key := range sorted(c.archive) {
		_, index := c.Keys.ParseIndexKey(key)
		if _, repair := c.Keys.ParseRepairKey(key); index || repair || c.named[key] {
			continue
		}
		d, ok := c.Keys.ParseObjectKey(key)
		if !ok {
			d, ok = c.Keys.ParseRejectsKey(key)
		}
		switch _, committed := c.archive[c.Keys.IndexKey(d.Span)]; {
		case !ok:
			c.note(Archive, key, MendNone, "no index: it has no meaning to this release")
		case !committed:
			c.note(Archive, key, MendNone, "stray: no index names it, so that it does not exist for anybody")
		case c.sound(Archive, c.Keys.IndexKey(d.Span)):
			c.note(Archive, key, MendNone, "stray: the index of its range names another object")
		}
	}
	if c.state == nil {
		return nil
	}
	known := map[string]bool{}
	for _, e := range c.state.Entries {
		known[e.Revision] = true
	}
	for _, key := range sorted(c.hours) {
		_, rev, _, ok := c.Keys.ParsePartKey(key)
		if !ok {
			_, rev, ok = c.Keys.ParseHourRejectsKey(key)
		}
		if ok && !known[rev] {
			c.note(Hours, key, MendNone, "stray: no entry of the ledger knows revision %s: has the ledger lost its last entries?", rev)
		}
	}
	return nil
}
