//go:build linux

package supervise_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/internal/supervise"
)

// TestMain makes the test's own program the supervisor, and the parent that is
// killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == supervise.Argument {
		os.Exit(supervise.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		p, err := supervise.Start(supervise.Command{Supervisor: supervisor(), Argv: family, Stdout: os.Stdout, Stderr: os.Stderr})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = p.Wait()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func supervisor() []string { return []string{os.Args[0], supervise.Argument} }

// family is a program with a child that leaves its session and a grandchild that
// is an orphan, all deaf to SIGTERM; it prints their process ids and "ready".
var family = []string{"sh", "-c", `trap "" TERM
setsid sleep 300 & echo $!
sh -c 'trap "" TERM; sleep 300 & echo $!'
echo $$; echo ready; wait; sleep 300`}

func TestTheProgramsExitCodeAndOutputComeThrough(t *testing.T) {
	var out, stderr bytes.Buffer
	err := supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, Stdout: &out, Stderr: &stderr})
	var exit *supervise.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || out.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("%v, stdout %q, stderr %q", err, &out, &stderr)
	}
	if err := supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: []string{"true"}}); err != nil {
		t.Error(err)
	}
	err = supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: []string{"/does/not/exist"}})
	if !errors.As(err, &exit) || exit.Code != supervise.CodeStart {
		t.Errorf("a program that does not exist: %v", err)
	}
}

func TestNothingIsLeftWhenTheProgramEnds(t *testing.T) {
	var out bytes.Buffer
	if err := supervise.Run(t.Context(), supervise.Command{Supervisor: supervisor(), Argv: []string{"sh", "-c", "setsid sleep 300 >/dev/null & echo $!"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	gone(t, strings.Fields(out.String()))
}

func TestNothingIsLeftAfterCancellation(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- supervise.Run(ctx, supervise.Command{Supervisor: supervisor(), Argv: family, Stdout: w})
		w.Close()
	}()
	pids := untilReady(t, r)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	gone(t, pids)
}

func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	parent := exec.Command(os.Args[0], "parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pids := untilReady(t, out)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	gone(t, pids)
}

// untilReady reads three process ids and waits for "ready".
func untilReady(t *testing.T, r interface{ Read([]byte) (int, error) }) (pids []string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() && lines.Text() != "ready" {
		pids = append(pids, lines.Text())
	}
	if len(pids) != 3 {
		t.Fatalf("process ids %v", pids)
	}
	return pids
}

// gone waits until the processes have ended.
func gone(t *testing.T, pids []string) {
	t.Helper()
	if len(pids) == 0 {
		t.Error("no process was started")
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(20 * time.Second)
		for syscall.Kill(pid, 0) == nil {
			if time.Now().After(end) {
				t.Errorf("process %d is left", pid)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
