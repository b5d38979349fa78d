package main

import (
	"strings"
	"testing"
)

func TestAPlaceMayComeBeforeTheCommand(t *testing.T) {
	for args, want := range map[string]string{
		"status": "status", "": "", "--help": "--help", "--target aws:x": "--target aws:x", "-t": "-t",
		"--target aws:x status 2026-11": "status --target aws:x 2026-11",
		"--data=d status":               "status --data=d",
		"-d d cat 2026-11-23T07":        "cat -d d 2026-11-23T07",
		"--json status":                 "--json status",
	} {
		if got := strings.Join(placeFirst(strings.Fields(args)), " "); got != want {
			t.Errorf("%q becomes %q, want %q", args, got, want)
		}
	}
}
