package emr

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// decode reads a request, whose members must be those of v's type in their
// exact spelling. Null stands for an absent member.
func decode(in json.RawMessage, v any) error {
	if len(bytes.TrimSpace(in)) == 0 {
		in = json.RawMessage("{}")
	}
	if err := checkNames("", in, reflect.TypeOf(v).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(in, v); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return refuse(Serialization, "%s is a %s, want %s", kind.Field, kind.Value, kind.Type)
		}
		return refuse(Serialization, "not the JSON of a request")
	}
	return nil
}

func checkNames(path string, raw json.RawMessage, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage]() || t == reflect.TypeFor[seconds]():
		return nil
	case t.Kind() == reflect.Slice:
		var all []json.RawMessage
		if json.Unmarshal(raw, &all) != nil {
			return refuse(Serialization, "%s is not an array", path)
		}
		for _, element := range all {
			if err := checkNames(path, element, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct:
		if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
			return nil
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return refuse(Serialization, "%s is not an object", strings.TrimPrefix("request "+path, " "))
		}
		known := map[string]reflect.Type{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = apiName(f.Name)
			}
			known[name] = f.Type
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			value := members[name]
			if known[name] == nil {
				return refuse(Validation, "%s has no member %q", strings.TrimSpace("the request "+path), name)
			}
			if err := checkNames(strings.TrimPrefix(path+"."+name, "."), value, known[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// apiName turns Go's spelling of initials into the API's.
func apiName(goName string) string {
	switch goName {
	case "CustomAmiID":
		return "CustomAmiId"
	case "LogEncryptionKmsKeyID":
		return "LogEncryptionKmsKeyId"
	case "EC2KeyName":
		return "Ec2KeyName"
	}
	return goName
}
