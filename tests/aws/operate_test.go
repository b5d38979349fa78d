package aws

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/hour"
	"penstock/internal/playbook"
)

// operates runs the built command line against the stack: an hour by hand, one that is cancelled while it runs, and two
// hours over which another playbook is run.
func (s *stack) operates(t *testing.T, of hour.Hour) {
	program := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("build penstock: %v %s", err, out)
	}
	penstock := func(want int, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+s.Endpoint, "AWS_ENDPOINT_URL_EMR=http://"+s.EMR, "AWS_REGION=us-east-1",
			"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true", "PENSTOCK_TARGET=aws:"+s.Stack)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		code := 0
		var exit *exec.ExitError
		if err := cmd.Run(); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatalf("penstock %s: %v", strings.Join(args, " "), err)
		}
		t.Logf("$ penstock %s\n%s", strings.Join(args, " "), out.String())
		if code != want {
			t.Fatalf("penstock %s ended with %d, want %d", strings.Join(args, " "), code, want)
		}
		return out.String()
	}
	before := s.manifest(t, of)
	if plan := penstock(0, "rerun", of.String(), "--force", "--dry-run", "--json"); !strings.Contains(plan, "subnet-") || !strings.Contains(plan, before.Revision) {
		t.Error("the dry run shows no subnet, or not the revision")
	}
	penstock(0, "rerun", of.String(), "--force", "--wait", "--poll", "1s")
	after := s.manifest(t, of)
	if after.Run <= before.Run || after.Revision != before.Revision {
		t.Errorf("the manifest went from run %d to run %d", before.Run, after.Run)
	}
	penstock(0, "rerun", of.String(), "--force", "--from", "publish", "--wait", "--poll", "1s")
	if m := s.manifest(t, of); m.Run != after.Run+1 || m.Result != after.Result || m.Minutes != 0 {
		t.Errorf("published again as run %d with %s", m.Run, m.Result)
	}

	name := hour.ClusterName(s.Stack, of, after.Run+2, 1)
	s.mu.Lock()
	s.hold[name] = true
	s.mu.Unlock()
	penstock(0, "rerun", of.String(), "--force")
	id := ""
	for deadline := time.Now().Add(2 * time.Minute); id == ""; time.Sleep(300 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no cluster %s", name)
		}
		id, _ = s.cluster(t, name)
	}
	penstock(6, "rerun", of.String(), "--force")
	if out := penstock(0, "cancel", of.String(), "--poll", "1s"); !strings.Contains(out, id) || !strings.Contains(out, "TERMINATED") {
		t.Error("cancel does not prove that the cluster is over")
	}
	if _, state := s.cluster(t, name); state != "TERMINATED" {
		t.Errorf("cluster %s is %s", id, state)
	}
	if status, visited := s.ended(t, s.execution(hour.ExecutionName(of, after.Run+2)), time.Second); status != "ABORTED" {
		t.Errorf("the execution is %s; it visited %v", status, visited)
	}
	penstock(3, "cancel", of.String(), "--poll", "1s")

	key := "code/playbooks/video.json"
	data, o, err := s.hours.Get(t.Context(), key, playbook.MaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.hours.Replace(t.Context(), key, o.ETag, bytes.Replace(data, []byte(`"maxMinutes": 55`), []byte(`"maxMinutes": 56`), 1)); err != nil {
		t.Fatal(err)
	}
	out := penstock(0, "backfill", of.String(), of.Add(1).String(), "--only", "all", "--poll", "1s")
	if !strings.Contains(out, "2 published, 0 need nothing") {
		t.Error("the backfill did not publish both hours")
	}
	penstock(0, "backfill", of.String(), of.Add(1).String(), "--only", "all", "--poll", "1s")
	penstock(0, "verify", of.String()+".."+of.Add(1).String())
}
