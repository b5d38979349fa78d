package playbook

import (
	"maps"
	"slices"
	"strings"
)

// placeholders are the names that strings of a playbook may hold in {{}}.
var placeholders = []string{"hour", "revision", "input", "output", "run", "cluster", "code", "arch", "job"}

// eachPlaceholder calls found for every {{name}} in s, and bad when a pair of
// braces is not complete.
func eachPlaceholder(s string, found, bad func(string) error) error {
	for {
		before, rest, more := strings.Cut(s, "{{")
		if strings.Contains(before, "}}") {
			return bad("}} without {{")
		}
		if !more {
			return nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return bad("{{ without }}")
		}
		if err := found(name); err != nil {
			return err
		}
		s = after
	}
}

// expand replaces the placeholders of s, which Validate has checked, by values.
// What it puts in is not expanded again.
func expand(s string, values map[string]string) string {
	var b strings.Builder
	for {
		before, rest, more := strings.Cut(s, "{{")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}}")
		b.WriteString(values[name])
		s = after
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Arch returns the Go architecture, arm64 or amd64, of an EC2 instance type
// such as m7g.xlarge, or "" if it is no instance type. Graviton families have
// a 'g' after their generation's number; a1 is the first of them.
func Arch(instanceType string) string {
	if !instancePattern.MatchString(instanceType) {
		return ""
	}
	family, _, _ := strings.Cut(instanceType, ".")
	if family == "a1" || strings.Contains(family[strings.LastIndexAny(family, "0123456789"):], "g") {
		return "arm64"
	}
	return "amd64"
}

// Arch returns the architecture of the playbook's cluster.
func (p *Playbook) Arch() string { return Arch(p.Cluster.Fleets[0].Instances[0].Type) }
