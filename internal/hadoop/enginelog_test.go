package hadoop

import (
	"reflect"
	"testing"
)

// FuzzDriverLog: what a JVM prints is untrusted. Whatever it is and however it
// is cut, what is found and kept is the same, and bounded.
func FuzzDriverLog(f *testing.F) {
	for _, seed := range []string{
		"",
		"x INFO Job Running job: job_local1_0001\nx INFO Job Counters: 2\n\tGroup\n\t\tname=3\n\t\tother=x\nend",
		" Counters: 1\n\t\tno group=1\n\t\n\t\t=\n",
		"Error: a\njava.lang.Exception: PipeMapRed.waitOutputThreads(): subprocess failed with code 1\n\tat java.io.IOException: no\r\n",
		"reporter:counter:a,b,1\nreporter:status:x\n",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8) {
		read := func(size int) *driverLog {
			d := &driverLog{stderr: newStderr()}
			for rest := data; len(rest) > 0; {
				n := min(len(rest), size)
				if _, err := d.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			d.end()
			return d
		}
		whole, pieces := read(len(data)), read(int(chunk)+1)
		if len(data) < maxLog && (whole.reason != pieces.reason || whole.application != pieces.application || !reflect.DeepEqual(whole.counters, pieces.counters)) {
			t.Errorf("in pieces of %d: %q %q %v, whole: %q %q %v", chunk+1, pieces.reason, pieces.application, pieces.counters, whole.reason, whole.application, whole.counters)
		}
		if len(whole.reason) > maxReason || len(whole.counters) > maxCounters || len(whole.log) > 2*maxLog+len(data) {
			t.Errorf("kept %d bytes of reason, %d groups, %d bytes of log", len(whole.reason), len(whole.counters), len(whole.log))
		}
	})
}
