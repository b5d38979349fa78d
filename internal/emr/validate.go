package emr

import (
	"slices"
	"unicode/utf8"
)

const (
	maxSteps    = 256
	maxStepText = 10_240
	maxName     = 256
	maxURI      = 10_280
)

// validate refuses what RunJobFlow refuses.
func (r *runJobFlow) validate() error {
	switch {
	case r.Name == "" || utf8.RuneCountInString(r.Name) > maxName:
		return refuse(Validation, "Name is missing or longer than %d characters", maxName)
	case r.Instances == nil:
		return refuse(Validation, "Instances is missing")
	case r.ReleaseLabel == "":
		return refuse(Validation, "ReleaseLabel is missing")
	case r.ServiceRole == "" || r.JobFlowRole == "":
		return refuse(Validation, "ServiceRole and JobFlowRole are required for creating cluster")
	case utf8.RuneCountInString(r.LogURI) > maxURI:
		return refuse(Validation, "LogUri is longer than %d characters", maxURI)
	case len(r.Steps) > maxSteps:
		return refuse(Validation, "Maximum number of steps for job flow exceeded: %d", maxSteps)
	case r.StepConcurrencyLevel < 0 || r.StepConcurrencyLevel > 256:
		return refuse(Validation, "StepConcurrencyLevel is not between 1 and 256")
	case r.AutoTerminationPolicy != nil && (r.AutoTerminationPolicy.IdleTimeout < 60 || r.AutoTerminationPolicy.IdleTimeout > 604_800):
		return refuse(Validation, "AutoTerminationPolicy.IdleTimeout is not between 60 and 604800")
	}
	if err := r.Instances.validate(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range r.Tags {
		if t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || utf8.RuneCountInString(t.Value) > 256 || seen[t.Key] || len(r.Tags) > 50 {
			return refuse(InvalidRequest, "Tags are invalid: %.128q", t.Key)
		}
		seen[t.Key] = true
	}
	for i := range r.Steps {
		if err := r.Steps[i].validate(max(1, r.StepConcurrencyLevel)); err != nil {
			return err
		}
	}
	return nil
}

func (i *instances) validate() error {
	if len(i.InstanceFleets) == 0 {
		if len(i.InstanceGroups) == 0 && (i.InstanceCount < 1 || i.MasterInstanceType == "") {
			return refuse(Validation, "Instances has no fleets, no groups and no InstanceCount with MasterInstanceType")
		}
		return nil
	}
	if len(i.InstanceGroups) > 0 || i.InstanceCount > 0 {
		return refuse(Validation, "Instance fleets and instance groups are mutually exclusive")
	}
	roles := map[string]bool{}
	for _, f := range i.InstanceFleets {
		switch {
		case !slices.Contains([]string{"MASTER", "CORE", "TASK"}, f.InstanceFleetType) || roles[f.InstanceFleetType]:
			return refuse(Validation, "InstanceFleetType %.40q is unknown or stands twice", f.InstanceFleetType)
		case len(f.InstanceTypeConfigs) == 0 || len(f.InstanceTypeConfigs) > 30:
			return refuse(Validation, "Fleet %s has %d instance types", f.InstanceFleetType, len(f.InstanceTypeConfigs))
		case f.TargetOnDemandCapacity < 0 || f.TargetSpotCapacity < 0 || f.TargetOnDemandCapacity+f.TargetSpotCapacity == 0:
			return refuse(Validation, "Fleet %s has no target capacity", f.InstanceFleetType)
		case f.InstanceFleetType == "MASTER" && f.TargetOnDemandCapacity+f.TargetSpotCapacity != 1:
			return refuse(Validation, "The target capacity of the master fleet is not 1")
		}
		roles[f.InstanceFleetType] = true
	}
	if !roles["MASTER"] {
		return refuse(Validation, "There is no master instance fleet")
	}
	return nil
}

func (s *stepConfig) validate(concurrency int) error {
	if s.Name == "" || utf8.RuneCountInString(s.Name) > maxName || s.HadoopJarStep == nil || s.HadoopJarStep.Jar == "" {
		return refuse(Validation, "A step has no Name or no HadoopJarStep.Jar: %.40q", s.Name)
	}
	switch s.ActionOnFailure {
	case "":
		s.ActionOnFailure = "CONTINUE"
	case "TERMINATE_JOB_FLOW":
		s.ActionOnFailure = "TERMINATE_CLUSTER"
	case "CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER":
	default:
		return refuse(Validation, "ActionOnFailure %.40q is unknown", s.ActionOnFailure)
	}
	if concurrency > 1 && s.ActionOnFailure != "CONTINUE" {
		return refuse(Validation, "With StepConcurrencyLevel %d, ActionOnFailure must be CONTINUE", concurrency)
	}
	n := utf8.RuneCountInString(s.HadoopJarStep.Jar) + utf8.RuneCountInString(s.HadoopJarStep.MainClass)
	for _, a := range s.HadoopJarStep.Args {
		n += utf8.RuneCountInString(a)
	}
	for _, p := range s.HadoopJarStep.Properties {
		n += utf8.RuneCountInString(p.Key) + utf8.RuneCountInString(p.Value)
	}
	if n > maxStepText {
		return refuse(Validation, "Step %.40q: all strings together have %d characters, limit %d", s.Name, n, maxStepText)
	}
	return nil
}
