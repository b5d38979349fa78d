package hour

import (
	"fmt"
	"strconv"
	"strings"
)

// Keys builds and reads the keys of one data set. Its name stands in every key.
//
// Names that begin with "_" are skipped by Hadoop and Spark, so that only data lies open in a month's folder.
type Keys struct{ name string }

// DefaultName is the data set's name where none is given.
const DefaultName = "player_events"

// NewKeys checks the data set's name: a letter, then at most 62 lower-case letters, digits or underscores.
func NewKeys(name string) (Keys, error) {
	if name == "" || len(name) > 63 || name[0] < 'a' || name[0] > 'z' {
		return Keys{}, fmt.Errorf("data set name %.80q: want a lower-case letter, then letters, digits or _", name)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return Keys{}, fmt.Errorf("data set name %.80q: want a lower-case letter, then letters, digits or _", name)
		}
	}
	return Keys{name}, nil
}

// Name returns the data set's name.
func (k Keys) Name() string { return k.name }

func month(h Hour) string { return h.Start().Format("2006/01/") }

func (k Keys) marked(h Hour) string { return month(h) + "_" + k.name + "." + h.Compact() + "." }
func (k Keys) open(h Hour) string   { return month(h) + k.name + "." + h.Compact() + "." }

// DayPrefix is the prefix of all marked documents (indexes; seals, ledgers, manifests) of h's day.
func (k Keys) DayPrefix(h Hour) string {
	return month(h) + "_" + k.name + "." + h.Start().Format("20060102")
}

// MonthPrefix is the prefix of all marked documents of h's month.
func (k Keys) MonthPrefix(h Hour) string {
	return month(h) + "_" + k.name + "." + h.Start().Format("200601")
}

// HourPrefix is the prefix of all marked documents of an hour.
func (k Keys) HourPrefix(h Hour) string { return k.marked(h) }

// DataPrefix is the prefix of an hour's data: archive objects in the one bucket, parts in the other.
func (k Keys) DataPrefix(h Hour) string { return k.open(h) }

// DayDataPrefix is the prefix of the data of h's day, as DataPrefix is an hour's.
func (k Keys) DayDataPrefix(h Hour) string {
	return month(h) + k.name + "." + h.Start().Format("20060102")
}

// Span names a run of records of one shard and hour.
type Span struct {
	Hour        Hour
	Shard       string
	First, Last Sequence
}

func (s Span) String() string { return s.Shard + "." + s.First.padded() + "-" + s.Last.padded() }

// CheckShard says whether id can be a shard id: at most 128 of [A-Za-z0-9_-].
func CheckShard(id string) error {
	if id == "" || len(id) > 128 {
		return fmt.Errorf("shard id of %d characters", len(id))
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("shard id with a character outside [A-Za-z0-9_-]")
		}
	}
	return nil
}

// DataKey names an archive object or a rejects object by its content.
type DataKey struct {
	Span
	Count int    // events, or rejects
	Hash  string // first 12 hex digits of the object's SHA-256
}

// ObjectKey is the key of an archive object: events, newline-delimited, bzip2.
func (k Keys) ObjectKey(d DataKey) string {
	return fmt.Sprintf("%s%s.%d.%s.bz2", k.open(d.Hour), d.Span, d.Count, d.Hash)
}

// RejectsKey is the key of a batch's rejects: JSON lines, bzip2.
func (k Keys) RejectsKey(d DataKey) string {
	return fmt.Sprintf("%s%s.%d.%s.rejects", k.marked(d.Hour), d.Span, d.Count, d.Hash)
}

// IndexKey is the key of the document that commits a batch.
func (k Keys) IndexKey(s Span) string { return k.marked(s.Hour) + s.String() + ".index" }

// RepairKey is the key of a repair: the document that commits events which rejects of a batch have become. Its count is
// that of the events, its hash the first 12 hex digits of its RecordsHash.
func (k Keys) RepairKey(d DataKey) string {
	return fmt.Sprintf("%s%s.%d.%s.repair", k.marked(d.Hour), d.Span, d.Count, d.Hash)
}

// ParseObjectKey reads an archive object's key.
func (k Keys) ParseObjectKey(key string) (DataKey, bool) { return k.parseData(key, k.open, ".bz2") }

// ParseRejectsKey reads a rejects key.
func (k Keys) ParseRejectsKey(key string) (DataKey, bool) {
	return k.parseData(key, k.marked, ".rejects")
}

// ParseRepairKey reads a repair's key.
func (k Keys) ParseRepairKey(key string) (DataKey, bool) {
	return k.parseData(key, k.marked, ".repair")
}

// ParseIndexKey reads an index's key.
func (k Keys) ParseIndexKey(key string) (Span, bool) {
	h, rest, ok := k.split(key, ".index")
	if !ok {
		return Span{}, false
	}
	s, ok := parseSpanName(h, rest)
	return s, ok && k.IndexKey(s) == key
}

func (k Keys) parseData(key string, prefix func(Hour) string, ext string) (DataKey, bool) {
	h, rest, ok := k.split(key, ext)
	if !ok {
		return DataKey{}, false
	}
	f := strings.Split(rest, ".")
	if len(f) != 4 {
		return DataKey{}, false
	}
	s, ok := parseSpanName(h, f[0]+"."+f[1])
	n, ok2 := parseCount(f[2])
	if !ok || !ok2 || !isHash(f[3], 12) {
		return DataKey{}, false
	}
	d := DataKey{s, n, f[3]}
	return d, key == fmt.Sprintf("%s%s.%d.%s%s", prefix(h), s, n, d.Hash, ext)
}

// split takes a key apart: its hour, and what lies between the hour and ext.
func (k Keys) split(key, ext string) (Hour, string, bool) {
	if len(key) > 1024 || len(key) < 8 {
		return Hour{}, "", false
	}
	rest := strings.TrimPrefix(key[8:], "_")
	rest, ok := strings.CutPrefix(rest, k.name+".")
	if !ok || len(rest) < 11 || rest[10] != '.' {
		return Hour{}, "", false
	}
	h, ok := parseCompact(rest[:10])
	if !ok || key[:8] != month(h) {
		return Hour{}, "", false
	}
	rest, ok = strings.CutSuffix(rest[11:], ext)
	return h, rest, ok
}

func parseSpanName(h Hour, s string) (Span, bool) {
	shard, seqs, ok := strings.Cut(s, ".")
	first, last, ok2 := strings.Cut(seqs, "-")
	if !ok || !ok2 || CheckShard(shard) != nil {
		return Span{}, false
	}
	a, err1 := ParseSequence(first)
	b, err2 := ParseSequence(last)
	if err1 != nil || err2 != nil || a.Compare(b) > 0 {
		return Span{}, false
	}
	return Span{h, shard, a, b}, true
}

func parseCount(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && strconv.Itoa(n) == s
}

func isHash(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
