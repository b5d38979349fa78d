package hour

import (
	"fmt"
	"strconv"
	"strings"
)

// RevisionDigits is the length of a revision: the first hex digits of its hash.
const RevisionDigits = 12

// CheckRevision says whether s can be a revision.
func CheckRevision(s string) error {
	if !isHash(s, RevisionDigits) {
		return fmt.Errorf("%.40q is not a revision of %d hex digits", s, RevisionDigits)
	}
	return nil
}

// PartKey is the key of one compacted file of an hour; part numbers begin at 0.
func (k Keys) PartKey(h Hour, revision string, part int) string {
	return fmt.Sprintf("%s%s.%04d.bz2", k.open(h), revision, part)
}

// PartsGlob matches the parts of a revision, as Hadoop's globs do.
func (k Keys) PartsGlob(h Hour, revision string) string { return k.open(h) + revision + ".*.bz2" }

// ParsePartKey reads a part's key.
func (k Keys) ParsePartKey(key string) (h Hour, revision string, part int, ok bool) {
	h, rest, ok := k.split(key, ".bz2")
	if !ok {
		return
	}
	revision, num, ok := strings.Cut(rest, ".")
	part, err := strconv.Atoi(num)
	ok = ok && err == nil && part >= 0 && isHash(revision, RevisionDigits) && k.PartKey(h, revision, part) == key
	return
}

// HourRejectsKey is the key of a revision's rejects.
func (k Keys) HourRejectsKey(h Hour, revision string) string {
	return k.marked(h) + revision + ".rejects"
}

// ParseHourRejectsKey reads the key of a revision's rejects.
func (k Keys) ParseHourRejectsKey(key string) (Hour, string, bool) {
	h, rest, ok := k.split(key, ".rejects")
	return h, rest, ok && isHash(rest, RevisionDigits) && k.HourRejectsKey(h, rest) == key
}

// SealKey is the key of a seal.
func (k Keys) SealKey(h Hour, revision string) string { return k.marked(h) + revision + ".seal.json" }

// ParseSealKey reads a seal's key.
func (k Keys) ParseSealKey(key string) (Hour, string, bool) {
	h, rest, ok := k.split(key, ".seal.json")
	return h, rest, ok && isHash(rest, RevisionDigits) && k.SealKey(h, rest) == key
}

// LedgerKey is the key of the n-th entry of an hour's ledger, from 1.
func (k Keys) LedgerKey(h Hour, n int) string {
	return fmt.Sprintf("%sledger/%06d.json", k.marked(h), n)
}

// LedgerPrefix is the prefix of an hour's ledger entries.
func (k Keys) LedgerPrefix(h Hour) string { return k.marked(h) + "ledger/" }

// ParseLedgerKey reads a ledger entry's key.
func (k Keys) ParseLedgerKey(key string) (Hour, int, bool) {
	h, rest, ok := k.split(key, ".json")
	if !ok {
		return h, 0, false
	}
	num, ok := strings.CutPrefix(rest, "ledger/")
	n, err := strconv.Atoi(num)
	return h, n, ok && err == nil && n > 0 && k.LedgerKey(h, n) == key
}

// ManifestKey is the key of an hour's manifest.
func (k Keys) ManifestKey(h Hour) string { return k.marked(h) + "manifest.json" }

// ParseManifestKey reads a manifest's key.
func (k Keys) ParseManifestKey(key string) (Hour, bool) {
	h, rest, ok := k.split(key, "manifest.json")
	return h, ok && rest == "" && k.ManifestKey(h) == key
}

// ResultKey names one attempt at an hour's result.
type ResultKey struct {
	Job      string // the playbook's name
	Hour     Hour
	Revision string
	Run      int // the execution for the hour, from 1
	Cluster  int // the cluster of the run, from 1
}

// ResultPrefix is the prefix of EMR's output; it ends with a slash.
func (k Keys) ResultPrefix(r ResultKey) string {
	return fmt.Sprintf("results/%s/%s/%s.%d.%d/", r.Job, r.Hour.Start().Format("2006/01/02/15"), r.Revision, r.Run, r.Cluster)
}

// ResultsPrefix is the prefix of all results of a job and hour.
func (k Keys) ResultsPrefix(job string, h Hour) string {
	return fmt.Sprintf("results/%s/%s/", job, h.Start().Format("2006/01/02/15"))
}

// ParseResultKey reads the key of a result's file: its attempt, and the file's name within it.
func (k Keys) ParseResultKey(key string) (ResultKey, string, bool) {
	f := strings.SplitN(key, "/", 8)
	if len(f) != 8 || f[0] != "results" || len(key) > 1024 {
		return ResultKey{}, "", false
	}
	h, ok := parseCompact(f[2] + f[3] + f[4] + f[5])
	a := strings.Split(f[6], ".")
	if !ok || len(a) != 3 || !isHash(a[0], RevisionDigits) {
		return ResultKey{}, "", false
	}
	run, ok1 := parseCount(a[1])
	cluster, ok2 := parseCount(a[2])
	r := ResultKey{f[1], h, a[0], run, cluster}
	return r, f[7], f[1] != "" && ok1 && ok2 && strings.HasPrefix(key, k.ResultPrefix(r))
}
