package hour

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	seqA = "49651234567890123456789012345678901234567890123456789012" // 56 digits
	seqB = "49651234567890123456789012345678901234567890123456789999"
)

func testKeys(t testing.TB) Keys {
	t.Helper()
	k, err := NewKeys(DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreThoseOfTheDesign(t *testing.T) {
	k, h := testKeys(t), mustHour(t, "2026-11-23T07")
	const shard, hash = "shardId-000000000003", "0123456789ab"
	s := Span{h, shard, seqA, seqB}
	short := Span{h, shard, "7", "12"}
	for _, c := range []struct{ got, want string }{
		{k.ObjectKey(DataKey{s, 500, hash}), "2026/11/player_events.2026112307." + shard + "." + seqA + "-" + seqB + ".500.0123456789ab.bz2"},
		{k.RejectsKey(DataKey{s, 2, hash}), "2026/11/_player_events.2026112307." + shard + "." + seqA + "-" + seqB + ".2.0123456789ab.rejects"},
		{k.RepairKey(DataKey{s, 2, hash}), "2026/11/_player_events.2026112307." + shard + "." + seqA + "-" + seqB + ".2.0123456789ab.repair"},
		{k.IndexKey(s), "2026/11/_player_events.2026112307." + shard + "." + seqA + "-" + seqB + ".index"},
		{k.IndexKey(short), "2026/11/_player_events.2026112307." + shard + "." + strings.Repeat("0", 55) + "7-" + strings.Repeat("0", 54) + "12.index"},
		{k.PartKey(h, hash, 3), "2026/11/player_events.2026112307.0123456789ab.0003.bz2"},
		{k.PartKey(h, hash, 12345), "2026/11/player_events.2026112307.0123456789ab.12345.bz2"},
		{k.PartsGlob(h, hash), "2026/11/player_events.2026112307.0123456789ab.*.bz2"},
		{k.HourRejectsKey(h, hash), "2026/11/_player_events.2026112307.0123456789ab.rejects"},
		{k.SealKey(h, hash), "2026/11/_player_events.2026112307.0123456789ab.seal.json"},
		{k.LedgerKey(h, 1), "2026/11/_player_events.2026112307.ledger/000001.json"},
		{k.LedgerPrefix(h), "2026/11/_player_events.2026112307.ledger/"},
		{k.ManifestKey(h), "2026/11/_player_events.2026112307.manifest.json"},
		{k.ResultPrefix(ResultKey{"video", h, hash, 2, 1}), "results/video/2026/11/23/07/0123456789ab.2.1/"},
		{k.ResultsPrefix("video", h), "results/video/2026/11/23/07/"},
		{k.HourPrefix(h), "2026/11/_player_events.2026112307."},
		{k.DataPrefix(h), "2026/11/player_events.2026112307."},
		{k.MonthPrefix(h), "2026/11/_player_events.202611"},
		{k.DayPrefix(h), "2026/11/_player_events.20261123"},
	} {
		if c.got != c.want {
			t.Errorf("key\n     %s\nwant %s", c.got, c.want)
		}
	}
}

// randomSpan returns a span of an hour between 1965 and 2085.
func randomSpan(r *rand.Rand) Span {
	digits := func() Sequence {
		b := make([]byte, 1+r.IntN(MaxSequenceDigits))
		for i := range b {
			b[i] = '0' + byte(r.IntN(10))
		}
		s, _ := ParseSequence(string(b))
		return s
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	shard := make([]byte, 1+r.IntN(128))
	for i := range shard {
		shard[i] = letters[r.IntN(len(letters))]
	}
	a, b := digits(), digits()
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return Span{Hour{}.Add(r.IntN(120*8766) - 5*8766), string(shard), a, b}
}

func randomHash(r *rand.Rand) string { return fmt.Sprintf("%012x", r.Uint64()>>16) }

func TestEveryKeyComesBackFromItsText(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 1_000 {
		name := []string{DefaultName, "a", "web_access", "x" + strings.Repeat("9", 62)}[r.IntN(4)]
		k, err := NewKeys(name)
		if err != nil || k.Name() != name {
			t.Fatal(k, err)
		}
		s, hash, n := randomSpan(r), randomHash(r), r.IntN(20_000)
		d := DataKey{s, n, hash}
		if got, ok := k.ParseObjectKey(k.ObjectKey(d)); !ok || got != d {
			t.Fatalf("object %s: %+v, %v", k.ObjectKey(d), got, ok)
		}
		if got, ok := k.ParseRejectsKey(k.RejectsKey(d)); !ok || got != d {
			t.Fatalf("rejects %s: %+v, %v", k.RejectsKey(d), got, ok)
		}
		if got, ok := k.ParseRepairKey(k.RepairKey(d)); !ok || got != d {
			t.Fatalf("repair %s: %+v, %v", k.RepairKey(d), got, ok)
		}
		if got, ok := k.ParseIndexKey(k.IndexKey(s)); !ok || got != s {
			t.Fatalf("index %s: %+v, %v", k.IndexKey(s), got, ok)
		}
		if h, rev, part, ok := k.ParsePartKey(k.PartKey(s.Hour, hash, n)); !ok || h != s.Hour || rev != hash || part != n {
			t.Fatalf("part %s: %s %s %d %v", k.PartKey(s.Hour, hash, n), h, rev, part, ok)
		}
		if h, rev, ok := k.ParseHourRejectsKey(k.HourRejectsKey(s.Hour, hash)); !ok || h != s.Hour || rev != hash {
			t.Fatalf("rejects %s: %s %s %v", k.HourRejectsKey(s.Hour, hash), h, rev, ok)
		}
		if h, rev, ok := k.ParseSealKey(k.SealKey(s.Hour, hash)); !ok || h != s.Hour || rev != hash {
			t.Fatalf("seal %s: %s %s %v", k.SealKey(s.Hour, hash), h, rev, ok)
		}
		if h, entry, ok := k.ParseLedgerKey(k.LedgerKey(s.Hour, n+1)); !ok || h != s.Hour || entry != n+1 {
			t.Fatalf("entry %s: %s %d %v", k.LedgerKey(s.Hour, n+1), h, entry, ok)
		}
		if h, ok := k.ParseManifestKey(k.ManifestKey(s.Hour)); !ok || h != s.Hour {
			t.Fatalf("manifest %s: %s %v", k.ManifestKey(s.Hour), h, ok)
		}
		a := ResultKey{"video", s.Hour, hash, 1 + n, 1 + r.IntN(3)}
		if got, file, ok := k.ParseResultKey(k.ResultPrefix(a) + "a/part-00000"); !ok || got != a || file != "a/part-00000" {
			t.Fatalf("result %s: %+v %s %v", k.ResultPrefix(a), got, file, ok)
		}
		if s.Hour.Before(s.Hour.Add(1)) && k.DataPrefix(s.Hour) >= k.DataPrefix(s.Hour.Add(1)) {
			t.Fatalf("keys of %s do not sort before those of the next hour", s.Hour)
		}
	}
}

// parsers names every parser of keys.
func parsers(k Keys) map[string]func(string) bool {
	return map[string]func(string) bool{
		"object":       func(s string) bool { _, ok := k.ParseObjectKey(s); return ok },
		"rejects":      func(s string) bool { _, ok := k.ParseRejectsKey(s); return ok },
		"repair":       func(s string) bool { _, ok := k.ParseRepairKey(s); return ok },
		"index":        func(s string) bool { _, ok := k.ParseIndexKey(s); return ok },
		"part":         func(s string) bool { _, _, _, ok := k.ParsePartKey(s); return ok },
		"hour rejects": func(s string) bool { _, _, ok := k.ParseHourRejectsKey(s); return ok },
		"seal":         func(s string) bool { _, _, ok := k.ParseSealKey(s); return ok },
		"entry":        func(s string) bool { _, _, ok := k.ParseLedgerKey(s); return ok },
		"manifest":     func(s string) bool { _, ok := k.ParseManifestKey(s); return ok },
		"result":       func(s string) bool { _, _, ok := k.ParseResultKey(s); return ok },
	}
}

// goldenKeys has a key of every kind.
func goldenKeys(k Keys) map[string]string {
	h := Hour{}.Add(498_727)
	s := Span{h, "shardId-000000000003", seqA, seqB}
	d := DataKey{s, 500, "0123456789ab"}
	return map[string]string{
		"object": k.ObjectKey(d), "rejects": k.RejectsKey(d), "repair": k.RepairKey(d), "index": k.IndexKey(s),
		"part": k.PartKey(h, "0123456789ab", 0), "hour rejects": k.HourRejectsKey(h, "0123456789ab"),
		"seal": k.SealKey(h, "0123456789ab"), "entry": k.LedgerKey(h, 1), "manifest": k.ManifestKey(h),
		"result": k.ResultPrefix(ResultKey{"video", h, "0123456789ab", 1, 1}) + "part-00000",
	}
}

func TestAKeyIsReadByItsOwnParserOnly(t *testing.T) {
	k := testKeys(t)
	other, err := NewKeys("player")
	if err != nil {
		t.Fatal(err)
	}
	for kind, key := range goldenKeys(k) {
		for name, parse := range parsers(k) {
			if parse(key) != (name == kind) {
				t.Errorf("the parser of %s keys says %v to the %s key %s", name, parse(key), kind, key)
			}
		}
		for name, parse := range parsers(other) {
			if parse(key) && name != "result" { // results do not carry the data set's name
				t.Errorf("the parser of %s keys of another data set reads %s", name, key)
			}
		}
	}
}

func TestADamagedKeyIsRefusedOrIsAnotherKey(t *testing.T) {
	k := testKeys(t)
	for kind, key := range goldenKeys(k) {
		parse := parsers(k)[kind]
		var bad []string
		for i := range len(key) {
			bad = append(bad, key[:i], key[i+1:]) // cut at both ends
			for _, c := range "/.-_ \x00\n+%A\xff" {
				bad = append(bad, key[:i]+string(c)+key[i:])
			}
			bad = append(bad, key[:i]+"0"+key[i:])
		}
		bad = append(bad, "/"+key, "../"+key, key+"/", key+"/..", strings.ToUpper(key), key+strings.Repeat("0", 2000),
			strings.Replace(key, "2026/11", "2026/12", 1), strings.Replace(key, "11/23/", "11/31/", 1), strings.Replace(key, "2307", "2324", 1))
		for _, s := range bad {
			if s == key || !parse(s) {
				continue
			}
			if kind == "result" && strings.HasPrefix(s, "results/") {
				continue // a job and a file have names of their own
			}
			// Some insertions make another valid key: it must be one that the formatter writes.
			if strings.ContainsAny(s, " \x00\n+%") || !utf8.ValidString(s) || strings.Contains(s, "..") || strings.HasPrefix(s, "/") {
				t.Errorf("the hostile %s key %q was read", kind, s)
			}
		}
	}
}

func TestKeysThatNobodyWritesAreRefused(t *testing.T) {
	k := testKeys(t)
	for _, s := range []string{
		"", "x", "2026/11/", "2026/11/player_events", "2026/11/player_events.2026112307",
		"2026/11/player_events.2026112307.s." + seqB + "-" + seqA + ".1.0123456789ab.bz2",     // last before first
		"2026/11/player_events.2026112307.s.1-2.1.0123456789ab.bz2",                           // not padded
		"2026/11/player_events.2026112307.s." + seqA + "-" + seqB + ".01.0123456789ab.bz2",    // padded count
		"2026/11/player_events.2026112307.s." + seqA + "-" + seqB + ".-1.0123456789ab.bz2",    // negative count
		"2026/11/player_events.2026112307.s." + seqA + "-" + seqB + ".1.0123456789AB.bz2",     // capitals
		"2026/11/player_events.2026112307.s." + seqA + "-" + seqB + ".1.0123456789abc.bz2",    // too long a hash
		"2026/11/player_events.2026112307." + seqA + "-" + seqB + ".1.0123456789ab.bz2",       // no shard
		"2026/11/player_events.2026112307../etc." + seqA + "-" + seqB + ".1.0123456789ab.bz2", // not a shard
		"2026/11/_player_events.2026112307.s." + seqA + "-" + seqB + ".1.0123456789ab.bz2",    // marked
		"2026/11/player_events.2026112307.s." + seqA + "-" + seqB + ".1.0123456789ab.rejects", // not marked
		"2026/11/_player_events.2026112307.ledger/000000.json",                                // from 1
		"2026/11/_player_events.2026112307.ledger/1.json", "2026/11/_player_events.2026112307.ledger/+00001.json",
		"2026/11/player_events.2026112307.0123456789ab.3.bz2", "2026/11/player_events.2026112307.0123456789ab.-003.bz2",
		"2026/12/_player_events.2026112307.manifest.json", "2026/11/_player_events.2026112307.x.manifest.json",
		"results//2026/11/23/07/0123456789ab.1.1/part-00000", "results/video/2026/11/23/07/0123456789ab.1/part-00000",
		"results/video/2026/11/23/07/0123456789ab.01.1/part-00000", "results/video/2026/11/2/307/0123456789ab.1.1/part-00000",
	} {
		for name, parse := range parsers(k) {
			if parse(s) {
				t.Errorf("the parser of %s keys reads %q", name, s)
			}
		}
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, s := range []string{"", "_a", "9a", "A", "aB", "a.b", "a-b", "a/b", "a b", "ä", "a\x00", strings.Repeat("a", 64)} {
		if k, err := NewKeys(s); err == nil {
			t.Errorf("data set name %q gave %v", s, k)
		}
	}
	for _, s := range []string{"", "a.b", "a/b", "..", "a b", "ä", "a\n", strings.Repeat("a", 129)} {
		if CheckShard(s) == nil {
			t.Errorf("shard id %q passed", s)
		}
	}
	for _, s := range []string{"", "0123456789a", "0123456789abc", "0123456789aB", "0123456789a/", "0123456789a\x00"} {
		if CheckRevision(s) == nil {
			t.Errorf("revision %q passed", s)
		}
	}
	if CheckShard("shardId-000000000000") != nil || CheckRevision("0123456789ab") != nil {
		t.Error("a good name was refused")
	}
}

func FuzzKeys(f *testing.F) {
	k := testKeys(f)
	for _, key := range goldenKeys(k) {
		f.Add(key)
	}
	f.Add("2026/11/player_events.2026112307../..-..bz2")
	f.Fuzz(func(t *testing.T, key string) {
		if d, ok := k.ParseObjectKey(key); ok && k.ObjectKey(d) != key {
			t.Errorf("object key %q comes back as %q", key, k.ObjectKey(d))
		}
		if d, ok := k.ParseRejectsKey(key); ok && k.RejectsKey(d) != key {
			t.Errorf("rejects key %q comes back as %q", key, k.RejectsKey(d))
		}
		if d, ok := k.ParseRepairKey(key); ok && k.RepairKey(d) != key {
			t.Errorf("repair key %q comes back as %q", key, k.RepairKey(d))
		}
		if s, ok := k.ParseIndexKey(key); ok && k.IndexKey(s) != key {
			t.Errorf("index key %q comes back as %q", key, k.IndexKey(s))
		}
		if h, rev, n, ok := k.ParsePartKey(key); ok && k.PartKey(h, rev, n) != key {
			t.Errorf("part key %q comes back as %q", key, k.PartKey(h, rev, n))
		}
		if h, rev, ok := k.ParseHourRejectsKey(key); ok && k.HourRejectsKey(h, rev) != key {
			t.Errorf("rejects key %q comes back as %q", key, k.HourRejectsKey(h, rev))
		}
		if h, rev, ok := k.ParseSealKey(key); ok && k.SealKey(h, rev) != key {
			t.Errorf("seal key %q comes back as %q", key, k.SealKey(h, rev))
		}
		if h, n, ok := k.ParseLedgerKey(key); ok && k.LedgerKey(h, n) != key {
			t.Errorf("ledger key %q comes back as %q", key, k.LedgerKey(h, n))
		}
		if h, ok := k.ParseManifestKey(key); ok && k.ManifestKey(h) != key {
			t.Errorf("manifest key %q comes back as %q", key, k.ManifestKey(h))
		}
		if r, file, ok := k.ParseResultKey(key); ok && k.ResultPrefix(r)+file != key {
			t.Errorf("result key %q comes back as %q", key, k.ResultPrefix(r)+file)
		}
	})
}
