package hadoop

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcessesOfStepsAreFoundByTheirMarkAndKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := KillMarked(t.Context(), "x"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v", err)
		}
		return
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep here")
	}
	mine, other := t.TempDir(), t.TempDir()
	ended := make(chan error, 2)
	for _, mark := range []string{mine, other} {
		go func() {
			ended <- Marked(Processes{}, mark).Run(context.Background(), Program{Argv: []string{sleep, "30"}, Stdin: strings.NewReader("")})
		}()
	}
	for range 200 {
		a, _ := markedProcesses(markName + "=" + mine)
		b, _ := markedProcesses(markName + "=" + other)
		if len(a) == 1 && len(b) == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n, err := KillMarked(t.Context(), mine); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	if n, err := KillMarked(t.Context(), mine); n != 0 || err != nil {
		t.Errorf("again: killed %d, %v", n, err)
	}
	if err := <-ended; err == nil {
		t.Error("a killed program succeeded")
	}
	if left, _ := markedProcesses(markName + "=" + other); len(left) != 1 {
		t.Errorf("%d processes of another directory are left, want 1", len(left))
	}
	if n, err := KillMarked(t.Context(), other); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	<-ended
}

func TestAnEngineFindsTheProgramsOfAMarkedExec(t *testing.T) {
	processes := Processes{"rollup": {"/usr/lib/penstock/rollup", "-x"}}
	for name, e := range map[string]Exec{"plain": processes, "marked": Marked(processes, "m")} {
		if got := words(e, "rollup"); len(got) != 2 || got[1] != "-x" || words(e, "other") != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if words(InProcess{}, "rollup") != nil {
		t.Error("what runs in process has words")
	}
}
