package fault

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes puts a child in a process group of its own and has the kernel
// kill it when the thread that starts it dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// selfExecutable is the running program, also when its file was replaced or
// unlinked.
func selfExecutable() (string, error) { return "/proc/self/exe", nil }

// startIn starts p in host's network namespace, or here if host is nil. It is
// called on a locked thread.
func startIn(host *Host, p *Process) error {
	if host == nil {
		return p.cmd.Start()
	}
	return host.start(p)
}

// freeze returns when the process has stopped or is gone: kill only queues the
// signal.
func freeze(p *os.Process) error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	for {
		// WNOWAIT leaves the exit status for the one who reaps.
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.ECHILD {
			return os.ErrProcessDone
		}
		if err != unix.EINTR {
			return err
		}
	}
}
