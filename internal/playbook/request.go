package playbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// managedPolicyTag is demanded by AmazonEMRServicePolicy_v2.
const managedPolicyTag = "for-use-with-amazon-emr-managed-policies"

// Env is what a request needs besides the playbook.
type Env struct {
	Hour     string // 2026-11-23T07
	Revision string
	Run      int // number of the execution for the hour, from 1
	Cluster  int // number of the cluster in the run, from 1
	// ClusterName is unique among all clusters of the account.
	ClusterName string
	Input       string // glob of the hour's parts, s3://
	Output      string // prefix of the result, s3://, no final slash
	Code        string // prefix of programs and scripts, s3://, no final slash
	Logs        string // prefix of EMR's logs, s3://

	ServiceRole           string
	InstanceProfile       string
	SecurityConfiguration string   // may be empty
	Subnets               []string // may be empty on one machine
	// Tags are added to the playbook's; their names begin with "penstock:".
	Tags map[string]string
}

var (
	hourPattern     = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}$`)
	revisionPattern = regexp.MustCompile(`^[0-9a-f]{1,64}$`)
	uriPattern      = regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,62}(/[A-Za-z0-9._*=-]+)*/?$`)
	clusterPattern  = regexp.MustCompile(`^[A-Za-z0-9._/:=+@-]{1,256}$`)
)

func (e *Env) validate() error {
	switch {
	case !hourPattern.MatchString(e.Hour):
		return fmt.Errorf("render cluster request: hour %q", e.Hour)
	case !revisionPattern.MatchString(e.Revision):
		return fmt.Errorf("render cluster request: revision %q", e.Revision)
	case e.Run < 1 || e.Cluster < 1:
		return fmt.Errorf("render cluster request: run %d, cluster %d", e.Run, e.Cluster)
	case !clusterPattern.MatchString(e.ClusterName):
		return fmt.Errorf("render cluster request: cluster name %q", e.ClusterName)
	case e.ServiceRole == "" || e.InstanceProfile == "":
		return errors.New("render cluster request: no service role or no instance profile")
	}
	for _, u := range []struct{ name, uri string }{{"input", e.Input}, {"output", e.Output}, {"code", e.Code}, {"logs", e.Logs}} {
		if !uriPattern.MatchString(u.uri) || len(u.uri) > 1024 {
			return fmt.Errorf("render cluster request: %s %q is no s3:// URI", u.name, u.uri)
		}
	}
	for key := range e.Tags {
		if !strings.HasPrefix(key, "penstock:") {
			return fmt.Errorf("render cluster request: tag %q does not begin with \"penstock:\"", key)
		}
	}
	return nil
}

// defaultRootVolume is EMR's own default since release 6, in GiB.
const defaultRootVolume = 15

// Request renders the RunJobFlow request for one cluster of one run. The same
// playbook and env give the same request, and its JSON the same bytes. The
// cluster ends with its last step, or with the first step that fails.
func (p *Playbook) Request(env Env) (RunJobFlow, error) {
	if err := p.Validate(); err != nil {
		return RunJobFlow{}, err
	}
	if err := env.validate(); err != nil {
		return RunJobFlow{}, err
	}
	values := map[string]string{
		"hour": env.Hour, "revision": env.Revision, "input": env.Input, "output": strings.TrimSuffix(env.Output, "/"),
		"run": strconv.Itoa(env.Run), "cluster": strconv.Itoa(env.Cluster), "code": strings.TrimSuffix(env.Code, "/"),
		"arch": p.Arch(), "job": p.Name,
	}
	r := RunJobFlow{
		Name:                  env.ClusterName,
		LogURI:                env.Logs,
		ReleaseLabel:          p.Cluster.ReleaseLabel,
		Instances:             p.Cluster.instances(env.Subnets),
		Configurations:        configurations(p.Cluster.Configurations, values),
		ServiceRole:           env.ServiceRole,
		JobFlowRole:           env.InstanceProfile,
		SecurityConfiguration: env.SecurityConfiguration,
		ScaleDownBehavior:     "TERMINATE_AT_TASK_COMPLETION",
		EbsRootVolumeSize:     max(p.Cluster.RootVolumeGiB, defaultRootVolume),
		BootstrapActions:      []BootstrapActionConfig{},
		AutoTerminationPolicy: AutoTerminationPolicy{p.Cluster.IdleTimeoutSeconds},
		Tags:                  p.tags(env, values),
	}
	for _, a := range p.Cluster.Applications {
		r.Applications = append(r.Applications, Application{a})
	}
	for _, b := range p.Cluster.BootstrapActions {
		r.BootstrapActions = append(r.BootstrapActions, BootstrapActionConfig{b.Name, ScriptBootstrapAction{expand(b.Path, values), expandAll(b.Args, values)}})
	}
	for i := range p.Steps {
		step := StepConfig{expand(p.Steps[i].Name, values), "TERMINATE_CLUSTER", HadoopJarStep{"command-runner.jar", p.Steps[i].args(values)}}
		if n := step.text(); n > MaxStepText {
			return RunJobFlow{}, wrong(fmt.Sprintf("steps[%d]", i), "%d characters when rendered, limit %d", n, MaxStepText)
		}
		r.Steps = append(r.Steps, step)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return RunJobFlow{}, fmt.Errorf("render cluster request: %w", err)
	}
	if len(data) > MaxRequestSize {
		return RunJobFlow{}, fmt.Errorf("render cluster request: %d bytes, limit %d", len(data), MaxRequestSize)
	}
	return r, nil
}

// text counts the characters that EMR limits.
func (s *StepConfig) text() int {
	n := utf8.RuneCountInString(s.HadoopJarStep.Jar)
	for _, a := range s.HadoopJarStep.Args {
		n += utf8.RuneCountInString(a)
	}
	return n
}

// args are the arguments of command-runner.jar. Hadoop wants its own options
// (-D, -files) before those of Streaming.
func (s *Step) args(values map[string]string) []string {
	if s.Kind == Command {
		return expandAll(s.Args, values)
	}
	args := []string{"hadoop-streaming"}
	if len(s.Files) > 0 {
		args = append(args, "-files", strings.Join(expandAll(s.Files, values), ","))
	}
	reducers := max(1, s.Reducers)
	if s.Reducer == "" {
		reducers = 0
	}
	properties := maps.Clone(s.Properties)
	if properties == nil {
		properties = map[string]string{}
	}
	properties["mapreduce.job.reduces"] = strconv.Itoa(reducers)
	for _, key := range sortedKeys(properties) {
		args = append(args, "-D", key+"="+expand(properties[key], values))
	}
	for _, c := range []struct{ flag, command, otherwise string }{
		{"-mapper", s.Mapper, ""}, {"-combiner", s.Combiner, ""}, {"-reducer", s.Reducer, ""},
		{"-input", s.Input, "{{input}}"}, {"-output", s.Output, "{{output}}"},
	} {
		if c.command == "" {
			c.command = c.otherwise
		}
		if c.command != "" {
			args = append(args, c.flag, expand(c.command, values))
		}
	}
	return args
}

func expandAll(all []string, values map[string]string) []string {
	var out []string
	for _, s := range all {
		out = append(out, expand(s, values))
	}
	return out
}

func (c *Cluster) instances(subnets []string) Instances {
	i := Instances{EC2SubnetIDs: subnets}
	for _, f := range c.Fleets {
		fleet := InstanceFleet{
			Name: strings.ToLower(f.Role), InstanceFleetType: f.Role,
			TargetOnDemandCapacity: f.OnDemand, TargetSpotCapacity: f.Spot,
			LaunchSpecifications: LaunchSpecifications{OnDemandSpecification: OnDemandSpecification{or(f.OnDemandStrategy, "lowest-price")}},
		}
		if f.Spot > 0 {
			fleet.LaunchSpecifications.SpotSpecification = &SpotSpecification{
				AllocationStrategy:     or(f.SpotStrategy, "price-capacity-optimized"),
				TimeoutAction:          or(f.TimeoutAction, "SWITCH_TO_ON_DEMAND"),
				TimeoutDurationMinutes: max(f.TimeoutMinutes, 0),
			}
			if f.TimeoutMinutes == 0 {
				fleet.LaunchSpecifications.SpotSpecification.TimeoutDurationMinutes = 10
			}
		}
		for _, t := range f.Instances {
			fleet.InstanceTypeConfigs = append(fleet.InstanceTypeConfigs, InstanceTypeConfig{t.Type, max(1, t.Weight)})
		}
		i.InstanceFleets = append(i.InstanceFleets, fleet)
	}
	return i
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func configurations(all []Configuration, values map[string]string) []ConfigurationConfig {
	out := []ConfigurationConfig{}
	for _, c := range all {
		r := ConfigurationConfig{Classification: c.Classification, Configurations: configurations(c.Configurations, values)}
		for key, value := range c.Properties {
			if r.Properties == nil {
				r.Properties = map[string]string{}
			}
			r.Properties[key] = expand(value, values)
		}
		out = append(out, r)
	}
	return out
}

func (p *Playbook) tags(env Env, values map[string]string) []Tag {
	all := map[string]string{managedPolicyTag: "true"}
	for key, value := range p.Cluster.Tags {
		all[key] = expand(value, values)
	}
	maps.Copy(all, env.Tags)
	var tags []Tag
	for _, key := range sortedKeys(all) {
		tags = append(tags, Tag{key, all[key]})
	}
	return tags
}
