//go:build unix && !linux

package exec

import (
	"os/exec"
	"syscall"
)

// own gives the program a process group of its own, so that its children end with it.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// end ends what the program left in its group.
func end(cmd *exec.Cmd, _ string) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly nobody is left
}
