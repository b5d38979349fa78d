package hadoop

import (
	"regexp"
	"strconv"
	"strings"
)

// driverLog takes what the JVM that submits a job prints: all of it is the
// step's log, and it finds the counters, the job's number and why it failed.
type driverLog struct {
	*stderr
	application string // number of job and application, such as 1795473952868_0001
	reason      string
	split       splitter
	inCounters  bool
	group       string
}

func (d *driverLog) Write(p []byte) (int, error) {
	d.split.emit = d.line
	if len(d.split.rest) > maxLog {
		_ = d.split.flush() // its emit never fails
	}
	return d.split.Write(p)
}

// end takes a last line without a line end.
func (d *driverLog) end() {
	d.split.emit = d.line
	_ = d.split.flush() // its emit never fails
}

var (
	countersLine = regexp.MustCompile(` Counters: [0-9]+$`)
	runningLine  = regexp.MustCompile(` Running job: job_([a-z0-9]+_[0-9]+)$`)
)

// causes begin what says best why a job failed, best first.
var causes = []string{"PipeMapRed.waitOutputThreads(): ", "Error Launching job : ", "java.io.IOException: ", "Exception in thread ", "Error: "}

const maxReason = 300 // bytes

func (d *driverLog) line(line []byte) error {
	text := strings.TrimRight(string(line), "\r ")
	switch {
	case countersLine.MatchString(text):
		d.inCounters, d.group = true, ""
	case d.inCounters && strings.HasPrefix(text, "\t\t") && d.group != "":
		name, value, _ := strings.Cut(text[2:], "=")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			d.count(d.group, strings.TrimSpace(name), n)
		}
	case d.inCounters && strings.HasPrefix(text, "\t"):
		d.group = strings.TrimSpace(text)
	default:
		d.inCounters = false
		if m := runningLine.FindStringSubmatch(text); m != nil {
			d.application = m[1]
		}
		d.explain(text)
	}
	return d.stderr.line(line)
}

func (d *driverLog) count(group, name string, n int64) {
	if d.counters[group] == nil {
		if len(d.counters) >= maxCounters {
			return
		}
		d.counters[group] = map[string]int64{}
	}
	if len(d.counters[group]) < maxCounters {
		d.counters[group][name] = n
	}
}

// explain keeps the first line of the best kind.
func (d *driverLog) explain(text string) {
	if strings.HasPrefix(text, "\tat ") {
		return // where, not why
	}
	for _, cause := range causes {
		if d.reason != "" && strings.HasPrefix(d.reason, cause) {
			return // nothing better
		}
		if i := strings.Index(text, cause); i >= 0 {
			d.reason = text[i:min(len(text), i+maxReason)]
			return
		}
	}
}
