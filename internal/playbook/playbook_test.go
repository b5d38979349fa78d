package playbook_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"penstock/internal/playbook"
	"penstock/internal/rollup"
)

var update = flag.Bool("update", false, "write the golden files")

func env() playbook.Env {
	return playbook.Env{
		Hour: "2026-11-23T07", Revision: "4f1c09e2ab77", Run: 2, Cluster: 1, ClusterName: "penstock-2026112307-2-1",
		Input:       "s3://hours/2026/11/player_events.2026112307.4f1c09e2ab77.*.bz2",
		Output:      "s3://hours/results/video/2026/11/23/07/4f1c09e2ab77.2.1",
		Code:        "s3://hours/code/1.0.0/",
		Logs:        "s3://hours/logs/",
		ServiceRole: "penstock-emr", InstanceProfile: "penstock-emr-ec2", SecurityConfiguration: "penstock",
		Subnets: []string{"subnet-0a", "subnet-0b"},
		Tags:    map[string]string{"penstock:hour": "2026112307", "penstock:execution": "2026112307-2"},
	}
}

// names are the playbooks whose job is rollup's.
func names() []string { return []string{"video", "web", "text"} }

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "playbooks", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "schemas", "playbook.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t testing.TB, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestThePlaybooksAreValidAndTheirCommandsAreRollups(t *testing.T) {
	s := schema(t)
	for _, name := range names() {
		p, err := playbook.Parse(read(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := valid(t, s, read(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Name != name || p.Arch() != "arm64" {
			t.Errorf("%s: name %s, architecture %s", name, p.Name, p.Arch())
		}
		step := p.Steps[0]
		for role, command := range map[string]string{"map": step.Mapper, "combine": step.Combiner, "reduce": step.Reducer} {
			words := strings.Fields(command)
			c, err := rollup.ParseCommand(words[1:])
			if err != nil || words[0] != "rollup" || c.Role != role {
				t.Errorf("%s: %q: %v", name, command, err)
			}
			if role == "map" && !hasCount(c.Spec, p.Check.Sum) {
				t.Errorf("%s: the check sums %s, which does not count every event", name, p.Check.Sum)
			}
		}
		// What Go writes is what Go and the schema read.
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := playbook.Parse(again); err != nil {
			t.Errorf("%s written again: %v", name, err)
		}
		if err := valid(t, s, again); err != nil {
			t.Errorf("%s written again: %v", name, err)
		}
	}
}

func hasCount(s rollup.Spec, name string) bool {
	for _, m := range s.Measures {
		if m == (rollup.Measure{Name: name}) {
			return true
		}
	}
	return false
}

func TestEveryPlaybookOfTheFolderIsValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "playbooks", "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatalf("playbooks %v, error %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if err := valid(t, schema(t), read(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p, err := playbook.Parse(read(t, name)); err != nil || p.Name != name {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestRequestsAreGolden(t *testing.T) {
	for _, name := range append(names(), "spark") {
		p, err := playbook.Parse(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Request(env())
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".request.json")
		if *update {
			if err := os.WriteFile(golden, append(got, '\n'), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != string(want) {
			t.Errorf("%s: the request differs from %s:\n%s", name, golden, got)
		}
	}
}

// bad returns documents that differ from video.json in one place, and the path
// of that place. Structural ones are refused by the schema as well.
func bad() []struct {
	old, new, path string
	structural     bool
} {
	type row = struct {
		old, new, path string
		structural     bool
	}
	return []row{
		{`"version": 1`, `"version": 2`, "version", true},
		{`"version": 1`, `"version": "1"`, "version", true},
		{`"version": 1,`, ``, "version", true},
		{`"name": "video"`, `"name": "Video"`, "name", true},
		{`"name": "video"`, `"Name": "video"`, "Name", true},
		{`"name": "video"`, `"name": null`, "name", true},
		{`"name": "video"`, `"name": "video", "name": "web"`, "", false},
		{`"name": "video"`, `"name": "video", "extra": 1`, "extra", true},
		{`"applications": ["Hadoop"]`, `"applications": []`, "cluster.applications", true},
		{`"applications": ["Hadoop"]`, `"applications": ["Ha doop"]`, "cluster.applications[0]", true},
		{`"applications": ["Hadoop"]`, `"applications": "Hadoop"`, "cluster.applications", true},
		{`"releaseLabel": "emr-7.14.0"`, `"releaseLabel": "7.14"`, "cluster.releaseLabel", true},
		{`"idleTimeoutSeconds": 900`, `"idleTimeoutSeconds": 59`, "cluster.idleTimeoutSeconds", true},
		{`"idleTimeoutSeconds": 900`, `"idleTimeoutSeconds": 90.5`, "cluster.idleTimeoutSeconds", true},
		{`"maxMinutes": 55`, `"maxMinutes": 9`, "cluster.maxMinutes", true},
		{`"role": "TASK"`, `"role": "CORE"`, "cluster.fleets[2].role", true},
		{`"role": "TASK"`, `"role": "SLAVE"`, "cluster.fleets[2].role", true},
		{`"role": "CORE"`, `"role": "TASK"`, "cluster.fleets[2].role", true},
		{`"onDemand": 1,`, `"onDemand": 2,`, "cluster.fleets[0].onDemand", true},
		{`"onDemand": 1,`, `"spot": 1,`, "cluster.fleets[0].onDemand", true},
		{`"spot": 8`, `"spot": 0`, "cluster.fleets[2].onDemand", true},
		{`"spotStrategy": "price-capacity-optimized"`, `"spotStrategy": "cheap"`, "cluster.fleets[2].spotStrategy", true},
		{`"timeoutMinutes": 10`, `"timeoutMinutes": 4`, "cluster.fleets[2].timeoutMinutes", true},
		{`"timeoutAction": "SWITCH_TO_ON_DEMAND"`, `"timeoutAction": "WAIT"`, "cluster.fleets[2].timeoutAction", true},
		{`{"type": "m6g.2xlarge", "weight": 8}`, `{"type": "m6i.2xlarge", "weight": 8}`, "cluster.fleets[2].instances[3].type", false},
		{`{"type": "m6g.2xlarge", "weight": 8}`, `{"type": "big", "weight": 8}`, "cluster.fleets[2].instances[3].type", true},
		{`{"type": "m6g.2xlarge", "weight": 8}`, `{"type": "m6g.2xlarge", "weight": -1}`, "cluster.fleets[2].instances[3].weight", true},
		{`"service": "penstock"`, `"service": "{{stack}}"`, `cluster.tags["service"]`, false},
		{`"service": "penstock"`, `"penstock:hour": "x"`, `cluster.tags["penstock:hour"]`, true},
		{`"kind": "hadoop-streaming"`, `"kind": "spark"`, "steps[0].kind", true},
		{`"kind": "hadoop-streaming"`, `"kind": "command"`, "steps[0].args", true},
		{`"mapper": "rollup map`, `"mapper": "rollup  map`, "steps[0].mapper", true},
		{`"mapper": "rollup map`, `"mapper": "rollup 'map'`, "steps[0].mapper", true},
		{`"mapper": "rollup map`, `"mapper": "rollup {{hour map`, "steps[0].mapper", false},
		{`"mapper": "rollup map`, `"mapper": "rollup hour}} map`, "steps[0].mapper", false},
		{`"mapper": "rollup map`, `"mapper": "rollup {{ hour }} map`, "steps[0].mapper", false},
		{`"reducer": "rollup reduce",`, ``, "steps[0].reducer", true},
		{`"reducers": 1`, `"reducers": 1001`, "steps[0].reducers", true},
		{`"files": ["`, `"files": ["a,`, "steps[0].files[0]", true},
		{`"mapreduce.job.name"`, `"mapreduce=job"`, `steps[0].properties["mapreduce=job"]`, true},
		{`{{job}}-{{hour}}`, `{{job}}\n{{hour}}`, `steps[0].properties["mapreduce.job.name"]`, true},
		{`"sum": "events"`, `"sum": ""`, "check.sum", true},
		{`"equals": "events"`, `"equals": "lines"`, "check.equals", true},
	}
}

func TestErrorsNameThePathOfTheField(t *testing.T) {
	s, good := schema(t), string(read(t, "video"))
	for _, c := range bad() {
		document := strings.Replace(good, c.old, c.new, 1)
		if document == good {
			t.Fatalf("%s is not in video.json", c.old)
		}
		_, err := playbook.Parse([]byte(document))
		var field *playbook.FieldError
		if !errors.As(err, &field) || field.Path != c.path {
			t.Errorf("%s: error %v, want one at %s", c.new, err, c.path)
		}
		if refused := valid(t, s, []byte(document)) != nil; refused != c.structural {
			t.Errorf("%s: refused by the schema: %v, want %v", c.new, refused, c.structural)
		}
	}
	for _, document := range []string{"", "null", "[]", "{", "{} {}", good + "x", strings.Repeat("[", 1<<20), strings.Repeat(" ", playbook.MaxBytes) + good} {
		if _, err := playbook.Parse([]byte(document)); err == nil {
			t.Errorf("%.20q: accepted", document)
		}
	}
	if _, err := playbook.Parse([]byte(`{"version": 3, "new": 1}`)); err == nil || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("a newer version: %v", err)
	}
}

func TestRequestRefusesWhatEMRWould(t *testing.T) {
	for name, spoil := range map[string]func(*playbook.Playbook, *playbook.Env){
		"hour":       func(_ *playbook.Playbook, e *playbook.Env) { e.Hour = "2026112307" },
		"revision":   func(_ *playbook.Playbook, e *playbook.Env) { e.Revision = "" },
		"run":        func(_ *playbook.Playbook, e *playbook.Env) { e.Run = 0 },
		"name":       func(_ *playbook.Playbook, e *playbook.Env) { e.ClusterName = "a<b>" },
		"input":      func(_ *playbook.Playbook, e *playbook.Env) { e.Input = "s3://hours/a b" },
		"output":     func(_ *playbook.Playbook, e *playbook.Env) { e.Output = "/tmp" },
		"code":       func(_ *playbook.Playbook, e *playbook.Env) { e.Code = "" },
		"logs":       func(_ *playbook.Playbook, e *playbook.Env) { e.Logs = "file:///" },
		"role":       func(_ *playbook.Playbook, e *playbook.Env) { e.ServiceRole = "" },
		"tag":        func(_ *playbook.Playbook, e *playbook.Env) { e.Tags = map[string]string{"stack": "x"} },
		"characters": func(p *playbook.Playbook, _ *playbook.Env) { p.Steps[0].Files = many(100, strings.Repeat("f", 200)) },
		"bytes": func(p *playbook.Playbook, _ *playbook.Env) {
			for len(p.Steps) < 30 {
				p.Steps = append(p.Steps, playbook.Step{Name: "s", Kind: playbook.Command, Args: []string{strings.Repeat("a", 10_000)}})
			}
		},
		"steps": func(p *playbook.Playbook, _ *playbook.Env) {
			for len(p.Steps) <= 256 {
				p.Steps = append(p.Steps, p.Steps[0])
			}
		},
	} {
		p, err := playbook.Parse(read(t, "video"))
		if err != nil {
			t.Fatal(err)
		}
		e := env()
		spoil(p, &e)
		if _, err := p.Request(e); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func many(n int, s string) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}

func TestAMapOnlyStepAndACommand(t *testing.T) {
	p, err := playbook.Parse(read(t, "video"))
	if err != nil {
		t.Fatal(err)
	}
	p.Steps = []playbook.Step{
		{Name: "filter", Kind: playbook.Streaming, Mapper: "cat", Output: "{{output}}/all"},
		{Name: "spark", Kind: playbook.Command, Args: []string{"spark-submit", "{{code}}/job.py", "--hour", "{{hour}}"}},
	}
	r, err := p.Request(env())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"hadoop-streaming -D mapreduce.job.reduces=0 -mapper cat -input " + env().Input + " -output " + env().Output + "/all",
		"spark-submit s3://hours/code/1.0.0/job.py --hour 2026-11-23T07",
	}
	for i, s := range r.Steps {
		if got := strings.Join(s.HadoopJarStep.Args, " "); got != want[i] {
			t.Errorf("step %d:\n%s, want\n%s", i, got, want[i])
		}
	}
}

func TestTheFleetsMachinesChooseTheProgram(t *testing.T) {
	for types, want := range map[string]string{"": "linux-arm64", "7i 6i 6i": "linux-amd64", "7a 6a 6a": "linux-amd64"} {
		text := string(read(t, "video"))
		if w := strings.Fields(types); len(w) > 0 {
			text = strings.NewReplacer("m7g.", "m"+w[0]+".", "m6g.", "m"+w[1]+".", "r6g.", "r"+w[2]+".").Replace(text)
		}
		p, err := playbook.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Request(env())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Steps[0].HadoopJarStep.Args[2]; got != "s3://hours/code/1.0.0/"+want+"/rollup" {
			t.Errorf("machines %q run %s", types, got)
		}
	}
}

func TestAFleetOfSpotMachinesFallsBackToOnDemandUnlessToldOtherwise(t *testing.T) {
	for action, want := range map[string]string{"": "SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER": "TERMINATE_CLUSTER"} {
		p, err := playbook.Parse(read(t, "video"))
		if err != nil {
			t.Fatal(err)
		}
		fleet := &p.Cluster.Fleets[2]
		fleet.TimeoutAction, fleet.TimeoutMinutes, fleet.SpotStrategy = action, 0, ""
		r, err := p.Request(env())
		if err != nil {
			t.Fatal(err)
		}
		got := r.Instances.InstanceFleets[2].LaunchSpecifications.SpotSpecification
		if got == nil || *got != (playbook.SpotSpecification{AllocationStrategy: "price-capacity-optimized", TimeoutAction: want, TimeoutDurationMinutes: 10}) {
			t.Errorf("%q: %+v", action, got)
		}
		if got := r.Instances.InstanceFleets[1].LaunchSpecifications.SpotSpecification; got != nil {
			t.Errorf("a fleet on demand has %+v", got)
		}
	}
}

func TestArchOfInstanceTypes(t *testing.T) {
	for name, want := range map[string]string{
		"m7g.xlarge": "arm64", "c6gn.2xlarge": "arm64", "r8gd.metal-24xl": "arm64", "im4gn.large": "arm64", "a1.large": "arm64", "x2gd.medium": "arm64", "t4g.small": "arm64",
		"m5.xlarge": "amd64", "g4dn.xlarge": "amd64", "m7i-flex.large": "amd64", "c6a.large": "amd64", "i4i.large": "amd64", "u-6tb1.metal": "amd64", "g5.xlarge": "amd64", "g5g.xlarge": "arm64",
		"": "", "m7g": "", "xlarge": "", "M7G.xlarge": "", "m7g.x large": "",
	} {
		if got := playbook.Arch(name); got != want {
			t.Errorf("Arch(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzParse demands that Parse never panics, and that what it accepts can be
// rendered, or is refused with a reason.
func FuzzParse(f *testing.F) {
	for _, name := range names() {
		f.Add(read(f, name))
	}
	for _, c := range bad() {
		f.Add([]byte(strings.Replace(string(read(f, "video")), c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := playbook.Parse(data)
		if err != nil {
			var field *playbook.FieldError
			if !errors.As(err, &field) {
				t.Fatalf("error %T: %v", err, err)
			}
			return
		}
		r, err := p.Request(env())
		if err != nil {
			return
		}
		for _, s := range r.Steps {
			for _, a := range s.HadoopJarStep.Args {
				if strings.Contains(a, "{{") && !strings.Contains(string(data), "{{{") {
					t.Errorf("placeholder left in %q", a)
				}
			}
		}
	})
}
