package emr

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"penstock/internal/playbook"
)

// seconds is a time as the API writes it: seconds since 1970, with a fraction.
type seconds struct{ time.Time }

func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds, or RFC 3339 as state machines write times.
func (s *seconds) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Time)
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return err
	}
	s.Time = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
	return nil
}

func at(t time.Time) *seconds {
	if t.IsZero() {
		return nil
	}
	return &seconds{t}
}

// runJobFlow is the request, with all members that the API has; those that
// change nothing here are kept as they are.
type runJobFlow struct {
	Name                  string
	LogURI                string `json:"LogUri"`
	ReleaseLabel          string
	ServiceRole           string
	JobFlowRole           string
	SecurityConfiguration string
	ScaleDownBehavior     string
	StepConcurrencyLevel  int
	EbsRootVolumeSize     int
	Instances             *instances
	Steps                 []stepConfig
	Tags                  []playbook.Tag
	Applications          []application
	AutoTerminationPolicy *playbook.AutoTerminationPolicy
	BootstrapActions      []bootstrapAction

	AdditionalInfo, AmiVersion, AutoScalingRole, Configurations, CustomAmiID, EbsRootVolumeIops               json.RawMessage
	EbsRootVolumeThroughput, ExtendedSupport, KerberosAttributes, LogEncryptionKmsKeyID, ManagedScalingPolicy json.RawMessage
	MonitoringConfiguration, NewSupportedProducts, OSReleaseLabel, PlacementGroupConfigs, RepoUpgradeOnBoot   json.RawMessage
	SessionEnabled, StepExecutionRoleArn, SupportedProducts, VisibleToAllUsers                                json.RawMessage
}

type instances struct {
	KeepJobFlowAliveWhenNoSteps bool
	TerminationProtected        bool
	InstanceFleets              []instanceFleet
	InstanceGroups              []json.RawMessage
	InstanceCount               int
	MasterInstanceType          string
	SlaveInstanceType           string
	EC2SubnetID                 string   `json:"Ec2SubnetId"`
	EC2SubnetIDs                []string `json:"Ec2SubnetIds"`

	AdditionalMasterSecurityGroups, AdditionalSlaveSecurityGroups, EC2KeyName, EmrManagedMasterSecurityGroup json.RawMessage
	EmrManagedSlaveSecurityGroup, HadoopVersion, Placement, ServiceAccessSecurityGroup                       json.RawMessage
	UnhealthyNodeReplacement                                                                                 json.RawMessage
}

type instanceFleet struct {
	Name, InstanceFleetType                    string
	TargetOnDemandCapacity, TargetSpotCapacity int
	InstanceTypeConfigs                        []json.RawMessage
	LaunchSpecifications                       json.RawMessage
	ResizeSpecifications, Context              json.RawMessage
}

type application struct {
	Name           string
	Version        string            `json:",omitempty"`
	Args           []string          `json:",omitempty"`
	AdditionalInfo map[string]string `json:",omitempty"`
}

type stepConfig struct {
	Name                        string
	ActionOnFailure             string
	HadoopJarStep               *hadoopJarStep
	StepMonitoringConfiguration json.RawMessage
}

type hadoopJarStep struct {
	Jar, MainClass string
	Args           []string
	Properties     []keyValue
}

type keyValue struct{ Key, Value string }

// What the API answers.

type stateChangeReason struct {
	Code    string `json:",omitempty"`
	Message string `json:",omitempty"`
}

type clusterTimeline struct {
	CreationDateTime *seconds `json:",omitempty"`
	ReadyDateTime    *seconds `json:",omitempty"`
	EndDateTime      *seconds `json:",omitempty"`
}

type clusterStatus struct {
	State             string
	StateChangeReason stateChangeReason
	Timeline          clusterTimeline
}

type clusterSummary struct {
	ID                      string `json:"Id"`
	Name                    string
	Status                  clusterStatus
	NormalizedInstanceHours int
	ClusterArn              string
}

type clusterDetail struct {
	clusterSummary
	InstanceCollectionType string
	LogURI                 string `json:"LogUri,omitempty"`
	ReleaseLabel           string
	AutoTerminate          bool
	TerminationProtected   bool
	Applications           []application
	Tags                   []playbook.Tag
	ServiceRole            string
	SecurityConfiguration  string `json:",omitempty"`
	ScaleDownBehavior      string `json:",omitempty"`
	StepConcurrencyLevel   int
	EC2InstanceAttributes  ec2Attributes `json:"Ec2InstanceAttributes"`
}

type ec2Attributes struct {
	IamInstanceProfile    string
	EC2SubnetID           string   `json:"Ec2SubnetId,omitempty"`
	RequestedEC2SubnetIDs []string `json:"RequestedEc2SubnetIds,omitempty"`
}

type stepSummary struct {
	ID              string `json:"Id"`
	Name            string
	Config          stepSummaryConfig
	ActionOnFailure string
	Status          stepStatus
}

type stepSummaryConfig struct {
	Jar        string
	Properties map[string]string
	MainClass  string `json:",omitempty"`
	Args       []string
}

type stepStatus struct {
	State             string
	StateChangeReason stateChangeReason
	FailureDetails    *failureDetails `json:",omitempty"`
	Timeline          stepTimeline
}

type stepTimeline struct {
	CreationDateTime *seconds `json:",omitempty"`
	StartDateTime    *seconds `json:",omitempty"`
	EndDateTime      *seconds `json:",omitempty"`
}

type failureDetails struct {
	Reason  string `json:",omitempty"`
	Message string `json:",omitempty"`
	LogFile string `json:",omitempty"`
}
