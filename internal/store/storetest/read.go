package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"penstock/internal/fault"
	"penstock/internal/store"
)

func reads() map[string]func(*testing.T, store.Store) {
	ctx := context.Background()
	return map[string]func(*testing.T, store.Store){
		"Get refuses what is larger than asked for": func(t *testing.T, s store.Store) {
			create(t, s, "k", "12345")
			if _, _, err := s.Get(ctx, "k", 5); err != nil {
				t.Fatal(err)
			}
			_, _, err := s.Get(ctx, "k", 4)
			wantError[*fault.Corrupt](t, err)
			_, _, err = s.Get(ctx, "absent", 4)
			wantError[*fault.NotFound](t, err)
		},
		"GetRange reads the bytes asked for": func(t *testing.T, s store.Store) {
			o := create(t, s, "k", "0123456789")
			for _, c := range []struct {
				off, n int64
				want   string
			}{
				{0, -1, "0123456789"}, {0, 10, "0123456789"}, {0, 1, "0"}, {9, 1, "9"}, {3, 4, "3456"}, {7, -1, "789"},
				{7, 100, "789"}, {10, 1, ""}, {10, -1, ""}, {11, 5, ""}, {3, 0, ""}, {0, 0, ""},
			} {
				for _, etag := range []string{"", o.ETag} {
					r, err := s.GetRange(ctx, "k", etag, c.off, c.n)
					if err != nil {
						t.Fatalf("%d bytes at %d: %v", c.n, c.off, err)
					}
					if got := readAll(t, r); got != c.want {
						t.Errorf("%d bytes at %d: %q, want %q", c.n, c.off, got, c.want)
					}
				}
			}
			_, err := s.GetRange(ctx, "k", "", -1, 1)
			wantError[*fault.BadInput](t, err)
			create(t, s, "empty", "")
			r, err := s.GetRange(ctx, "empty", "", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, r); got != "" {
				t.Errorf("empty object reads as %q", got)
			}
		},
		"GetRange asks for a version": func(t *testing.T, s store.Store) {
			old := create(t, s, "k", "0123456789")
			if _, err := s.Replace(ctx, "k", old.ETag, []byte("abcdefghij")); err != nil {
				t.Fatal(err)
			}
			for _, n := range []int64{-1, 3, 0} {
				_, err := s.GetRange(ctx, "k", old.ETag, 2, n)
				wantError[*fault.Changed](t, err)
			}
			for _, n := range []int64{-1, 3, 0} {
				_, err := s.GetRange(ctx, "absent", "", 0, n)
				wantError[*fault.NotFound](t, err)
			}
		},
		"GetRange reads a big object in pieces": func(t *testing.T, s store.Store) {
			data := pattern(3<<20 + 7)
			o, err := s.Create(ctx, "big", data)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range [][2]int64{{0, 1 << 20}, {1 << 20, 2 << 20}, {3 << 20, -1}} {
				r, err := s.GetRange(ctx, "big", o.ETag, c[0], c[1])
				if err != nil {
					t.Fatal(err)
				}
				want := data[c[0]:]
				if c[1] >= 0 {
					want = want[:c[1]]
				}
				if got := readAll(t, r); got != string(want) {
					t.Errorf("%d bytes at %d differ (%d bytes read)", c[1], c[0], len(got))
				}
			}
		},
	}
}

func lists() map[string]func(*testing.T, store.Store) {
	ctx := context.Background()
	return map[string]func(*testing.T, store.Store){
		"List yields keys in byte order": func(t *testing.T, s store.Store) {
			want := []string{
				"A/z", "_a", "a-/x", "a.b", "a/b", "a/b-/c", "a/b.d", "a/bc/d/e", "a/bc=1", "a0", "aa", "b", "z/.hidden", "z/_m",
			}
			slices.Sort(want)
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
				create(t, s, want[i], want[i])
			}
			if got := keys(t, s, ""); got != strings.Join(want, " ") {
				t.Errorf("listed %s\nwant   %s", got, strings.Join(want, " "))
			}
			for _, prefix := range []string{"a", "a/", "a/b", "a/b-", "a/bc/d", "a/bc/d/e", "a/bc/d/e/", "nothing", "z/.", "_", "a."} {
				var within []string
				for _, key := range want {
					if strings.HasPrefix(key, prefix) {
						within = append(within, key)
					}
				}
				if got := keys(t, s, prefix); got != strings.Join(within, " ") {
					t.Errorf("prefix %q: listed %q, want %q", prefix, got, within)
				}
			}
		},
		"List describes objects as Get does": func(t *testing.T, s store.Store) {
			for _, key := range []string{"l/a", "l/b", "l/c/d"} {
				create(t, s, key, "content of "+key)
			}
			for o, err := range s.List(ctx, "l/") {
				if err != nil {
					t.Fatal(err)
				}
				got := wantContent(t, s, o.Key, "content of "+o.Key)
				// S3 gives whole seconds in a header and milliseconds in a listing.
				if d := got.Modified.Sub(o.Modified).Abs(); got.ETag != o.ETag || got.Size != o.Size || d.Seconds() >= 1 {
					t.Errorf("listed %+v, got %+v", o, got)
				}
			}
		},
		"List can be stopped and follows writes": func(t *testing.T, s store.Store) {
			for _, key := range []string{"a", "b", "c"} {
				create(t, s, key, "x")
			}
			for o, err := range s.List(ctx, "") {
				if err != nil || o.Key != "a" {
					t.Fatalf("first of the listing: %+v, %v", o, err)
				}
				break
			}
			for o, err := range s.List(ctx, "") { // the loop's body may write
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Delete(ctx, o.Key); err != nil {
					t.Fatal(err)
				}
			}
			if got := keys(t, s, ""); got != "" {
				t.Errorf("left %q", got)
			}
		},
		"List pages through many keys": func(t *testing.T, s store.Store) {
			const n = 1203
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := w; i < n; i += 8 {
						if _, err := s.Create(ctx, fmt.Sprintf("many/%05d", i), []byte("x")); err != nil {
							t.Errorf("create %d: %v", i, err)
						}
					}
				})
			}
			wg.Wait()
			i := 0
			for o, err := range s.List(ctx, "many/") {
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("many/%05d", i); o.Key != want {
					t.Fatalf("listed %s, want %s", o.Key, want)
				}
				i++
			}
			if i != n {
				t.Errorf("listed %d keys, want %d", i, n)
			}
		},
	}
}

func races() map[string]func(*testing.T, store.Store) {
	ctx := context.Background()
	const workers = 16
	return map[string]func(*testing.T, store.Store){
		"of many creators one wins": func(t *testing.T, s store.Store) {
			for round := range 5 {
				key := fmt.Sprintf("race/%d", round)
				var won atomic.Int64
				won.Store(-1)
				var wg sync.WaitGroup
				for w := range workers {
					wg.Go(func() {
						var err error
						if data := fmt.Sprintf("by %d", w); w%2 == 0 {
							_, err = s.Create(ctx, key, []byte(data))
						} else {
							_, err = s.CreateFrom(ctx, key, strings.NewReader(data))
						}
						if err == nil {
							if !won.CompareAndSwap(-1, int64(w)) {
								t.Errorf("%s: %d and %d both created it", key, won.Load(), w)
							}
							return
						}
						if _, ok := err.(*fault.Exists); !ok {
							t.Errorf("%s: %d: %v", key, w, err)
						}
					})
				}
				wg.Wait()
				wantContent(t, s, key, fmt.Sprintf("by %d", won.Load()))
			}
		},
		"of many creators of big bodies one wins": func(t *testing.T, s store.Store) {
			var won, begun atomic.Int64
			won.Store(-1)
			all := make(chan struct{}) // closed when each has read past what it could learn from a look at the key
			var wg sync.WaitGroup
			const workers = 3
			for w := range int64(workers) {
				wg.Go(func() {
					data := pattern(8<<20 + 1)
					data[0] = byte(w)
					wait := readerFunc(func([]byte) (int, error) {
						if begun.Add(1) == workers {
							close(all)
						}
						<-all
						return 0, io.EOF
					})
					_, err := s.CreateFrom(ctx, "big", io.MultiReader(bytes.NewReader(data), wait))
					if err == nil {
						if !won.CompareAndSwap(-1, w) {
							t.Errorf("%d and %d both created it", won.Load(), w)
						}
					} else if _, ok := err.(*fault.Exists); !ok {
						t.Errorf("%d: %v", w, err)
					}
				})
			}
			wg.Wait()
			want := pattern(8<<20 + 1)
			want[0] = byte(won.Load())
			wantContent(t, s, "big", string(want))
		},
		"concurrent replacers lose no update": func(t *testing.T, s store.Store) {
			create(t, s, "counter", "0")
			var done atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 10 {
						data, o, err := s.Get(ctx, "counter", limit)
						if err != nil {
							t.Error(err)
							return
						}
						var n int64
						if _, err := fmt.Sscan(string(data), &n); err != nil {
							t.Errorf("counter reads %q: %v", data, err)
							return
						}
						switch _, err := s.Replace(ctx, "counter", o.ETag, fmt.Append(nil, n+1)); err.(type) {
						case nil:
							done.Add(1)
						case *fault.Changed:
						default:
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			wantContent(t, s, "counter", fmt.Sprint(done.Load()))
			if done.Load() == 0 {
				t.Error("no replacer ever won")
			}
		},
	}
}
