//go:build !linux

package embedpg

import (
	"os/exec"
	"strconv"
	"syscall"
)

// setDeathSignal does nothing: no other system has such a signal. A killed
// supervisor leaves its server behind, and the next start ends it (reclaim).
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine gives a process's arguments joined by spaces; empty when there is
// no such process.
func commandLine(pid int) string {
	text, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(text)
}
