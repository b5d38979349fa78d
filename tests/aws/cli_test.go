package aws

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/hour"
)

// command runs penstock against the stack, as a person with credentials would, and returns what it printed.
type command struct {
	*stack
	program string
}

func (s *stack) command(t *testing.T) *command {
	t.Helper()
	program := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", program, "penstock/cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("build penstock: %v\n%s", err, out)
	}
	return &command{s, program}
}

// run wants the exit code and returns standard output and error.
func (c *command) run(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, append(args, "--target", "aws:"+c.Stack)...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+c.Endpoint, "AWS_ENDPOINT_URL_EMR=http://"+c.EMR, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true", "PENSTOCK_API_KEY="+c.APIKey)
	if endpoint := os.Getenv("PENSTOCK_XRAY_ENDPOINT"); endpoint != "" {
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL_XRAY="+endpoint)
	}
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	err := cmd.Run()
	have := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		have = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if have != code {
		t.Fatalf("penstock %s exits with %d, want %d\n%s%s", strings.Join(args, " "), have, code, out.String(), bad.String())
	}
	return out.String(), bad.String()
}

// says runs a command that has to print all of the words.
func (c *command) says(t *testing.T, words []string, args ...string) string {
	t.Helper()
	out, _ := c.run(t, 0, args...)
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("penstock %s does not say %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
	return out
}

// operated looks at the stack from the command line after the hours of the test have been run: of is the first, rerun the
// one whose step failed first, last the latest that events were sent in.
func (s *stack) operated(t *testing.T, of, rerun, last hour.Hour) {
	c := s.command(t)
	r := of.String() + ".." + last.String()
	t.Run("status", func(t *testing.T) {
		c.says(t, []string{"✓", "published", "EVENTS"}, "status", r)
		c.says(t, []string{"1  schedule", "2  console", "published revision"}, "status", rerun.String())
		if out, _ := c.run(t, 4, "status", of.String()); !strings.Contains(out, "ended as ABORTED") { // by the reaper's test
			t.Errorf("status of an hour whose execution was stopped:\n%s", out)
		}
	})
	t.Run("trace from an object and a sequence number", func(t *testing.T) {
		key := ""
		for o, err := range s.archive.List(t.Context(), s.keys.DataPrefix(of)) {
			if err != nil {
				t.Fatal(err)
			}
			key = o.Key
			break
		}
		out := c.says(t, []string{"batch ", "archived ", "by the mapping, request ", "in part 0 of revision"}, "trace", "--object", key)
		t.Logf("\n%s", out) // with the invocation's trace or its log, as far as the emulators have them
		d, _ := s.keys.ParseObjectKey(key)
		c.says(t, []string{"record ", "batch "}, "trace", of.String(), "--sequence", string(d.First), "--shard", d.Shard)
	})
	t.Run("send over HTTP, into the stream, and tail", func(t *testing.T) {
		id := strings.SplitN(strings.TrimPrefix(s.Outputs["ApiUrl"], "https://"), ".", 2)[0]
		url := s.Endpoint + "/_aws/execute-api/" + id + "/v1"
		name := filepath.Join(t.TempDir(), "late.ndjson")
		var text strings.Builder
		for i := range 7 {
			fmt.Fprintf(&text, `{"id":"late-%d","type":"view","publisher":"p","provider":"q"}`+"\n", i)
		}
		if err := os.WriteFile(name, []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		c.says(t, []string{"7 events, "}, "send", name, "--http", "--url", url)
		c.says(t, []string{"nothing to send"}, "send", name)
		c.says(t, []string{"7 events, "}, "send", name, "--again", "--partition-key", "id")
		out := c.says(t, []string{`"id":"late-3"`}, "tail", "--from", "trim", "--filter", "id=late-3", "-n", "2")
		if n := strings.Count(out, "\n"); n != 2 {
			t.Errorf("tail printed %d lines, want 2:\n%s", n, out)
		}
	})
	t.Run("clusters", func(t *testing.T) {
		c.says(t, []string{"completed", "Dollars are estimated"}, "clusters", r)
		c.run(t, 0, "clusters")
	})
	t.Run("invoke", func(t *testing.T) {
		c.says(t, []string{`"dryRun": true`}, "invoke", "reap", "--payload", `{"dryRun":true}`)
		c.says(t, []string{"due could be called"}, "invoke", "due", "--dry-run")
		if _, bad := c.run(t, 1, "invoke", "seal", "--payload", `{"hour":"`+of.String()+`","n":1,"execution":"nobody"}`); !strings.Contains(bad, "Superseded") {
			t.Errorf("invoke seal says %s", bad)
		}
	})
	t.Run("logs", func(t *testing.T) {
		out, _ := c.run(t, 0, "logs", "reap", "--since", "24h", "--json")
		if !strings.Contains(out, "OldestClusterMinutes") {
			t.Errorf("the log of reap is\n%s", out)
		}
		c.says(t, []string{"== cluster "}, "logs", of.String())
	})
}
