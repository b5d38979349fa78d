package asl

import (
	"encoding/json"
	"time"
)

// Machine is a loaded state machine. It never changes and may be shared by any number of engines.
type Machine struct {
	definition []byte
	timeout    time.Duration // 0: none
	root       *block
	names      []string
	resources  []string
}

// Definition is the document that was parsed.
func (m *Machine) Definition() json.RawMessage { return append(json.RawMessage(nil), m.definition...) }

// States lists the names of all states, also those within Map and Parallel states, sorted.
func (m *Machine) States() []string { return append([]string(nil), m.names...) }

// Resources lists the resources of all Tasks, sorted, each once.
func (m *Machine) Resources() []string { return append([]string(nil), m.resources...) }

// block is a set of states with a start: the machine itself, a branch, an item processor.
type block struct {
	start  string
	states map[string]*state
}

// selection is InputPath, OutputPath or ResultPath: a path, or nothing at all (null).
type selection struct {
	path *path
	null bool
}

// whole tells that the selection is "$", which is the default.
func (s selection) whole() bool {
	return !s.null && (s.path == nil || !s.path.context && len(s.path.steps) == 0)
}

// state is one state of any type; which fields are set depends on the type.
type state struct {
	name string
	kind string // the Type
	next string // empty at the end

	inputPath      selection
	outputPath     selection
	resultPath     selection
	parameters     *template // also ItemSelector
	resultSelector *template
	retry          []retrier
	catch          []catcher

	resource  string         // Task
	timeout   fieldOrPath    // Task, in seconds
	heartbeat fieldOrPath    // Task, in seconds
	result    *literal       // Pass
	seconds   fieldOrPath    // Wait
	until     timestampField // Wait
	choices   []rule         // Choice
	otherwise string         // Choice: Default
	errorName textField      // Fail
	cause     textField      // Fail
	branches  []*block       // Parallel
	processor *block         // Map
	items     *path          // Map: ItemsPath
	atOnce    fieldOrPath    // Map: MaxConcurrency
}

type literal struct{ value any }

// fieldOrPath is a whole number that the definition gives, or a path to one.
type fieldOrPath struct {
	set  bool
	n    int64
	path *path
}

type timestampField struct {
	set  bool
	at   time.Time
	path *path
}

// textField is Error or Cause: a text, or an expression that gives one.
type textField struct {
	set        bool
	text       string
	source     string // of the expression, for messages
	expression *expression
}

type retrier struct {
	errors      []string
	interval    float64 // seconds
	backoff     float64
	maxDelay    float64 // seconds; 0: none
	maxAttempts int64
	jitter      bool
}

type catcher struct {
	errors     []string
	resultPath selection
	next       string
}

// template is a compiled payload template.
type template struct {
	value      any // as written, where it has no expressions
	constant   bool
	expression *expression
	source     string // of the expression
	field      string // that holds the expression, with its .$
	object     map[string]*template
	names      []string // of object, sorted: evaluation and errors come in this order
	array      []*template
}

// rule is one entry of Choices, or a condition within one.
type rule struct {
	op       string // "And", "Or", "Not" or the comparison
	parts    []rule
	variable *path
	value    any // of the comparison: string, json.Number, bool
	at       time.Time
	path     *path // of a comparison ...Path
	next     string
}
