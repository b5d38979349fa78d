package playbook

// RunJobFlow is the request of EMR's RunJobFlow, in the API's own names, which
// are those of the aws-sdk integration of Step Functions as well. Every member is
// always there, because the state machine names each of them by a path.
type RunJobFlow struct {
	Name                  string
	LogURI                string `json:"LogUri"`
	ReleaseLabel          string
	Applications          []Application
	Instances             Instances
	Steps                 []StepConfig
	BootstrapActions      []BootstrapActionConfig
	Configurations        []ConfigurationConfig
	ServiceRole           string
	JobFlowRole           string
	SecurityConfiguration string
	ScaleDownBehavior     string
	EbsRootVolumeSize     int
	AutoTerminationPolicy AutoTerminationPolicy
	Tags                  []Tag
}

// Application names an application of the release.
type Application struct{ Name string }

// Instances is the hardware of a cluster.
type Instances struct {
	KeepJobFlowAliveWhenNoSteps bool
	TerminationProtected        bool
	EC2SubnetIDs                []string `json:"Ec2SubnetIds,omitempty"`
	InstanceFleets              []InstanceFleet
}

// InstanceFleet is a fleet with its capacities in units.
type InstanceFleet struct {
	Name                   string
	InstanceFleetType      string
	TargetOnDemandCapacity int
	TargetSpotCapacity     int
	InstanceTypeConfigs    []InstanceTypeConfig
	LaunchSpecifications   LaunchSpecifications
}

// InstanceTypeConfig is an instance type and what it counts for.
type InstanceTypeConfig struct {
	InstanceType     string
	WeightedCapacity int
}

// LaunchSpecifications say how capacity is bought.
type LaunchSpecifications struct {
	OnDemandSpecification OnDemandSpecification
	SpotSpecification     *SpotSpecification `json:",omitempty"`
}

// OnDemandSpecification chooses among on-demand types.
type OnDemandSpecification struct{ AllocationStrategy string }

// SpotSpecification chooses among spot types and says what to do without any.
type SpotSpecification struct {
	AllocationStrategy     string
	TimeoutAction          string
	TimeoutDurationMinutes int
}

// StepConfig is one step.
type StepConfig struct {
	Name            string
	ActionOnFailure string
	HadoopJarStep   HadoopJarStep
}

// HadoopJarStep is what a step runs.
type HadoopJarStep struct {
	Jar  string
	Args []string
}

// BootstrapActionConfig is a script run on each instance.
type BootstrapActionConfig struct {
	Name                  string
	ScriptBootstrapAction ScriptBootstrapAction
}

// ScriptBootstrapAction is where the script is, and its arguments.
type ScriptBootstrapAction struct {
	Path string
	Args []string `json:",omitempty"`
}

// ConfigurationConfig is a classification with its properties.
type ConfigurationConfig struct {
	Classification string
	Properties     map[string]string     `json:",omitempty"`
	Configurations []ConfigurationConfig `json:",omitempty"`
}

// AutoTerminationPolicy ends an idle cluster.
type AutoTerminationPolicy struct{ IdleTimeout int }

// Tag is one tag of a cluster.
type Tag struct{ Key, Value string }
