package integration_test

import (
	"os"
	"syscall"
)

// attributes puts a program in a process group of its own, as a shell does, and
// has the kernel kill it with this process.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// stopSignal freezes a process.
var stopSignal os.Signal = syscall.SIGSTOP
