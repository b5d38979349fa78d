// Package statemachines holds the state machines as they are deployed, so that the one-machine engine runs the same
// files.
package statemachines

import _ "embed"

// The definitions, in the Amazon States Language, with ${...} where template.yaml puts its names.
var (
	//go:embed hour.asl.json
	Hour []byte
	//go:embed schedule.asl.json
	Schedule []byte
)
