package playbook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	namePattern     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	releasePattern  = regexp.MustCompile(`^emr-([a-z]+-)?[0-9]+\.[0-9]+\.[0-9]+$`)
	wordPattern     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	instancePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*[0-9][a-z-]*\.[a-z0-9-]+$`)
)

var (
	onDemandStrategies = []string{"", "lowest-price", "prioritized"}
	spotStrategies     = []string{"", "price-capacity-optimized", "capacity-optimized", "capacity-optimized-prioritized", "lowest-price", "diversified"}
	timeoutActions     = []string{"", "SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER"}
)

// Validate returns a *FieldError for the first field that cannot be used.
// Parse has called it already.
func (p *Playbook) Validate() error {
	switch {
	case p.Version != Version:
		return wrong("version", "%d, want %d", p.Version, Version)
	case !namePattern.MatchString(p.Name):
		return wrong("name", "%q is not 1 to 32 of a-z, 0-9 and '-', a letter first", p.Name)
	case len(p.Description) > 2000:
		return wrong("description", "longer than 2000 bytes")
	case len(p.Steps) == 0 || len(p.Steps) > MaxSteps:
		return wrong("steps", "%d steps, want 1 to %d", len(p.Steps), MaxSteps)
	}
	if err := p.Cluster.validate(); err != nil {
		return err
	}
	for i := range p.Steps {
		if err := p.Steps[i].validate(fmt.Sprintf("steps[%d]", i)); err != nil {
			return err
		}
	}
	if c := p.Check; c != nil {
		if !wordPattern.MatchString(c.Sum) {
			return wrong("check.sum", "%q is no measure's name", c.Sum)
		}
		if c.Equals != "events" {
			return wrong("check.equals", "%q, want \"events\"", c.Equals)
		}
	}
	return nil
}

func (c *Cluster) validate() error {
	const at = "cluster."
	if !releasePattern.MatchString(c.ReleaseLabel) {
		return wrong(at+"releaseLabel", "%q is not like emr-7.14.0", c.ReleaseLabel)
	}
	if len(c.Applications) == 0 || len(c.Applications) > 30 {
		return wrong(at+"applications", "%d applications, want 1 to 30", len(c.Applications))
	}
	for i, a := range c.Applications {
		if !wordPattern.MatchString(a) {
			return wrong(fmt.Sprintf(at+"applications[%d]", i), "%q is no application's name", a)
		}
	}
	if c.IdleTimeoutSeconds < 60 || c.IdleTimeoutSeconds > 604_800 {
		return wrong(at+"idleTimeoutSeconds", "%d, want 60 to 604800", c.IdleTimeoutSeconds)
	}
	if c.MaxMinutes < 10 || c.MaxMinutes > 1440 {
		return wrong(at+"maxMinutes", "%d, want 10 to 1440", c.MaxMinutes)
	}
	if c.RootVolumeGiB != 0 && (c.RootVolumeGiB < 15 || c.RootVolumeGiB > 100) {
		return wrong(at+"rootVolumeGiB", "%d, want 15 to 100", c.RootVolumeGiB)
	}
	if err := c.validateFleets(); err != nil {
		return err
	}
	if len(c.Tags) > MaxTags {
		return wrong(at+"tags", "%d tags, limit %d", len(c.Tags), MaxTags)
	}
	if err := checkMap(at+"tags", c.Tags, 128, 256); err != nil {
		return err
	}
	for _, key := range sortedKeys(c.Tags) {
		if strings.HasPrefix(key, "penstock:") || key == managedPolicyTag {
			return wrong(fmt.Sprintf("%stags[%q]", at, key), "the tag is Penstock's own")
		}
	}
	for i, b := range c.BootstrapActions {
		path := fmt.Sprintf("%sbootstrapActions[%d]", at, i)
		if err := checkText(path+".name", b.Name, 256, true); err != nil {
			return err
		}
		if err := checkText(path+".path", b.Path, 1024, true); err != nil {
			return err
		}
		for j, a := range b.Args {
			if err := checkText(fmt.Sprintf("%s.args[%d]", path, j), a, 4096, false); err != nil {
				return err
			}
		}
	}
	return checkConfigurations(at+"configurations", c.Configurations, 0)
}

func (c *Cluster) validateFleets() error {
	roles, arch := map[string]bool{}, ""
	for i, f := range c.Fleets {
		at := fmt.Sprintf("cluster.fleets[%d].", i)
		switch {
		case f.Role != "MASTER" && f.Role != "CORE" && f.Role != "TASK":
			return wrong(at+"role", "%q, want MASTER, CORE or TASK", f.Role)
		case roles[f.Role]:
			return wrong(at+"role", "a second fleet %s", f.Role)
		case f.OnDemand < 0 || f.Spot < 0 || f.OnDemand > 100_000 || f.Spot > 100_000:
			return wrong(at+"onDemand", "capacities %d and %d, want 0 to 100000", f.OnDemand, f.Spot)
		case f.OnDemand+f.Spot == 0:
			return wrong(at+"onDemand", "the fleet has no capacity: give onDemand or spot")
		case f.Role == "MASTER" && (f.OnDemand != 1 || f.Spot != 0):
			return wrong(at+"onDemand", "MASTER is one on-demand instance: losing it ends the cluster")
		case !slices.Contains(onDemandStrategies, f.OnDemandStrategy):
			return wrong(at+"onDemandStrategy", "%q, want one of%s", f.OnDemandStrategy, strings.Join(onDemandStrategies, " "))
		case !slices.Contains(spotStrategies, f.SpotStrategy):
			return wrong(at+"spotStrategy", "%q, want one of%s", f.SpotStrategy, strings.Join(spotStrategies, " "))
		case f.TimeoutMinutes != 0 && (f.TimeoutMinutes < 5 || f.TimeoutMinutes > 1440):
			return wrong(at+"timeoutMinutes", "%d, want 5 to 1440", f.TimeoutMinutes)
		case !slices.Contains(timeoutActions, f.TimeoutAction):
			return wrong(at+"timeoutAction", "%q, want one of%s", f.TimeoutAction, strings.Join(timeoutActions, " "))
		case len(f.Instances) == 0 || len(f.Instances) > 30:
			return wrong(at+"instances", "%d types, want 1 to 30", len(f.Instances))
		}
		roles[f.Role] = true
		seen := map[string]bool{}
		for j, instance := range f.Instances {
			at := fmt.Sprintf("%sinstances[%d].", at, j)
			switch this := Arch(instance.Type); {
			case this == "":
				return wrong(at+"type", "%q is not like m7g.xlarge", instance.Type)
			case seen[instance.Type]:
				return wrong(at+"type", "%s stands twice", instance.Type)
			case arch != "" && this != arch:
				return wrong(at+"type", "%s is %s, other instances are %s: one program must run on all", instance.Type, this, arch)
			case instance.Weight < 0 || instance.Weight > 999 || f.Role == "MASTER" && instance.Weight > 1:
				return wrong(at+"weight", "%d, want 1 to 999 (MASTER: 1)", instance.Weight)
			default:
				arch, seen[instance.Type] = this, true
			}
		}
	}
	if !roles["MASTER"] || !roles["CORE"] {
		return wrong("cluster.fleets", "a fleet MASTER and a fleet CORE are needed")
	}
	return nil
}

func (s *Step) validate(at string) error {
	if err := checkText(at+".name", s.Name, 256, true); err != nil {
		return err
	}
	switch s.Kind {
	case Command:
		if len(s.Args) == 0 || len(s.Args) > 1000 {
			return wrong(at+".args", "%d arguments, want 1 to 1000", len(s.Args))
		}
		if len(s.Files) > 0 || s.Mapper+s.Combiner+s.Reducer+s.Input+s.Output != "" || s.Reducers != 0 || len(s.Properties) > 0 {
			return wrong(at+".kind", "a command step has args only")
		}
		for i, a := range s.Args {
			if err := checkText(fmt.Sprintf("%s.args[%d]", at, i), a, MaxStepText, false); err != nil {
				return err
			}
		}
		return nil
	case Streaming:
		return s.validateStreaming(at)
	}
	return wrong(at+".kind", "%q, want %q or %q", s.Kind, Streaming, Command)
}

func (s *Step) validateStreaming(at string) error {
	if len(s.Args) > 0 {
		return wrong(at+".args", "a streaming step has a mapper and no args")
	}
	if len(s.Files) > 100 {
		return wrong(at+".files", "%d files, limit 100", len(s.Files))
	}
	for i, f := range s.Files {
		path := fmt.Sprintf("%s.files[%d]", at, i)
		if err := checkText(path, f, 1024, true); err != nil {
			return err
		}
		if strings.ContainsAny(f, ", ") {
			return wrong(path, "%q holds a comma or a space", f)
		}
	}
	for _, c := range []struct{ name, command string }{{"mapper", s.Mapper}, {"combiner", s.Combiner}, {"reducer", s.Reducer}} {
		path := at + "." + c.name
		if err := checkText(path, c.command, 4096, c.name == "mapper"); err != nil {
			return err
		}
		// Hadoop splits commands at spaces and has quoting rules of its own.
		if strings.ContainsAny(c.command, "'\"\\") || c.command != strings.Join(strings.Fields(c.command), " ") {
			return wrong(path, "want words between single spaces, without quotes or backslashes")
		}
	}
	switch {
	case s.Reducers < 0 || s.Reducers > 1000:
		return wrong(at+".reducers", "%d, want 1 to 1000", s.Reducers)
	case s.Reducer == "" && (s.Combiner != "" || s.Reducers != 0):
		return wrong(at+".reducer", "a combiner or a number of reducers without a reducer")
	}
	for _, c := range []struct{ name, uri string }{{"input", s.Input}, {"output", s.Output}} {
		if err := checkText(at+"."+c.name, c.uri, 1024, false); err != nil {
			return err
		}
	}
	return checkMap(at+".properties", s.Properties, 256, 4096)
}

func checkConfigurations(at string, all []Configuration, depth int) error {
	if len(all) > 50 || depth > 3 {
		return wrong(at, "more than 50 configurations, or nested more than 3 deep")
	}
	for i, c := range all {
		path := fmt.Sprintf("%s[%d]", at, i)
		if !wordPattern.MatchString(c.Classification) {
			return wrong(path+".classification", "%q is no classification", c.Classification)
		}
		if err := checkMap(path+".properties", c.Properties, 256, 8192); err != nil {
			return err
		}
		if err := checkConfigurations(path+".configurations", c.Configurations, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func checkMap(at string, m map[string]string, maxKey, maxValue int) error {
	if len(m) > 200 {
		return wrong(at, "%d entries, limit 200", len(m))
	}
	for _, key := range sortedKeys(m) {
		path := fmt.Sprintf("%s[%q]", at, key)
		if key == "" || len(key) > maxKey || strings.ContainsAny(key, "={} \t\r\n") {
			return wrong(path, "the name is empty, too long, or holds a space, '=', '{' or '}'")
		}
		if err := checkText(path, m[key], maxValue, false); err != nil {
			return err
		}
	}
	return nil
}

// checkText checks length, characters and placeholders.
func checkText(at, s string, limit int, needed bool) error {
	if needed && s == "" {
		return wrong(at, "it is needed")
	}
	if len(s) > limit {
		return wrong(at, "%d bytes, limit %d", len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return wrong(at, "it holds a control character or is no UTF-8")
	}
	return eachPlaceholder(s, func(name string) error {
		if !slices.Contains(placeholders, name) {
			return wrong(at, "unknown placeholder {{%s}}, know %s", name, strings.Join(placeholders, " "))
		}
		return nil
	}, func(problem string) error { return wrong(at, "%s", problem) })
}
