package embedpg

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// setDeathSignal makes the kernel send sig to the child when its parent is
// gone, so that even a killed supervisor leaves nothing behind.
func setDeathSignal(a *syscall.SysProcAttr, sig syscall.Signal) { a.Pdeathsig = sig }

// commandLine gives a process's arguments joined by spaces; empty when there is
// no such process or it is a zombie. Unlike its working folder, anybody may
// read it.
func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(text), "\x00", " ")
}
