package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var updateManual = flag.Bool("update", false, "write docs/cli.md from the code")

const manualPath = "../../docs/cli.md"

// TestTheManualIsOfThisCode holds docs/cli.md against the commands: go test ./cmd/penstock -run Manual -update writes it.
func TestTheManualIsOfThisCode(t *testing.T) {
	var g grammar
	p, err := newParser(&g, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := manual(p.Model)
	if *updateManual {
		if err := os.WriteFile(manualPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(manualPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/cli.md is not of this code: go test ./cmd/penstock -run Manual -update")
	}
}

// manual is the text of docs/cli.md.
func manual(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# penstock\n\n<!-- Written from the code: go test ./cmd/penstock -run Manual -update -->\n\n" + app.Help + "\n")
	for _, group := range groupsOf(app) {
		fmt.Fprintf(&b, "\n%s\n\n", group.Title)
		for _, n := range leavesOf(app, group) {
			fmt.Fprintf(&b, "* [`%s`](#penstock-%s): %s\n", n.Name, n.Name, n.Help)
		}
	}
	for _, group := range groupsOf(app) {
		for _, n := range leavesOf(app, group) {
			section(&b, n)
		}
	}
	return b.String()
}

// groupsOf are the groups of the commands, in order of appearance.
func groupsOf(app *kong.Application) (groups []*kong.Group) {
	for _, n := range app.Leaves(true) {
		if g := n.ClosestGroup(); g != nil && !slices.ContainsFunc(groups, func(o *kong.Group) bool { return o.Key == g.Key }) {
			groups = append(groups, g)
		}
	}
	return groups
}

func leavesOf(app *kong.Application, group *kong.Group) (leaves []*kong.Node) {
	for _, n := range app.Leaves(true) {
		if g := n.ClosestGroup(); g != nil && g.Key == group.Key {
			leaves = append(leaves, n)
		}
	}
	return leaves
}

func section(b *strings.Builder, n *kong.Node) {
	fmt.Fprintf(b, "\n## penstock %s\n\n%s\n\n```\n%s\n```\n", n.Name, n.Help, synopsis(n))
	words, examples, found := strings.Cut(n.Detail, "\nExamples:\n")
	if words = strings.TrimSpace(words); words != "" && n.Name != "completion" { // that one's words are the library's
		fmt.Fprintf(b, "\n%s\n", words)
	}
	if found {
		b.WriteString("\n```\n")
		for line := range strings.SplitSeq(strings.Trim(examples, "\n"), "\n") {
			b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
		}
		b.WriteString("```\n")
	}
	b.WriteString("\n| | |\n|---|---|\n")
	for _, p := range n.Positional {
		row(b, p.Summary(), p)
	}
	for _, f := range n.Flags {
		name := "--" + f.Name
		if !f.IsBool() {
			name += " " + f.FormatPlaceHolder()
		}
		if f.Short != 0 {
			name = fmt.Sprintf("-%c, %s", f.Short, name)
		}
		row(b, name, f.Value)
	}
}

func row(b *strings.Builder, name string, v *kong.Value) {
	help := v.Help
	for _, env := range v.Tag.Envs {
		help += " Environment: `" + env + "`."
	}
	fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(name, "|", `\|`), strings.ReplaceAll(help, "|", `\|`))
}

func synopsis(n *kong.Node) string {
	s := "penstock " + n.Name
	for _, p := range n.Positional {
		s += " " + p.Summary()
	}
	return s + " [flags]"
}
