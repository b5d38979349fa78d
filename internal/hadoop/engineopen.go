package hadoop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"penstock/internal/emr"
)

// Names of engines, as "penstock run --engine" takes them.
const (
	EngineProcess = "process" // mapper and reducer as processes, without Hadoop
	EngineHadoop  = "hadoop"  // Hadoop's local job runner, a JVM for each step
	EngineYARN    = "yarn"    // YARN in one JVM that stays, with containers
)

// EngineOptions say where an engine is found.
type EngineOptions struct {
	Java       string   // "" is java, found by PATH
	Home       string   // an unpacked Hadoop, as HADOOP_HOME names it; "" for none
	Fetched    string   // the folder that "make engines" fills, used without Home
	Supervisor []string // see Engine
	TempDir    string   // "" is the system's
}

// OpenEngine finds an engine, and starts it if it is one that stays. runner
// makes what runs the steps; stop ends everything that was started and must be
// called. An engine that is not there, or whose Java or jars do not work, is an
// error of one line that says what to do.
func OpenEngine(ctx context.Context, name string, o EngineOptions) (runner func(Config) emr.Runner, stop func() error, err error) {
	stop = func() error { return nil }
	if name == EngineProcess {
		return func(c Config) emr.Runner { return New(c) }, stop, nil
	}
	if name != EngineHadoop && name != EngineYARN {
		return nil, nil, fmt.Errorf("open engine %q: want %s, %s or %s", name, EngineProcess, EngineHadoop, EngineYARN)
	}
	home, advice := filepath.Join(o.Fetched, name), "run make engines, or set HADOOP_HOME"
	if o.Home != "" {
		home, advice = o.Home, "set HADOOP_HOME to an unpacked Hadoop 3, or unset it and run make engines"
	}
	classes, err := ClassPath(home)
	if err != nil {
		return nil, nil, fmt.Errorf("open engine %s: %w: %s", name, err, advice)
	}
	e := Engine{Java: o.Java, ClassPath: classes, Supervisor: o.Supervisor}
	if e.Java == "" {
		e.Java = "java"
	}
	if err := e.check(ctx); errors.Is(err, exec.ErrNotFound) {
		return nil, nil, fmt.Errorf("open engine %s: there is no program %s: install Java 17", name, e.Java)
	} else if err != nil {
		return nil, nil, fmt.Errorf("open engine %s: start Hadoop in %s: %w: %s", name, home, err, advice)
	}
	if name == EngineYARN {
		e.Cluster, err = StartCluster(ctx, ClusterConfig{Java: o.Java, ClassPath: classes, Supervisor: o.Supervisor, TempDir: o.TempDir})
		if err != nil {
			return nil, nil, fmt.Errorf("open engine %s: %w", name, err)
		}
		stop = e.Cluster.Close
	}
	return func(c Config) emr.Runner {
		c.TempDir = o.TempDir
		return NewEngine(c, e)
	}, stop, nil
}

// checkLimit is how long Hadoop may take to say what its Streaming is.
const checkLimit = time.Minute

// check has Hadoop's Streaming print its usage: a Java that is none and jars
// that are missing or broken show before an hour is begun.
func (e *Engine) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Java, "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", e.ClassPath, streamingClass, "-info")
	cmd.Dir = os.TempDir() // so that nothing is found by a relative path
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s did not end: %w", e.Java, ctx.Err())
	case errors.As(err, &exit):
		return fmt.Errorf("exit code %d: %s", exit.ExitCode(), said.last())
	}
	return err
}

// telling are the beginnings of what a Java that fails prints first and, below
// it, of the cause.
var telling = []string{"Error: ", "Exception in thread ", "Caused by: "}

// lastWords makes one line of what a program that ended has printed: the lines
// that tell why, if it is a Java, else the last one.
func lastWords(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for _, begin := range telling {
			if strings.HasPrefix(line, begin) && len(words) < 3 {
				words = append(words, line)
			}
		}
	}
	if len(words) == 0 {
		text = strings.TrimSpace(text)
		return text[strings.LastIndexByte(text, '\n')+1:]
	}
	return strings.Join(words, "; ")
}
