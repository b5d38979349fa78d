package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"penstock/internal/bzip2"
	"penstock/internal/hour"
)

type resultCmd struct {
	place
	asJSON
	Hour  hour.Hour `arg:"" predictor:"hour" placeholder:"HOUR" help:"UTC hour of arrival, such as 2026-11-23T07."`
	Raw   bool      `help:"Print the bytes of the result's files, one after the other."`
	Files bool      `help:"List the result's files instead."`
}

// Help implements kong.HelpProvider.
func (resultCmd) Help() string {
	return `The result is what the playbook's job wrote. A result of rollup is shown as a table, any other as it is.

Examples:

  penstock result 2026-11-23T07
  penstock result 2026-11-23T07 --json | jq '.[] | select(.views > 10)'
  penstock result 2026-11-23T07 --files
`
}

// maxTable is the largest result that becomes a table, in bytes.
const maxTable = 64 << 20

func (cmd resultCmd) Run(ctx context.Context, c *console) error {
	d, err := cmd.open(ctx, c)
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := cmd.find(ctx, d, cmd.Hour)
	if err != nil {
		return err
	}
	if cmd.Files {
		return cmd.printFiles(c, m.Results)
	}
	var total int64
	for _, f := range m.Results {
		total += f.Size
	}
	if cmd.Raw || total > maxTable {
		return copyResult(ctx, d, m.Results, c.Out)
	}
	var b bytes.Buffer
	if err := copyResult(ctx, d, m.Results, &b); err != nil {
		return err
	}
	rows, ok := parseResult(b.Bytes())
	switch {
	case ok && cmd.JSON:
		return c.printJSON(rows)
	case cmd.JSON:
		return c.printJSON(strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"))
	case ok && len(rows) > 0:
		return c.printTable(resultTable(rows))
	case len(m.Results) == 0:
		_, err = fmt.Fprintf(c.Out, "hour %s is published and has no events: no result\n", cmd.Hour)
	default:
		_, err = c.Out.Write(b.Bytes())
	}
	return err
}

func (cmd resultCmd) printFiles(c *console, files []hour.File) error {
	if cmd.JSON {
		return c.printJSON(append([]hour.File{}, files...))
	}
	l := listing{Columns: []column{{"file", false}, {"size", true}}}
	for _, f := range files {
		l.Rows = append(l.Rows, []string{f.Key, size(f.Size)})
	}
	return c.printTable(l)
}

// copyResult copies the data files of a result, in the order of their names. The version of each is the published one.
func copyResult(ctx context.Context, d *site, files []hour.File, w io.Writer) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b hour.File) int { return strings.Compare(a.Key, b.Key) })
	for _, f := range files {
		if name := path.Base(f.Key); strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			continue
		}
		if err := copyFile(ctx, d, f, w); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(ctx context.Context, d *site, f hour.File, w io.Writer) error {
	body, err := d.Hours.GetRange(ctx, f.Key, f.ETag, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	var r io.Reader = body
	if strings.HasSuffix(f.Key, ".bz2") {
		if r, err = bzip2.NewReader(body, bzip2.ReaderConfig{}); err != nil {
			return err
		}
	}
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("read result %s: %w", f.Key, err)
	}
	return nil
}

// pair is a named value; results keep the order of their names.
type pair struct {
	name  string
	value json.RawMessage
}

type pairs []pair

// MarshalJSON implements json.Marshaler.
func (p pairs) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, x := range p {
		name, err := json.Marshal(x.name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), x.value...)
	}
	return append(b, '}'), nil
}

// parseResult reads lines of rollup: an object of groups, a tab, an object of measures. ok is false if it is not that.
func parseResult(b []byte) (rows []pairs, ok bool) {
	rows = []pairs{}
	for line := range bytes.Lines(b) {
		key, value, found := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\t'})
		groups, err := parsePairs(key)
		measures, err2 := parsePairs(value)
		if !found || err != nil || err2 != nil {
			return nil, false
		}
		rows = append(rows, append(groups, measures...))
	}
	return rows, true
}

func parsePairs(b []byte) (pairs, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	var p pairs
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		if err != nil || !isName {
			return nil, errors.New("not a name")
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		p = append(p, pair{name, v})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than an object")
	}
	return p, nil
}

// resultTable has the names of the first row as columns; a row with others would not be of the same result.
func resultTable(rows []pairs) listing {
	var l listing
	for _, x := range rows[0] {
		l.Columns = append(l.Columns, column{x.name, len(x.value) > 0 && x.value[0] != '"' && x.value[0] != 'n'})
	}
	for _, r := range rows {
		var row []string
		for i := range l.Columns {
			if i < len(r) && r[i].name == l.Columns[i].Name {
				row = append(row, plainValue(r[i].value))
			} else {
				row = append(row, "")
			}
		}
		l.Rows = append(l.Rows, row)
	}
	return l
}

// plainValue is a JSON value as a person reads it, without control characters.
func plainValue(v json.RawMessage) string {
	var s string
	switch {
	case json.Unmarshal(v, &s) != nil:
		return string(v)
	case string(v) == "null":
		return "-"
	}
	return clean(s)
}
