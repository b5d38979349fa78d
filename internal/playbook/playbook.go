// Package playbook reads playbooks and renders them: a playbook is the
// declarative description of an hour's job, its EMR cluster and the cluster's
// steps, and the request is what RunJobFlow is called with.
//
// A playbook is JSON (schemas/playbook.schema.json). Strings of steps, tags,
// configurations and bootstrap actions may hold placeholders, which stand for
// what is known only when an hour is run; an unknown one is refused when the
// playbook is read:
//
//	{{hour}}      2026-11-23T07
//	{{revision}}  the hour's revision
//	{{input}}     the hour's parts, as a glob of s3:// URIs
//	{{output}}    where the result belongs, an s3:// URI without final slash
//	{{run}}       the number of the execution, {{cluster}} the cluster's in it
//	{{code}}      where programs and scripts lie, an s3:// URI without final slash
//	{{arch}}      arm64 or amd64, by the instance types of the fleets
//	{{job}}       the playbook's name
package playbook

// Version is the version of the format that this release writes and reads.
const Version = 1

// Limits of a playbook and of the request made from it.
const (
	MaxBytes       = 256 << 10 // of the document
	MaxSteps       = 256       // EMR's own
	MaxStepText    = 10_240    // characters in all strings of one step, EMR's own
	MaxTags        = 40        // EMR takes 50, and some are Penstock's own
	MaxRequestSize = 192 << 10 // bytes: it travels as state of Step Functions, which holds 256 KiB
)

// Playbook is the cluster and the steps that make an hour's result.
type Playbook struct {
	// Version is the version of the format.
	Version int `json:"version"`
	// Name is the job's name, a part of the keys of its results: 1 to 32 of
	// a-z, 0-9 and '-', a letter first.
	Name string `json:"name"`
	// Description is for people.
	Description string  `json:"description,omitempty"`
	Cluster     Cluster `json:"cluster"`
	// Steps run one after the other; the first that fails ends the cluster.
	Steps []Step `json:"steps"`
	// Check, if there is one, is what Publish demands of the result.
	Check *Check `json:"check,omitempty"`
}

// Cluster is a transient EMR cluster.
type Cluster struct {
	ReleaseLabel string   `json:"releaseLabel"`
	Applications []string `json:"applications"`
	// Fleets are the instance fleets, one of each role at most; MASTER and
	// CORE are needed.
	Fleets []Fleet `json:"fleets"`
	// IdleTimeoutSeconds ends a cluster that does nothing, 60 to 604800.
	IdleTimeoutSeconds int `json:"idleTimeoutSeconds"`
	// MaxMinutes is how long a cluster may live; a run gives it up then.
	MaxMinutes       int               `json:"maxMinutes"`
	Tags             map[string]string `json:"tags,omitempty"`
	Configurations   []Configuration   `json:"configurations,omitempty"`
	BootstrapActions []BootstrapAction `json:"bootstrapActions,omitempty"`
	// RootVolumeGiB is the size of each instance's root volume; 0 is EMR's
	// default.
	RootVolumeGiB int `json:"rootVolumeGiB,omitempty"`
}

// Fleet is an instance fleet. Capacities are in units of the instances'
// weights.
type Fleet struct {
	Role             string     `json:"role"` // MASTER, CORE or TASK
	Instances        []Instance `json:"instances"`
	OnDemand         int        `json:"onDemand,omitempty"`
	Spot             int        `json:"spot,omitempty"`
	OnDemandStrategy string     `json:"onDemandStrategy,omitempty"` // default lowest-price
	SpotStrategy     string     `json:"spotStrategy,omitempty"`     // default price-capacity-optimized
	// TimeoutMinutes is how long to wait for spot capacity when the cluster
	// starts, 5 to 1440, by default 10; TimeoutAction what then:
	// SWITCH_TO_ON_DEMAND (default) or TERMINATE_CLUSTER.
	TimeoutMinutes int    `json:"timeoutMinutes,omitempty"`
	TimeoutAction  string `json:"timeoutAction,omitempty"`
}

// Instance is an EC2 instance type that a fleet may use.
type Instance struct {
	Type   string `json:"type"`
	Weight int    `json:"weight,omitempty"` // units, default 1
}

// Configuration is an EMR configuration classification.
type Configuration struct {
	Classification string            `json:"classification"`
	Properties     map[string]string `json:"properties,omitempty"`
	Configurations []Configuration   `json:"configurations,omitempty"`
}

// BootstrapAction is a script that each instance runs when it starts.
type BootstrapAction struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
}

// Kinds of steps.
const (
	Streaming = "hadoop-streaming" // a mapper and a reducer over the hour's parts
	Command   = "command"          // any arguments of command-runner.jar
)

// Step is one step of a cluster.
type Step struct {
	Name string `json:"name"`
	Kind string `json:"kind"`

	// Files are copied to where mapper and reducer run.
	Files []string `json:"files,omitempty"`
	// Mapper, Combiner and Reducer are commands of words between single
	// spaces; there are no quotes. No combiner and no reducer are possible.
	Mapper   string `json:"mapper,omitempty"`
	Combiner string `json:"combiner,omitempty"`
	Reducer  string `json:"reducer,omitempty"`
	// Reducers is the number of reducers and so of files, default 1.
	Reducers int `json:"reducers,omitempty"`
	// Properties are set with -D.
	Properties map[string]string `json:"properties,omitempty"`
	// Input and Output are {{input}} and {{output}} by default.
	Input  string `json:"input,omitempty"`
	Output string `json:"output,omitempty"`

	// Args are what a command step runs.
	Args []string `json:"args,omitempty"`
}

// Check is a condition on the lines of a result.
type Check struct {
	// Sum names the measure whose sum over all lines is meant.
	Sum string `json:"sum"`
	// Equals is what it must be equal to: "events", those of the hour.
	Equals string `json:"equals"`
}
