package publish

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
	"penstock/internal/playbook"
	"penstock/internal/store"
)

// Limits of a result.
const (
	maxFiles  = 10_000
	maxLine   = 16 << 20 // bytes of a line, where lines are checked
	maxDigits = 128      // of a number that is summed
)

// results lists the job's output and checks it: Hadoop's _SUCCESS, at least one data file, and the playbook's check.
func (h *Handler) results(ctx context.Context, in In, check *playbook.Check, events int) ([]hour.File, error) {
	mismatch := func(format string, args ...any) error {
		return &fault.ResultMismatch{Hour: in.Hour.String(), Detail: in.Result + ": " + fmt.Sprintf(format, args...)}
	}
	var files []hour.File
	success := false
	for o, err := range h.Hours.List(ctx, in.Result) {
		if err != nil {
			return nil, fmt.Errorf("list result of hour %s: %w", in.Hour, err)
		}
		name := o.Key[len(in.Result):]
		success = success || name == "_SUCCESS"
		if hidden(name) {
			continue
		}
		if len(files) == maxFiles {
			return nil, mismatch("more than %d files", maxFiles)
		}
		files = append(files, fileOf(o))
	}
	switch {
	case !success:
		return nil, mismatch("no _SUCCESS")
	case len(files) == 0:
		return nil, mismatch("no part files")
	}
	if check == nil {
		return files, nil
	}
	sum := new(big.Rat)
	for _, f := range files {
		switch bad, err := h.add(ctx, sum, f, check.Sum); {
		case err != nil:
			return nil, err
		case bad != "":
			return nil, mismatch("%s %s", f.Key[len(in.Result):], bad)
		}
	}
	if sum.Cmp(new(big.Rat).SetInt64(int64(events))) != 0 {
		return nil, mismatch("the sum of %s is %s, the hour has %d events", check.Sum, sum.RatString(), events)
	}
	return files, nil
}

func fileOf(o store.Object) hour.File { return hour.File{Key: o.Key, Size: o.Size, ETag: o.ETag} }

// hidden says whether Hadoop and Spark skip a file, or one of its folders, by its name.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '_' || part[0] == '.' {
			return true
		}
	}
	return false
}

// add adds up a field over the lines of a file. A line is a JSON object, or a key, a TAB and a JSON object; bad says what
// is wrong with the file otherwise.
func (h *Handler) add(ctx context.Context, sum *big.Rat, f hour.File, field string) (bad string, err error) {
	body, err := h.Hours.GetRange(ctx, f.Key, f.ETag, 0, -1)
	if err != nil {
		return "", fmt.Errorf("read result %s: %w", f.Key, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	r, err := plain(f.Key, body)
	if err != nil {
		return "is not compressed as its name says", nil
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if bad := addLine(sum, lines.Bytes(), field); bad != "" {
			return fmt.Sprintf("line %d %s", n, bad), nil
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Sprintf("has a line of more than %d bytes", maxLine), nil
	case err != nil:
		return "", fmt.Errorf("read result %s: %w", f.Key, err)
	}
	return "", nil
}

func plain(key string, body io.Reader) (io.Reader, error) {
	switch {
	case strings.HasSuffix(key, ".gz"):
		return gzip.NewReader(body)
	case strings.HasSuffix(key, ".bz2"):
		return bzip2.NewReader(body), nil
	}
	return body, nil
}

// addLine adds a line's number; bad says why it has none.
func addLine(sum *big.Rat, line []byte, field string) (bad string) {
	if _, value, found := bytes.Cut(line, []byte{'\t'}); found {
		line = value
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return "is no JSON object behind a key and a TAB"
	}
	raw, ok := fields[field]
	if !ok || len(raw) > maxDigits || strings.Trim(string(raw), "-.0123456789") != "" { // no exponent: it may be huge
		return fmt.Sprintf("has no plain number %q", field)
	}
	n, ok := new(big.Rat).SetString(string(raw))
	if !ok {
		return fmt.Sprintf("has no plain number %q", field)
	}
	sum.Add(sum, n)
	return ""
}
