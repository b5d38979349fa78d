// Package schemas holds the JSON Schemas of everything that Penstock reads and writes.
package schemas

import _ "embed"

//go:embed event.schema.json
var event string

// Event returns the schema of the events that ingest checks.
func Event() []byte { return []byte(event) }
