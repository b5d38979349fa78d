package asl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:._-]*)\}`)

// Substitute replaces every ${Name} of a definition by its value, as CloudFormation does with
// DefinitionSubstitutions. The definition is JSON before and after. A placeholder without a value,
// a malformed one, and a value that would not stay within its string or would bring a placeholder
// of its own are refused; values that are not used are not.
func Substitute(definition []byte, values map[string]string) ([]byte, error) {
	if !json.Valid(definition) {
		return nil, fmt.Errorf("substitute in a state machine: the definition is not JSON")
	}
	missing := map[string]bool{}
	for _, name := range sortedKeys(values) {
		if v := values[name]; strings.ContainsAny(v, "\"\\") || strings.Contains(v, "${") || strings.IndexFunc(v, func(r rune) bool { return r < ' ' }) >= 0 {
			return nil, fmt.Errorf(`substitute in a state machine: the value of %s has a quote, a backslash, a control character or a ${`, name)
		}
	}
	out := placeholder.ReplaceAllFunc(definition, func(match []byte) []byte {
		name := string(match[2 : len(match)-1])
		v, ok := values[name]
		if !ok {
			missing[name] = true
		}
		return []byte(v)
	})
	if len(missing) > 0 {
		names := sortedKeys(missing)
		return nil, fmt.Errorf("substitute in a state machine: no value for ${%s}", strings.Join(names, "}, ${"))
	}
	if i := bytes.Index(out, []byte("${")); i >= 0 {
		return nil, fmt.Errorf("substitute in a state machine: a malformed placeholder at %q", clip(string(out[i:])))
	}
	return out, nil
}

// Placeholders lists the names of all ${Name} in a definition, sorted, each once.
func Placeholders(definition []byte) []string {
	seen := map[string]bool{}
	for _, m := range placeholder.FindAllSubmatch(definition, -1) {
		seen[string(m[1])] = true
	}
	return sortedKeys(seen)
}
