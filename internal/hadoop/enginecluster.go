package hadoop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/internal/supervise"
)

// ClusterConfig says how a Cluster starts.
type ClusterConfig struct {
	Java       string // "" is java, found by PATH
	ClassPath  string // with hadoop-minicluster, see ClassPath
	Supervisor []string
	TempDir    string        // "" is the system's
	MemoryMiB  int           // of all containers; 0 is 2048
	Limit      time.Duration // until it has to be up; 0 is two minutes
}

// Cluster is YARN in one JVM: resource manager, node managers and history
// server, whose containers are processes of their own. It keeps nothing in
// HDFS. Close it: nothing of it is left then, and neither when this process
// ends in whatever way.
type Cluster struct {
	config  ClusterConfig
	dir     string
	ports   map[string]int
	process *supervise.Process
	log     *tail
	once    sync.Once
}

// clusterPorts are the properties that hold an address.
var clusterPorts = []string{
	"yarn.resourcemanager.address", "yarn.resourcemanager.scheduler.address", "yarn.resourcemanager.resource-tracker.address",
	"yarn.resourcemanager.admin.address", "yarn.resourcemanager.webapp.address",
	"mapreduce.jobhistory.address", "mapreduce.jobhistory.webapp.address", "mapreduce.jobhistory.admin.address",
}

// portTries is how many times a cluster is started: another process may take a
// port between its being found free and its use.
const portTries = 3

// StartCluster starts a cluster and waits until it takes jobs.
func StartCluster(ctx context.Context, c ClusterConfig) (*Cluster, error) {
	if c.Java == "" {
		c.Java = "java"
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = 2048
	}
	if c.Limit == 0 {
		c.Limit = 2 * time.Minute
	}
	for try := 1; ; try++ {
		dir, err := os.MkdirTemp(c.TempDir, "penstock-yarn-*")
		if err != nil {
			return nil, fmt.Errorf("create folder of the YARN cluster: %w", err)
		}
		k := &Cluster{config: c, dir: dir, ports: map[string]int{}, log: &tail{}}
		if err = k.start(ctx); err == nil {
			return k, nil
		}
		err = errors.Join(fmt.Errorf("start YARN cluster: %w", err), k.Close())
		if try == portTries || !k.log.holds("java.net.BindException") {
			return nil, err
		}
	}
}

func (k *Cluster) start(ctx context.Context) error {
	if err := freePorts(k.ports, clusterPorts); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(k.dir, "log4j.properties"), logConfiguration); err != nil {
		return err
	}
	if err := writeSite(filepath.Join(k.dir, "core-site.xml"), []property{{"fs.defaultFS", "file:///", false}, {"hadoop.tmp.dir", filepath.Join(k.dir, "tmp"), false}}); err != nil {
		return err
	}
	details := filepath.Join(k.dir, "details.json")
	argv := []string{
		k.config.Java, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens", "java.base/java.lang=ALL-UNNAMED",
		"-Dtest.build.data=" + filepath.Join(k.dir, "data"), "-cp", k.dir + ":" + k.config.ClassPath,
		"org.apache.hadoop.mapreduce.MiniHadoopClusterManager", "-nodfs",
		"-rmport", fmt.Sprint(k.ports["yarn.resourcemanager.address"]), "-jhsport", fmt.Sprint(k.ports["mapreduce.jobhistory.address"]),
	}
	for _, p := range k.serverProperties() {
		argv = append(argv, "-D", p.Name+"="+p.Value)
	}
	argv = append(argv, "-writeDetails", details)
	var err error
	k.process, err = supervise.Start(supervise.Command{
		Supervisor: k.config.Supervisor, Argv: argv, Dir: k.dir, Env: k.environment(), Stdout: k.log, Stderr: k.log,
	})
	if err != nil {
		return err
	}
	// The details are written when everything is up.
	limit := time.NewTimer(k.config.Limit)
	defer limit.Stop()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		if info, err := os.Stat(details); err == nil && info.Size() > 0 {
			return nil
		}
		// A JVM whose main thread failed stays for its other threads.
		if k.log.holds(`Exception in thread "main"`) {
			return fmt.Errorf("it failed: %s", k.log.last())
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("not up after %v; it said last: %s", k.config.Limit, k.log.last())
		case <-k.process.Done():
			return fmt.Errorf("it ended: %w; it said last: %s", k.process.Wait(), k.log.last())
		}
	}
}

// environment has the JAVA_HOME that containers start with.
func (k *Cluster) environment() []string {
	env := os.Environ()
	if os.Getenv("JAVA_HOME") == "" {
		if java, err := exec.LookPath(k.config.Java); err == nil {
			if java, err = filepath.EvalSymlinks(java); err == nil {
				env = append(env, "JAVA_HOME="+filepath.Dir(filepath.Dir(java)))
			}
		}
	}
	return env
}

func (k *Cluster) address(name string) property {
	return property{name, fmt.Sprintf("localhost:%d", k.ports[name]), false}
}

func (k *Cluster) serverProperties() (all []property) {
	for _, name := range clusterPorts {
		all = append(all, k.address(name))
	}
	return append(all,
		property{"yarn.minicluster.fixed.ports", "true", false},
		property{"mapreduce.jobhistory.minicluster.fixed.ports", "true", false},
		property{"yarn.nodemanager.address", "localhost:0", false},
		property{"yarn.nodemanager.localizer.address", "localhost:0", false},
		property{"yarn.nodemanager.webapp.address", "localhost:0", false},
		property{"mapreduce.shuffle.port", "0", false},
		property{"yarn.nodemanager.resource.memory-mb", fmt.Sprint(k.config.MemoryMiB), false},
		property{"yarn.nodemanager.resource.cpu-vcores", "4", false},
		property{"yarn.scheduler.minimum-allocation-mb", "256", false},
		property{"yarn.nodemanager.vmem-check-enabled", "false", false},
		// Somebody else's full disk is no reason to stop.
		property{"yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "99", false},
		property{"yarn.nodemanager.delete.debug-delay-sec", "600", false},
	)
}

// clientProperties are those of who submits jobs.
func (k *Cluster) clientProperties() []property {
	return []property{
		k.address("yarn.resourcemanager.address"), k.address("yarn.resourcemanager.scheduler.address"),
		{"yarn.application.classpath", k.containerClasses(), false},
	}
}

func (k *Cluster) containerClasses() string { return strings.ReplaceAll(k.config.ClassPath, ":", ",") }

// jobProperties make a job run on the cluster, in containers of little memory.
func (k *Cluster) jobProperties() []property {
	const jvm = "-Xmx200m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
	return []property{
		{"mapreduce.framework.name", "yarn", true},
		k.address("mapreduce.jobhistory.address"),
		{"mapreduce.application.classpath", k.containerClasses(), false},
		{"yarn.app.mapreduce.am.staging-dir", filepath.Join(k.dir, "staging"), true},
		{"yarn.app.mapreduce.am.resource.mb", "512", false},
		{"yarn.app.mapreduce.am.command-opts", jvm, false},
		{"mapreduce.map.memory.mb", "512", false},
		{"mapreduce.map.java.opts", jvm, false},
		{"mapreduce.reduce.memory.mb", "512", false},
		{"mapreduce.reduce.java.opts", jvm, false},
		{"mapreduce.task.io.sort.mb", "64", false},
		// Look often: jobs here are short.
		{"mapreduce.client.progressmonitor.pollinterval", "250", false},
		{"mapreduce.client.completion.pollinterval", "500", false},
	}
}

// Close ends the cluster, its containers and whatever they started, and removes
// its folder. It may be called more than once.
func (k *Cluster) Close() (err error) {
	k.once.Do(func() {
		if k.process != nil {
			k.process.Stop()
		}
		if err = os.RemoveAll(k.dir); err != nil {
			err = fmt.Errorf("remove folder of the YARN cluster: %w", err)
		}
	})
	return err
}

// taskLogs copies what the tasks of a job wrote to standard error, in the order
// of the containers.
func (k *Cluster) taskLogs(job string, to io.Writer) {
	if job == "" {
		return
	}
	pattern := filepath.Join(k.dir, "data", "*", "yarn-*", "*-logDir-nm-*", "application_"+job, "container_*", "stderr")
	files, err := filepath.Glob(pattern)
	if err != nil {
		return
	}
	slices.SortFunc(files, func(a, b string) int {
		return strings.Compare(filepath.Base(filepath.Dir(a)), filepath.Base(filepath.Dir(b)))
	})
	for _, file := range files {
		if strings.HasSuffix(filepath.Dir(file), "_000001") {
			continue // the application's master, no task
		}
		text, err := lastOf(file, maxLog/4)
		text = bytes.TrimSpace(text)
		if err != nil || len(text) == 0 {
			continue
		}
		fmt.Fprintf(to, "%s:\n%s\n", filepath.Base(filepath.Dir(file)), text)
	}
}

// lastOf reads the end of a file.
func lastOf(file string, n int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-n), n))
}

// freePorts finds ports that are free now.
func freePorts(ports map[string]int, names []string) error {
	for _, name := range names {
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // all at once, so that no port is given twice
		ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - 16<<10; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

// holds says whether the program has printed a text, lately.
func (t *tail) holds(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.data, []byte(text))
}

// last is why the program ended, in one line.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	words := lastWords(string(t.data))
	return words[:min(len(words), maxReason)]
}
