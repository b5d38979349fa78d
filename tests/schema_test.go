// Package tests holds what crosses packages.
package tests

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"penstock/internal/hour"
)

var updateExamples = flag.Bool("update-examples", false, "write schemas/examples anew")

const schemaDir = "../schemas"

// structs are the documents that have a Go type, by the name of their schema; hashed says that Encode writes them.
var structs = map[string]struct {
	of     any
	hashed bool
}{
	"index":    {hour.Index{}, true},
	"repair":   {hour.Repair{}, true},
	"seal":     {hour.Seal{}, true},
	"entry":    {hour.Entry{}, true},
	"manifest": {hour.Manifest{}, true},
	"reject":   {hour.Reject{}, false},
	"input":    {hour.Input{}, false},
}

func compile(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	s, err := c.Compile(filepath.Join(schemaDir, name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t testing.TB, s *jsonschema.Schema, b []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// node is a part of a schema file.
type node = map[string]any

func schemaFile(t testing.TB, name string) node {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(schemaDir, name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var n node
	if err := json.Unmarshal(b, &n); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestEveryFieldOfADocumentIsInItsSchemaAndTheOtherWayRound(t *testing.T) {
	for name, c := range structs {
		root := schemaFile(t, name)
		w := &walk{t: t, root: root, seen: map[reflect.Type]bool{}, used: map[string]bool{}}
		extra := []string{}
		if c.hashed {
			extra = append(extra, "hash")
		}
		w.object(name, reflect.TypeOf(c.of), root, extra)
		defs, _ := root["$defs"].(node)
		for def := range defs {
			if !w.used[def] && !referenced(root, "#/$defs/"+def) {
				t.Errorf("%s: nothing uses $defs/%s", name, def)
			}
		}
	}
}

func referenced(v any, ref string) bool {
	switch v := v.(type) {
	case node:
		for k, x := range v {
			if k == "$ref" && x == ref || referenced(x, ref) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return referenced(x, ref) })
	}
	return false
}

type walk struct {
	t    *testing.T
	root node
	seen map[reflect.Type]bool
	used map[string]bool
}

// resolve follows a $ref; the members beside it stay the property's own.
func (w *walk) resolve(at string, n node) node {
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	def, ok2 := w.root["$defs"].(node)[name].(node)
	if !ok || !ok2 {
		w.t.Fatalf("%s: %s leads nowhere", at, ref)
	}
	w.used[name] = true
	return def
}

// field is a struct's field as it stands in JSON.
type field struct {
	of       reflect.Type
	required bool
}

func fields(t reflect.Type) map[string]field {
	all := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			for k, v := range fields(f.Type) {
				all[k] = v
			}
		case f.IsExported():
			all[name] = field{f.Type, !strings.Contains(options, "omitempty")}
		}
	}
	return all
}

func (w *walk) object(at string, t reflect.Type, n node, extra []string) {
	if n["additionalProperties"] != false {
		w.t.Errorf("%s: additionalProperties is not false", at)
	}
	properties, _ := n["properties"].(node)
	var required []string
	for _, r := range n["required"].([]any) {
		required = append(required, r.(string))
	}
	all := fields(t)
	for name, f := range all {
		p, ok := properties[name].(node)
		if !ok {
			w.t.Errorf("%s: the schema does not have the field %s of %s", at, name, t)
			continue
		}
		// An input is written by people, who leave out what they have no wish for.
		if must := f.required && t != reflect.TypeFor[hour.Input]() || name == "hour"; must != slices.Contains(required, name) {
			w.t.Errorf("%s.%s: required in the schema: %v, always written by %s: %v", at, name, !must, t, f.required)
		}
		w.property(at+"."+name, f.of, p)
	}
	for name, p := range properties {
		if _, ok := all[name]; !ok && !slices.Contains(extra, name) {
			w.t.Errorf("%s: %s does not have the schema's property %s", at, t, name)
		}
		if text, _ := p.(node)["description"].(string); len(text) < 5 || !strings.HasSuffix(text, ".") {
			w.t.Errorf("%s.%s: no description", at, name)
		}
	}
}

func (w *walk) property(at string, t reflect.Type, n node) {
	n = w.resolve(at, n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer",
		reflect.Float64: "number", reflect.Slice: "array", reflect.Array: "array", reflect.Struct: "object",
	}[t.Kind()]
	switch t {
	case reflect.TypeFor[hour.Hour](), reflect.TypeFor[hour.Time](), reflect.TypeFor[[]byte]():
		want = "string"
	}
	got := n["type"]
	if list, ok := got.([]any); ok { // nullable
		got = list[0]
	}
	if _, constant := n["const"].(float64); constant {
		got = "integer"
	}
	if got != want {
		w.t.Errorf("%s: type %v in the schema, %s is a JSON %s", at, got, t, want)
		return
	}
	switch want {
	case "array":
		items, ok := n["items"].(node)
		if !ok {
			w.t.Errorf("%s: no items", at)
			return
		}
		w.property(at+"[]", t.Elem(), items)
	case "object":
		if !w.seen[t] {
			w.seen[t] = true
			w.object(at, t, n, nil)
		}
	}
}

// exampleFiles are all examples by their path's base name without .json.
func exampleFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(schemaDir, "examples", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".json")] = b
	}
	return all
}

// schemaOf is the schema of an example: seal.json, entry.2-claimed.json.
func schemaOf(example string) string {
	name, _, _ := strings.Cut(example, ".")
	return name
}

func TestExamplesAreWhatTheCodeWrites(t *testing.T) {
	made := documents(t)
	if *updateExamples {
		for name, b := range made {
			if err := os.WriteFile(filepath.Join(schemaDir, "examples", name+".json"), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	stand := exampleFiles(t)
	for name, b := range made {
		if !bytes.Equal(stand[name], b) {
			t.Errorf("schemas/examples/%s.json is\n%s, the code writes\n%s (go test ./tests -run Examples -update-examples)", name, stand[name], b)
		}
	}
}

func TestExamplesAreValidAndDecode(t *testing.T) {
	k := keys(t)
	seen := map[string]int{}
	for name, b := range exampleFiles(t) {
		kind := schemaOf(name)
		seen[kind]++
		if kind == "playbook" {
			continue
		}
		if err := validate(t, compile(t, kind), b); err != nil {
			t.Errorf("example %s: %v", name, err)
		}
		var err error
		switch kind {
		case "index":
			var x hour.Index
			if err = hour.Decode(kind, name, b, &x); err == nil {
				if _, err = k.DecodeIndex(k.IndexKey(x.Span()), b); err == nil {
					_, err = x.Rows()
				}
			}
		case "repair":
			var r hour.Repair
			if err = hour.Decode(kind, name, b, &r); err == nil {
				_, err = k.DecodeRepair(r.Key(k), b)
			}
		case "seal":
			var s hour.Seal
			if err = hour.Decode(kind, name, b, &s); err == nil {
				_, err = k.DecodeSeal(k.SealKey(s.Hour, s.Revision), b)
			}
		case "entry":
			var e hour.Entry
			if err = hour.Decode(kind, name, b, &e); err == nil {
				_, err = k.DecodeEntry(k.LedgerKey(e.Hour, e.Number), b)
			}
		case "manifest":
			var m hour.Manifest
			if err = hour.Decode(kind, name, b, &m); err == nil {
				_, err = k.DecodeManifest(k.ManifestKey(m.Hour), b)
			}
		case "reject":
			err = strict(b, &hour.Reject{})
		case "input":
			err = strict(b, &hour.Input{})
		}
		if err != nil {
			t.Errorf("decode example %s: %v", name, err)
		}
	}
	for _, kind := range []string{"index", "repair", "seal", "entry", "manifest", "reject", "input", "event"} {
		if seen[kind] == 0 {
			t.Errorf("there is no example of %s", kind)
		}
	}
}

func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func TestDamagedExamplesAreInvalid(t *testing.T) {
	for name, b := range exampleFiles(t) {
		kind := schemaOf(name)
		if kind == "playbook" {
			continue
		}
		s := compile(t, kind)
		var doc node
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		for field, was := range doc {
			doc[field] = []any{"of the wrong type"}
			if damaged, _ := json.Marshal(doc); validate(t, s, damaged) == nil {
				t.Errorf("example %s is valid with a list as %s", name, field)
			}
			doc[field] = was
		}
		for _, change := range []node{{"version": 2}, {"surprise": 1}, {"hour": "2026-11-23T24"}, {"hour": "2026-11-23"}} {
			if _, ok := doc["hour"]; !ok && change["hour"] != nil || kind == "event" {
				continue
			}
			other := node{}
			for _, from := range []node{doc, change} {
				for k, v := range from {
					other[k] = v
				}
			}
			if damaged, _ := json.Marshal(other); validate(t, s, damaged) == nil {
				t.Errorf("example %s is valid with %v", name, change)
			}
		}
	}
}
