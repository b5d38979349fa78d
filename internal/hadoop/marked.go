package hadoop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// markName is the variable that tells whose a process is.
const markName = "PENSTOCK_STEP_OF"

// Marked runs programs with a mark in their environment, by which KillMarked finds them after this process has died.
func Marked(exec Exec, mark string) Exec { return marked{exec, markName + "=" + mark} }

type marked struct {
	Exec
	mark string
}

func (m marked) Run(ctx context.Context, p Program) error {
	p.Env = append(p.Env[:len(p.Env):len(p.Env)], m.mark)
	return m.Exec.Run(ctx, p)
}

// KillMarked kills the processes that carry a mark and waits until none is left, ten seconds at most. It returns how many
// it killed. Whoever calls it makes sure that nobody starts such a process meanwhile. Where the system does not tell the
// environment of processes (there is no /proc) it finds none and says so with errors.ErrUnsupported.
func KillMarked(ctx context.Context, mark string) (int, error) {
	if runtime.GOOS != "linux" {
		return 0, fmt.Errorf("look for processes of steps: %w", errors.ErrUnsupported)
	}
	killed := map[int]bool{}
	for range 100 {
		alive, err := markedProcesses(markName + "=" + mark)
		if err != nil || len(alive) == 0 {
			return len(killed), err
		}
		for _, pid := range alive {
			process, err := os.FindProcess(pid)
			if err == nil {
				err = process.Kill()
			}
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return len(killed), fmt.Errorf("kill process %d of a step: %w", pid, err)
			}
			killed[pid] = true
		}
		select {
		case <-ctx.Done():
			return len(killed), ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return len(killed), fmt.Errorf("processes of steps go on although they were killed: %s=%s", markName, mark)
}

// markedProcesses lists the processes of this user that carry the mark, this one excepted. One that has ended and waits for
// its parent has no environment left.
func markedProcesses(mark string) ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended, or is somebody else's
		}
		for v := range bytes.SplitSeq(b, []byte{0}) {
			if string(v) == mark {
				found = append(found, pid)
				break
			}
		}
	}
	return found, nil
}
