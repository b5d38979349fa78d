package hour_test

import (
	"strings"
	"testing"

	"penstock/internal/hour"
)

func TestAClusterNameTellsItsRun(t *testing.T) {
	h, err := hour.Parse("2026-11-23T07")
	if err != nil {
		t.Fatal(err)
	}
	name := hour.ClusterName("prod-eu", h, 2, 3)
	if name != "prod-eu-2026112307-2-3" {
		t.Errorf("name %q", name)
	}
	if g, run, cluster, ok := hour.ParseClusterName("prod-eu", name); !ok || g != h || run != 2 || cluster != 3 {
		t.Errorf("read back %s %d %d %t", g, run, cluster, ok)
	}
	for _, other := range []struct{ stack, name string }{
		{"prod", name}, {"eu", name}, {"prod-eu", name + "-1"}, {"prod-eu", "prod-eu-2026112307-2"},
		{"prod-eu", "prod-eu-2026112307-02-3"}, {"prod-eu", "prod-eu-2026112307-0-3"}, {"prod-eu", "prod-eu-2026112399-2-3"},
		{"prod-eu", "prod-eu-2026112307--2-3"}, {"prod-eu", ""}, {"prod-eu", strings.Repeat("x", 300)},
	} {
		if _, _, _, ok := hour.ParseClusterName(other.stack, other.name); ok {
			t.Errorf("%q is taken for a cluster of stack %q", other.name, other.stack)
		}
	}
}

func TestStackNames(t *testing.T) {
	for name, want := range map[string]bool{
		"penstock": true, "a-1": true, "": false, "1a": false, "-a": false, "a_b": false, "a.b": false, strings.Repeat("a", 129): false, "é": false,
	} {
		if got := hour.CheckStack(name) == nil; got != want {
			t.Errorf("stack name %q: %t", name, got)
		}
	}
}
