//go:build unix

package hadoop

import (
	"os/exec"
	"syscall"
)

// apart puts a program into a process group of its own: Ctrl-C on a terminal is meant for Penstock, which lets steps come to
// their end, and would otherwise fail each step that runs.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
