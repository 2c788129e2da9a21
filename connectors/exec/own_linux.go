package exec

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// own gives the program a process group of its own, and ends it should Prumo end first.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// end ends what the program left behind: its group, and whoever left the group
// but carries the run's mark.
func end(cmd *exec.Cmd, mark string) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly nobody is left
	for range 5 {                                       // a child may start another while we look
		found := false
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, d := range dirs {
			if pid, err := strconv.Atoi(filepath.Base(d)); err == nil && pid != os.Getpid() {
				found = endMarked(pid, mark) || found
			}
		}
		if !found {
			break
		}
	}
}

// endMarked ends a process that carries the mark. The handle is taken before
// the look, so that no other process can be met under the same number.
func endMarked(pid int, mark string) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }() // nothing was started through it
	env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil || !marked(env, mark) {
		return false
	}
	return !errors.Is(p.Kill(), os.ErrProcessDone)
}

func marked(env []byte, mark string) bool {
	for e := range bytes.SplitSeq(env, []byte{0}) {
		if string(e) == mark {
			return true
		}
	}
	return false
}
