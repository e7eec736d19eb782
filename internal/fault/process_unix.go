//go:build unix

package fault

import (
	"os"
	"syscall"
)

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

func thaw(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
