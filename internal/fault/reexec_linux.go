package fault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// isolateEnv tells the inner process what it is: "enter:<pid of the outer
	// process>" at first, "inside:<its namespace>" for it and its descendants.
	isolateEnv = "VIGIL_ISOLATED"
	// reportFD is where the inner process says whether it is isolated.
	reportFD = 3
	// reportOK is what it says if it is; anything else is the reason.
	reportOK = "isolated"
	// maxReport bounds that report, in bytes.
	maxReport = 4096
	// signalBase and a signal's number make the status of a process that the
	// signal ended, as in a shell.
	signalBase = 128
)

func runIsolated(main func() int) int {
	state, value, _ := strings.Cut(os.Getenv(isolateEnv), ":")
	switch {
	case state == "enter" && value == fmt.Sprint(os.Getppid()):
		return runInner(main)
	case state == "inside" && value == namespaceID():
		isolation = nil
		return main()
	}
	var reasons []error
	for _, flags := range cloneFlags() {
		status, err := runOuter(flags)
		if err == nil {
			return status
		}
		reasons = append(reasons, err)
	}
	isolation = &UnsupportedError{switchText, errors.Join(reasons...)}
	return main()
}

// cloneFlags lists the ways to a network namespace, the best first.
func cloneFlags() []uintptr {
	user := uintptr(unix.CLONE_NEWUSER | unix.CLONE_NEWNET)
	if os.Geteuid() == 0 {
		return []uintptr{unix.CLONE_NEWNET, user}
	}
	return []uintptr{user}
}

// namespaceID identifies the network namespace of this process, or is "none".
func namespaceID() string {
	ns, err := netns.GetFromPath("/proc/self/ns/net")
	if err != nil {
		return "none"
	}
	defer ns.Close()
	return ns.UniqueId()
}

// runInner makes the namespace fit for use, reports, and runs main.
func runInner(main func() int) int {
	report := os.NewFile(reportFD, "report")
	os.Setenv(isolateEnv, "inside:"+namespaceID())
	if err := loopbackUp(&netlink.Handle{}); err != nil {
		fmt.Fprint(report, err)
		report.Close()
		return 1
	}
	fmt.Fprint(report, reportOK)
	report.Close()
	isolation = nil
	return main()
}

// runOuter starts this program again in new namespaces, waits for it and
// returns its status. An error means that main did not run.
func runOuter(flags uintptr) (status int, err error) {
	// The inner process dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	defer signal.Stop(signals)

	inner := innerCommand(flags, w)
	err = inner.Start()
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", flagsText(flags), err)
	}
	// Owned by this call; ends when the inner process has been reaped; this
	// call waits for it.
	reaped, ended := make(chan struct{}), make(chan struct{})
	go passSignals(inner.Process, signals, reaped, ended)
	report, _ := io.ReadAll(io.LimitReader(r, maxReport))
	_ = inner.Wait() // ProcessState says it all
	close(reaped)
	<-ended
	if text := string(report); text != reportOK && text != "" {
		return 0, fmt.Errorf("%s: %s", flagsText(flags), text)
	}
	return exitStatus(inner.ProcessState), nil
}

// innerCommand describes the inner process.
func innerCommand(flags uintptr, report *os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=enter:%d", isolateEnv, os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{report}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.GidMappingsEnableSetgroups = false
	}
	return cmd
}

// flagsText names the way to a namespace in errors.
func flagsText(flags uintptr) string {
	if flags&unix.CLONE_NEWUSER != 0 {
		return "user namespace"
	}
	return "network namespace as root"
}

// passSignals passes signals on to the inner process until it was reaped,
// except those which the terminal has sent to both.
func passSignals(inner *os.Process, signals <-chan os.Signal, reaped <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	for {
		select {
		case s := <-signals:
			if s == unix.SIGTERM || !inForeground() {
				_ = inner.Signal(s) // fails only if it has ended, which reaped says
			}
		case <-reaped:
			return
		}
	}
}

// inForeground reports whether this process is in the foreground group of its
// terminal, so that the terminal's signals go to it and to the inner process.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetUint32(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && int(group) == unix.Getpgrp()
}

// exitStatus is the status that a shell would show.
func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return signalBase + int(ws.Signal())
	}
	return state.ExitCode()
}
