//go:build unix && !linux

package fault

import (
	"os"
	"syscall"
)

// childAttributes puts a child in a process group of its own.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
