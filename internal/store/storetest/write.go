package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"penstock/internal/fault"
	"penstock/internal/store"
)

func writes() map[string]func(*testing.T, store.Store) {
	ctx := context.Background()
	return map[string]func(*testing.T, store.Store){
		"Create writes an absent key and only that": func(t *testing.T, s store.Store) {
			created := create(t, s, "2026/11/a.bz2", "one")
			if got := wantContent(t, s, "2026/11/a.bz2", "one"); got.ETag != created.ETag {
				t.Errorf("created with ETag %s, read with %s", created.ETag, got.ETag)
			}
			_, err := s.Create(ctx, "2026/11/a.bz2", []byte("two"))
			wantError[*fault.Exists](t, err)
			_, err = s.Create(ctx, "2026/11/a.bz2", []byte("one"))
			wantError[*fault.Exists](t, err)
			wantContent(t, s, "2026/11/a.bz2", "one")
			create(t, s, "empty", "")
			wantContent(t, s, "empty", "")
		},
		"Create keeps no hold of the caller's bytes": func(t *testing.T, s store.Store) {
			data := []byte("before")
			if _, err := s.Create(ctx, "k", data); err != nil {
				t.Fatal(err)
			}
			copy(data, "after!")
			wantContent(t, s, "k", "before")
			got, _, err := s.Get(ctx, "k", limit)
			if err != nil {
				t.Fatal(err)
			}
			copy(got, "after!")
			wantContent(t, s, "k", "before")
		},
		"Replace follows the version it was given": func(t *testing.T, s store.Store) {
			first := create(t, s, "m/manifest.json", "v1")
			second, err := s.Replace(ctx, "m/manifest.json", first.ETag, []byte("v2"))
			if err != nil {
				t.Fatal(err)
			}
			if second.ETag == first.ETag || second.Size != 2 || second.Key != "m/manifest.json" {
				t.Errorf("replace answered %+v after %+v", second, first)
			}
			_, err = s.Replace(ctx, "m/manifest.json", first.ETag, []byte("v3"))
			wantError[*fault.Changed](t, err)
			if got := wantContent(t, s, "m/manifest.json", "v2"); got.ETag != second.ETag {
				t.Errorf("replaced with ETag %s, read with %s", second.ETag, got.ETag)
			}
		},
		"Replace without a version creates": func(t *testing.T, s store.Store) {
			o, err := s.Replace(ctx, "m/new.json", "", []byte("v1"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Replace(ctx, "m/new.json", "", []byte("v2"))
			wantError[*fault.Changed](t, err)
			if got := wantContent(t, s, "m/new.json", "v1"); got.ETag != o.ETag {
				t.Errorf("ETag %s, then %s", o.ETag, got.ETag)
			}
		},
		"Replace of an absent key with a version is Changed": func(t *testing.T, s store.Store) {
			_, err := s.Replace(ctx, "m/absent.json", store.ETag([]byte("x")), []byte("v1"))
			wantError[*fault.Changed](t, err)
			wantAbsent(t, s, "m/absent.json")
		},
		"Delete removes a key and does not mind its absence": func(t *testing.T, s store.Store) {
			create(t, s, "d/k", "one")
			create(t, s, "d/k2", "two")
			for range 2 {
				if err := s.Delete(ctx, "d/k"); err != nil {
					t.Fatal(err)
				}
				wantAbsent(t, s, "d/k")
			}
			if err := s.Delete(ctx, "never/was/here"); err != nil {
				t.Fatal(err)
			}
			wantContent(t, s, "d/k2", "two")
			create(t, s, "d/k", "again")
			wantContent(t, s, "d/k", "again")
		},
		"hostile keys are refused everywhere": hostileKeys,
	}
}

func hostileKeys(t *testing.T, s store.Store) {
	ctx := context.Background()
	for _, key := range []string{
		"", "/", "/etc/passwd", "..", "../x", "a/../x", "a/..", "a/./x", ".", "a//b", "a/", "a b", "a\x00b", "a\nb", `a\b`, "ä", "a:b", "a*",
		"a?b", "a%2e%2e", "~", strings.Repeat("a", store.MaxKeyBytes+1),
	} {
		_, _, err := s.Get(ctx, key, limit)
		wantError[*fault.BadInput](t, err)
		_, err = s.GetRange(ctx, key, "", 0, 1)
		wantError[*fault.BadInput](t, err)
		_, err = s.Create(ctx, key, []byte("x"))
		wantError[*fault.BadInput](t, err)
		_, err = s.CreateFrom(ctx, key, strings.NewReader("x"))
		wantError[*fault.BadInput](t, err)
		_, err = s.Replace(ctx, key, "", []byte("x"))
		wantError[*fault.BadInput](t, err)
		wantError[*fault.BadInput](t, s.Delete(ctx, key))
	}
	for _, prefix := range []string{"/", "../", "a/../", "a//", "./", "a b", "\x00"} {
		n := 0
		for _, err := range s.List(ctx, prefix) {
			wantError[*fault.BadInput](t, err)
			n++
		}
		if n != 1 {
			t.Errorf("list %q yielded %d times, want one error", prefix, n)
		}
	}
	if got := keys(t, s, ""); got != "" {
		t.Errorf("hostile keys left %q", got)
	}
}

func bodies() map[string]func(*testing.T, store.Store) {
	ctx := context.Background()
	return map[string]func(*testing.T, store.Store){
		"CreateFrom writes bodies of every size": func(t *testing.T, s store.Store) {
			for _, n := range []int{0, 1, 70_000, 8<<20 - 1, 8<<20 + 1} {
				key, data := fmt.Sprintf("body/%d", n), pattern(n)
				o, err := s.CreateFrom(ctx, key, iotest.OneByteReader(bytes.NewReader(data[:min(n, 100)])))
				if n > 100 {
					if err != nil {
						t.Fatal(err)
					}
					key += "-whole"
					o, err = s.CreateFrom(ctx, key, bytes.NewReader(data))
				}
				if err != nil {
					t.Fatalf("create %s: %v", key, err)
				}
				if o.Size != int64(n) || o.Key != key {
					t.Fatalf("create %s answered %+v", key, o)
				}
				if got := wantContent(t, s, key, string(data)); got.ETag != o.ETag && n < 8<<20 {
					t.Errorf("%s: created with ETag %s, read with %s", key, o.ETag, got.ETag)
				}
			}
		},
		"CreateFrom of a big body answers the version that is read": func(t *testing.T, s store.Store) {
			data := pattern(17<<20 + 3)
			o, err := s.CreateFrom(ctx, "big", bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if got := wantContent(t, s, "big", string(data)); got.ETag != o.ETag {
				t.Errorf("created with ETag %s, read with %s", o.ETag, got.ETag)
			}
		},
		"CreateFrom of a small body leaves what stands": func(t *testing.T, s store.Store) {
			create(t, s, "k", "first")
			_, err := s.CreateFrom(ctx, "k", strings.NewReader("second"))
			wantError[*fault.Exists](t, err)
			wantContent(t, s, "k", "first")
		},
		"CreateFrom of a big body leaves what stands": func(t *testing.T, s store.Store) {
			create(t, s, "k", "first")
			_, err := s.CreateFrom(ctx, "k", bytes.NewReader(pattern(8<<20+1)))
			wantError[*fault.Exists](t, err)
			wantContent(t, s, "k", "first")
		},
		"CreateFrom of a big body leaves what was created meanwhile": func(t *testing.T, s store.Store) {
			created := false
			meanwhile := readerFunc(func([]byte) (int, error) {
				if !created {
					created = true
					create(t, s, "k", "first")
				}
				return 0, io.EOF
			})
			_, err := s.CreateFrom(ctx, "k", io.MultiReader(bytes.NewReader(pattern(8<<20+1)), meanwhile))
			wantError[*fault.Exists](t, err)
			wantContent(t, s, "k", "first")
		},
		"CreateFrom whose reader fails leaves nothing": func(t *testing.T, s store.Store) {
			for broken, sizes := range map[error][]int{errors.New("reader broke"): {0, 10, 70_000}, io.ErrUnexpectedEOF: {10, 8<<20 + 1}} {
				for _, n := range sizes {
					key := fmt.Sprintf("broken/%d", n)
					r := io.MultiReader(bytes.NewReader(pattern(n)), iotest.ErrReader(broken))
					if _, err := s.CreateFrom(ctx, key, r); !errors.Is(err, broken) {
						t.Fatalf("create %s: error %v, want the reader's", key, err)
					}
					wantAbsent(t, s, key)
				}
			}
			if got := keys(t, s, ""); got != "" {
				t.Errorf("left %q", got)
			}
			create(t, s, "broken/10", "now")
			wantContent(t, s, "broken/10", "now")
		},
		"a cancelled context stops every call": func(t *testing.T, s store.Store) {
			o := create(t, s, "k", "one")
			dead, cancel := context.WithCancel(ctx)
			cancel()
			_, _, get := s.Get(dead, "k", limit)
			_, ranged := s.GetRange(dead, "k", "", 0, -1)
			_, created := s.Create(dead, "k2", []byte("x"))
			_, from := s.CreateFrom(dead, "k3", strings.NewReader("x"))
			_, replace := s.Replace(dead, "k", o.ETag, []byte("x"))
			var list error
			for _, err := range s.List(dead, "") {
				list = err
			}
			for name, err := range map[string]error{
				"Get": get, "GetRange": ranged, "Create": created, "CreateFrom": from, "Replace": replace,
				"Delete": s.Delete(dead, "k"), "List": list,
			} {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: error %v, want context.Canceled", name, err)
				}
			}
			wantContent(t, s, "k", "one")
			if got := keys(t, s, ""); got != "k" {
				t.Errorf("stored %q, want k alone", got)
			}
		},
		"CreateFrom stops when the context ends midway": func(t *testing.T, s store.Store) {
			dying, cancel := context.WithCancel(ctx)
			defer cancel()
			r := io.MultiReader(bytes.NewReader(pattern(8<<20+1)), readerFunc(func(p []byte) (int, error) {
				cancel()
				return copy(p, "x"), nil
			}))
			if _, err := s.CreateFrom(dying, "k", r); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want context.Canceled", err)
			}
			wantAbsent(t, s, "k")
		},
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
