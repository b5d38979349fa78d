package playbook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// FieldError says what is wrong with one field of a playbook.
type FieldError struct {
	Path    string // of JSON, as in cluster.fleets[1].role; "" is the document
	Problem string
}

func (e *FieldError) Error() string {
	if e.Path == "" {
		return "read playbook: " + e.Problem
	}
	return "read playbook: " + e.Path + ": " + e.Problem
}

func wrong(path, format string, args ...any) error {
	return &FieldError{Path: path, Problem: fmt.Sprintf(format, args...)}
}

// decode fills v from one JSON value. It is stricter than encoding/json: names
// have their exact case, and unknown names, names that occur twice and nulls
// are errors.
func decode(path string, raw json.RawMessage, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(path, raw, v.Elem())
	case reflect.Struct:
		return members(path, raw, func(name string, value json.RawMessage) error {
			at := path + "." + name
			if path == "" {
				at = name
			}
			for i := range v.NumField() {
				tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				if tag == name {
					return decode(at, value, v.Field(i))
				}
			}
			return wrong(at, "unknown field")
		})
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return members(path, raw, func(name string, value json.RawMessage) error {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := decode(path+"["+strconv.Quote(name)+"]", value, element); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name), element)
			return nil
		})
	case reflect.Slice:
		var all []json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil || all == nil {
			return wrong(path, "want an array")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(all), len(all)))
		for i, value := range all {
			if err := decode(fmt.Sprintf("%s[%d]", path, i), value, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.String:
		if raw[0] != '"' || json.Unmarshal(raw, v.Addr().Interface()) != nil {
			return wrong(path, "want a string")
		}
		return nil
	case reflect.Int:
		if n, err := strconv.ParseInt(string(raw), 10, 32); err == nil {
			v.SetInt(n)
			return nil
		}
		return wrong(path, "want a whole number")
	}
	panic("playbook: no rule for " + v.Type().String())
}

// members calls f for each member of an object.
func members(path string, raw json.RawMessage, f func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return wrong(path, "want an object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return wrong(path, "not JSON")
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return wrong(path, "not JSON")
		}
		if seen[name] {
			return wrong(path, "%q stands twice", name)
		}
		seen[name] = true
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Parse reads a playbook. Its errors are *FieldError and name the JSON path of
// the first field that is wrong.
func Parse(data []byte) (*Playbook, error) {
	if len(data) > MaxBytes {
		return nil, wrong("", "%d bytes, limit %d", len(data), MaxBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return nil, wrong("", "not JSON: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, wrong("", "more than one JSON value")
	}
	// The version first: a newer release may have fields of its own.
	var head struct {
		Version json.Number `json:"version"`
	}
	if json.Unmarshal(raw, &head) == nil && head.Version != "" {
		if n, err := head.Version.Int64(); err == nil && n > Version {
			return nil, wrong("version", "%d, this release reads up to %d: upgrade penstock", n, Version)
		}
	}
	p := &Playbook{}
	if err := decode("", raw, reflect.ValueOf(p).Elem()); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}
