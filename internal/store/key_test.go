package store_test

import (
	"path"
	"strings"
	"testing"

	"penstock/internal/store"
)

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{
		"2026/11/player_events.2026112307.shardId-000000000001.0-1.2.abc.bz2", "results/rollup/2026/11/23/07/x=1/part-00000",
		"..", "../a", "a/../b", "a//b", "/a", "a/", "a/.", ".", "a\x00", "ä", "a/..b", "...",
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if store.CheckKey(key) != nil {
			return
		}
		if path.Clean("/root/"+key) != "/root/"+key || len(key) > store.MaxKeyBytes || strings.ContainsAny(key, "\\~\x00 \n") {
			t.Errorf("key %q is taken", key)
		}
		for i := range len(key) + 1 {
			if err := store.CheckPrefix(key[:i]); err != nil {
				t.Errorf("prefix %q of a legal key: %v", key[:i], err)
			}
		}
	})
}
