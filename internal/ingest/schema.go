package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a JSON Schema for events. It is safe for concurrent use.
type Schema struct{ compiled *jsonschema.Schema }

// NewSchema compiles a JSON Schema. It may refer to nothing outside of itself.
func NewSchema(document []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read event schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothing{})
	const url = "https://penstock.invalid/event"
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("read event schema: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compile event schema: %w", err)
	}
	return &Schema{compiled}, nil
}

// nothing is a loader of referred-to schemas that has none: no file and no network.
type nothing struct{}

func (nothing) Load(url string) (any, error) { return nil, fmt.Errorf("no such schema: %.100s", url) }

// Check says in what an event breaks the schema, "" if in nothing. It names places and keywords, no values.
func (s *Schema) Check(event []byte) string {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return "not valid JSON"
	}
	err = s.compiled.Validate(v)
	if err == nil {
		return ""
	}
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return "does not hold the schema"
	}
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	place := strings.Join(e.InstanceLocation, "/")
	if len(place) > 100 {
		place = strings.ToValidUTF8(place[:100], "") + "..."
	}
	return fmt.Sprintf("/%s breaks %s", place, strings.Join(e.ErrorKind.KeywordPath(), "/"))
}
