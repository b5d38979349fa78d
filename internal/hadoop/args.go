package hadoop

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Job is what the arguments of hadoop-streaming ask for.
type Job struct {
	Files      []string // URIs; "#name" at the end renames
	Properties map[string]string
	Mapper     []string // words
	Combiner   []string // none if empty
	Reducer    []string // none if empty
	Inputs     []string // URIs with globs
	Output     string   // URI
	Reducers   int
}

// Properties that change how a Job runs here.
const (
	reducesProperty        = "mapreduce.job.reduces"
	mapAttemptsProperty    = "mapreduce.map.maxattempts"
	reduceAttemptsProperty = "mapreduce.reduce.maxattempts"
	defaultAttempts        = 4
	maxReducers            = 1000
)

// ParseStreaming reads the arguments that follow "hadoop-streaming". An
// argument that this package does not know is an error.
func ParseStreaming(args []string) (*Job, error) {
	j := &Job{Properties: map[string]string{}, Reducers: 1}
	explicit := ""
	for i := 0; i < len(args); i += 2 {
		option := args[i]
		if i+1 == len(args) {
			return nil, fmt.Errorf("read streaming arguments: %s has no value", option)
		}
		value := args[i+1]
		switch strings.Replace(option, "--", "-", 1) {
		case "-files":
			j.Files = append(j.Files, strings.Split(value, ",")...)
		case "-D":
			key, v, ok := strings.Cut(value, "=")
			if !ok || key == "" {
				return nil, fmt.Errorf("read streaming arguments: -D %q is not name=value", value)
			}
			j.Properties[key] = v
		case "-mapper":
			j.Mapper = strings.Fields(value)
		case "-combiner":
			j.Combiner = strings.Fields(value)
		case "-reducer":
			if value != "NONE" {
				j.Reducer = strings.Fields(value)
			}
		case "-input":
			j.Inputs = append(j.Inputs, strings.Split(value, ",")...)
		case "-output":
			j.Output = value
		case "-numReduceTasks":
			explicit = value
		default:
			return nil, fmt.Errorf("read streaming arguments: unknown option %.40q", option)
		}
	}
	if explicit == "" {
		explicit = j.Properties[reducesProperty]
	}
	if explicit != "" {
		n, err := strconv.Atoi(explicit)
		if err != nil || n < 0 || n > maxReducers {
			return nil, fmt.Errorf("read streaming arguments: %q reducers, want 0 to %d", explicit, maxReducers)
		}
		j.Reducers = n
	}
	switch {
	case len(j.Mapper) == 0:
		return nil, errors.New("read streaming arguments: no -mapper")
	case len(j.Inputs) == 0:
		return nil, errors.New("read streaming arguments: no -input")
	case j.Output == "":
		return nil, errors.New("read streaming arguments: no -output")
	case len(j.Reducer) == 0:
		j.Reducers = 0
	case j.Reducers == 0:
		j.Reducer = nil
	}
	for _, name := range []string{mapAttemptsProperty, reduceAttemptsProperty} {
		if n := j.attempts(name); n < 1 || n > 100 {
			return nil, fmt.Errorf("read streaming arguments: %s is %q, want 1 to 100", name, j.Properties[name])
		}
	}
	return j, nil
}

// attempts returns how often a task is tried, 0 if the property is malformed.
func (j *Job) attempts(property string) int {
	v, ok := j.Properties[property]
	if !ok {
		return defaultAttempts
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0
	}
	return n
}

// environment gives programs the properties, as Streaming does: what is no
// letter or digit becomes '_'.
func (j *Job) environment() []string {
	var env []string
	for key, value := range j.Properties {
		name := strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return '_'
		}, key)
		env = append(env, name+"="+value)
	}
	return env
}

// partition returns the reducer of a key, as Hadoop's HashPartitioner over Text
// does.
func partition(key []byte, reducers int) int {
	if reducers == 1 {
		return 0
	}
	hash := int32(1)
	for _, c := range key {
		hash = 31*hash + int32(int8(c))
	}
	return int(hash&0x7fffffff) % reducers
}
