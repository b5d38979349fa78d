// Package playbooks holds the playbooks that come with Penstock.
package playbooks

import _ "embed"

// The playbooks: for the generator's events, for web access logs as JSON, and for lines of text.
var (
	//go:embed video.json
	Video []byte
	//go:embed web.json
	Web []byte
	//go:embed text.json
	Text []byte
)
