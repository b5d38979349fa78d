package supervise

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// Main is the supervisor: it runs argv and returns the exit code.
func Main(argv []string) int {
	if len(argv) == 0 {
		fmt.Fprintln(os.Stderr, "supervise: no program")
		return CodeUsage
	}
	// The signal at a parent's death is sent at the death of the thread that started the child.
	runtime.LockOSThread()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		fmt.Fprintf(os.Stderr, "supervise: become the subreaper: %v\n", errno)
		return CodeUsage
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Its own group keeps a terminal's Ctrl-C away: the supervisor passes it on, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "supervise: start %s: %v\n", argv[0], err)
		return CodeStart
	}
	ended := make(chan int, 1)
	go func() { ended <- reap(cmd.Process.Pid) }()
	lifeline := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // any end is the end
		close(lifeline)
	}()
	code := CodeStopped
	select {
	case code = <-ended:
	case <-stop:
		code = ask(cmd.Process.Pid, ended)
	case <-lifeline:
		code = ask(cmd.Process.Pid, ended)
	}
	killDescendants()
	return code
}

// ask asks the program to end and gives it some time.
func ask(pid int, ended <-chan int) int {
	_ = syscall.Kill(pid, syscall.SIGTERM) // it may be gone
	select {
	case <-ended:
	case <-time.After(Grace):
	}
	return CodeStopped
}

// reap collects children, orphans that became ours included, until the program
// itself has ended, and returns its exit code.
func reap(program int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return CodeStopped // no children, the program included
		case pid == program && status.Signaled():
			return 128 + int(status.Signal())
		case pid == program:
			return status.ExitStatus()
		}
	}
}

// killDescendants kills whatever descends from this process, and what it starts
// meanwhile, until nothing is left. It gives up after ten seconds: a process may
// hang in the kernel.
func killDescendants() {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		left := descendants(os.Getpid())
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err != nil && err != syscall.EINTR || err == nil && pid <= 0 {
				break
			}
		}
		if len(left) == 0 {
			return
		}
	}
}

// descendants lists the processes below pid.
func descendants(pid int) []int {
	children := map[int][]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		// The name, in parentheses, may hold anything.
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 2 {
			continue
		}
		parent, err1 := strconv.Atoi(string(fields[1]))
		child, err2 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err1 == nil && err2 == nil {
			children[parent] = append(children[parent], child)
		}
	}
	var all []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		all = append(all, next[0])
		next = append(next, children[next[0]]...)
	}
	return all
}
