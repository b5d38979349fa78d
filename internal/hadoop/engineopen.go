package hadoop

import (
	"context"
	"fmt"
	"path/filepath"

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
	Home       string   // an unpacked Hadoop, as HADOOP_HOME names it; "" for none
	Fetched    string   // the folder that "make engines" fills, used without Home
	Supervisor []string // see Engine
	TempDir    string   // "" is the system's
}

// OpenEngine finds an engine, and starts it if it is one that stays. runner
// makes what runs the steps; stop ends everything that was started and must be
// called. An engine that is not there is an error that says how to get it.
func OpenEngine(ctx context.Context, name string, o EngineOptions) (runner func(Config) emr.Runner, stop func() error, err error) {
	stop = func() error { return nil }
	if name == EngineProcess {
		return func(c Config) emr.Runner { return New(c) }, stop, nil
	}
	if name != EngineHadoop && name != EngineYARN {
		return nil, nil, fmt.Errorf("open engine %q: want %s, %s or %s", name, EngineProcess, EngineHadoop, EngineYARN)
	}
	home := o.Home
	if home == "" {
		home = filepath.Join(o.Fetched, name)
	}
	classes, err := ClassPath(home)
	if err != nil {
		return nil, nil, fmt.Errorf("open engine %s: %w: run make engines, or set HADOOP_HOME", name, err)
	}
	e := Engine{ClassPath: classes, Supervisor: o.Supervisor}
	if name == EngineYARN {
		e.Cluster, err = StartCluster(ctx, ClusterConfig{ClassPath: classes, Supervisor: o.Supervisor, TempDir: o.TempDir})
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
