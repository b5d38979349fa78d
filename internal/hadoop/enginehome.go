package hadoop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ClassPath returns the class path of the Hadoop in a folder: an unpacked
// distribution, as HADOOP_HOME names it, or a folder whose lib holds the jars,
// as "make engines" fetches them. It is an error if hadoop-streaming is not
// among them.
func ClassPath(home string) (string, error) {
	abs, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("find Hadoop in %s: %w", home, err)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return "", fmt.Errorf("find Hadoop in %s: there is no such folder", home)
	}
	if strings.Contains(abs, ":") {
		return "", fmt.Errorf("find Hadoop in %s: a class path has no room for a colon", home)
	}
	folders := []string{"lib"}
	if _, err := os.Stat(filepath.Join(abs, "share", "hadoop")); err == nil {
		folders = folders[:0]
		for _, part := range []string{"common", "common/lib", "hdfs", "hdfs/lib", "mapreduce", "mapreduce/lib", "yarn", "yarn/lib", "yarn/test", "tools/lib"} {
			folders = append(folders, "share/hadoop/"+part)
		}
	}
	var paths []string
	streaming := false
	for _, folder := range folders {
		jars, err := filepath.Glob(filepath.Join(abs, folder, "*.jar"))
		if err != nil {
			return "", fmt.Errorf("find Hadoop in %s: %w", home, err)
		}
		for _, jar := range jars {
			streaming = streaming || strings.HasPrefix(filepath.Base(jar), "hadoop-streaming-")
		}
		if len(jars) > 0 {
			paths = append(paths, filepath.Join(abs, folder, "*"))
		}
	}
	if !streaming {
		return "", fmt.Errorf("find Hadoop in %s: no hadoop-streaming jar in %s", home, folders[len(folders)-1])
	}
	return strings.Join(paths, ":"), nil
}

// logConfiguration shows the progress of jobs and warnings.
const logConfiguration = `log4j.rootLogger=WARN, S
log4j.logger.org.apache.hadoop.mapreduce.Job=INFO
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.logger.org.apache.hadoop.metrics2=ERROR
log4j.appender.S=org.apache.log4j.ConsoleAppender
log4j.appender.S.Target=System.err
log4j.appender.S.layout=org.apache.log4j.PatternLayout
log4j.appender.S.layout.ConversionPattern=%d{ISO8601} %p %c{1} %m%n
`

// property is one of Hadoop's. Those that say where work goes are final: a
// playbook's -D does not change them.
type property struct {
	Name  string `xml:"name"`
	Value string `xml:"value"`
	Final bool   `xml:"final,omitempty"`
}

func writeSite(file string, properties []property) error {
	data, err := xml.MarshalIndent(struct {
		XMLName    xml.Name   `xml:"configuration"`
		Properties []property `xml:"property"`
	}{Properties: properties}, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	// It may hold credentials.
	if err := os.WriteFile(file, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// configure writes the configuration of a JVM that submits a job.
func (e *Engine) configure(folder, tmp string) error {
	core := []property{{"fs.defaultFS", "file:///", true}, {"hadoop.tmp.dir", tmp, true}}
	if e.S3 != nil {
		core = append(core, e.S3.properties()...)
	}
	jobs := []property{
		{"mapreduce.framework.name", "local", true},
		{"mapreduce.task.io.sort.mb", "64", false},
		// The local runner has one task at a time unless told otherwise.
		{"mapreduce.local.map.tasks.maximum", "2", false},
	}
	var errs []error
	if e.Cluster != nil {
		jobs = e.Cluster.jobProperties()
		errs = append(errs, writeSite(filepath.Join(folder, "yarn-site.xml"), e.Cluster.clientProperties()))
	}
	errs = append(errs,
		writeSite(filepath.Join(folder, "core-site.xml"), core),
		writeSite(filepath.Join(folder, "mapred-site.xml"), jobs),
		writeFile(filepath.Join(folder, "log4j.properties"), logConfiguration))
	return errors.Join(errs...)
}

func writeFile(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// properties make s3://, as EMR 7.10 and later do, and s3a:// the S3A file
// system.
func (s *S3) properties() []property {
	return []property{
		{"fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem", true},
		{"fs.s3a.endpoint", s.Endpoint, true},
		{"fs.s3a.endpoint.region", s.Region, true},
		{"fs.s3a.access.key", s.AccessKey, true},
		{"fs.s3a.secret.key", s.SecretKey, true},
		{"fs.s3a.aws.credentials.provider", "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", true},
		{"fs.s3a.path.style.access", "true", true},
		{"fs.s3a.connection.ssl.enabled", fmt.Sprint(strings.HasPrefix(s.Endpoint, "https:")), true},
		{"fs.s3a.fast.upload.buffer", "array", false},
	}
}
