package aws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"penstock/internal/emf/emftest"
)

// functionLogs is what each function wrote to standard output and error, all its processes together.
func (s *stack) functionLogs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(s.Calls), "functions", s.Stack+"-*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs of functions: %v", err)
	}
	logs := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(filepath.Base(f), s.Stack+"-")
		logs[name[:strings.LastIndexByte(name, '-')]] += string(data)
	}
	return logs
}

// count has metrics count the last batch of a window, as its mapping would: LocalStack knows no tumbling windows, and to the
// mapping the records of hours ago are too old.
func (s *stack) count(t *testing.T) {
	t.Helper()
	record := func(data string) string {
		return fmt.Sprintf(`{"eventSource":"aws:kinesis","eventVersion":"1.0","kinesis":{"data":%q,"partitionKey":"k","sequenceNumber":"1","approximateArrivalTimestamp":1795435200.5}}`,
			base64.StdEncoding.EncodeToString([]byte(data)))
	}
	payload := fmt.Sprintf(`{"Records":[%s,%s],"shardId":"shardId-000000000000","window":{"start":"2026-11-23T12:00:00Z","end":"2026-11-23T12:01:00Z"},"state":{},"isFinalInvokeForWindow":true,"isWindowTerminatedEarly":false}`,
		record(`{"type":"play"}`), record("mangled"))
	out, err := s.functions.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(s.Stack + "-metrics:live"), Payload: []byte(payload)})
	if err != nil || out.FunctionError != nil || !strings.Contains(string(out.Payload), `"batchItemFailures":[]`) {
		t.Errorf("metrics answered %v %s", err, out.Payload)
	}
}

// logs holds that the deployed functions wrote every figure, under the stack's name, that every line of theirs is JSON, and
// that no line has an event, a part of one, or a key.
func (s *stack) logs(t *testing.T, sent []string) {
	s.count(t)
	have := map[string]bool{}
	for function, log := range s.functionLogs(t) {
		for _, f := range emftest.Read(t, log) {
			have[f.Name] = true
			if f.Namespace != "Penstock" || !strings.Contains(f.Dimensions, "Stack="+s.Stack) {
				t.Errorf("%s wrote %+v", function, f)
			}
		}
		for line := range strings.Lines(log) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s wrote a line that is no JSON: %.300s", function, line)
			}
		}
		for _, secret := range append(slices.Clone(sent), s.APIKey, `"watched"`, "impressions", base64.StdEncoding.EncodeToString([]byte(`{"id":"20`)), "AWS_SECRET") {
			if strings.Contains(log, secret) {
				t.Errorf("%s wrote %.60q", function, secret)
			}
		}
	}
	for name := range emitted(t) {
		if !have[name] {
			t.Errorf("no function wrote %s", name)
		}
	}
}

// starts holds that each function, started with nothing in its environment, names all that it needs in one line and ends.
func (s *stack) starts(t *testing.T) {
	folder := filepath.Join(filepath.Dir(s.Rollup), "functions")
	for _, name := range functions(t) {
		needs, _ := reads(t, name)
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, name))
		cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, &out, &out
		err := cmd.Run()
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != 1 {
			t.Errorf("%s without an environment: %v", name, err)
		}
		var line struct{ Level, Msg, Error string }
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "ERROR" || line.Msg != "start "+name {
			t.Errorf("%s wrote %q, want one line of JSON", name, &out)
			continue
		}
		missing := strings.Split(strings.TrimPrefix(line.Error, "environment: missing "), ", ")
		slices.Sort(missing)
		slices.Sort(needs)
		if want := slices.Compact(needs); !slices.Equal(missing, want) {
			t.Errorf("%s says %q, want all of %v", name, line.Error, want)
		}
	}
}
