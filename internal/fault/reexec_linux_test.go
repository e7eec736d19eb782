package fault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The roles of programs that isolate themselves.
func init() {
	roles["isolated: status 42"] = func() int {
		return RunIsolated(func() int {
			tell()
			return 42
		})
	}
	roles["isolated: wait"] = func() int {
		return RunIsolated(func() int {
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
			tell()
			fmt.Println(<-signals)
			return 5
		})
	}
	roles["isolated: suicide"] = func() int {
		return RunIsolated(func() int {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		})
	}
	roles["isolated: twice"] = func() int {
		return RunIsolated(func() int {
			tell()
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), roleEnv+"=isolated: status 42")
			cmd.Stdout = os.Stdout
			_ = cmd.Run()
			return cmd.ProcessState.ExitCode()
		})
	}
	roles["isolated: refused"] = func() int {
		if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
			fmt.Println(err)
			return 1
		}
		return RunIsolated(func() int {
			_, err := NewSwitch()
			fmt.Println(errors.Is(err, errors.ErrUnsupported), Isolation())
			return 6
		})
	}
}

// tell prints the namespace, whether it is isolated and whether lo works.
func tell() {
	ns, _ := os.Readlink("/proc/self/ns/net")
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		ln.Close()
	}
	links, _ := net.Interfaces()
	fmt.Println(ns, Isolation(), err, len(links))
}

// outsider runs this binary in a role, with no mark of isolation.
func outsider(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, isolateEnv+"=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// needIsolation skips the test where processes cannot isolate themselves.
func needIsolation(t *testing.T) {
	t.Helper()
	if err := Isolation(); err != nil {
		skipNamespaces(t, err)
	}
}

// expectTold checks a line of tell.
func expectTold(t *testing.T, line string) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	do(t, err)
	ns, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if ns == home || !strings.HasPrefix(ns, "net:[") || rest != "<nil> <nil> 1" {
		t.Errorf("told %q; this process is in %s", line, home)
	}
}

func TestIsolatedStatus(t *testing.T) {
	needIsolation(t)
	cmd := outsider("isolated: status 42")
	out, _ := cmd.Output()
	if cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("ended with %v", cmd.ProcessState)
	}
	expectTold(t, string(out))
}

func TestIsolatedDeathBySignal(t *testing.T) {
	needIsolation(t)
	cmd := outsider("isolated: suicide")
	_ = cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != signalBase+int(unix.SIGKILL) {
		t.Errorf("status %d, want 137", status)
	}
}

func TestIsolatedPassesSignalsOn(t *testing.T) {
	needIsolation(t)
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT} {
		cmd := outsider("isolated: wait")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		lines := begin(t, cmd)
		lines.Scan()
		expectTold(t, lines.Text())
		do(t, cmd.Process.Signal(s))
		if lines.Scan(); lines.Text() != s.String() {
			t.Errorf("%v arrived as %q", s, lines.Text())
		}
		_ = cmd.Wait()
		if status := cmd.ProcessState.ExitCode(); status != 5 {
			t.Errorf("status %d, want 5", status)
		}
	}
}

// TestIsolatedDiesWithTheOuter kills the outer process: the end of the output
// that both hold shows that the inner one is gone too.
func TestIsolatedDiesWithTheOuter(t *testing.T) {
	needIsolation(t)
	cmd := outsider("isolated: wait")
	lines := begin(t, cmd)
	lines.Scan()
	do(t, cmd.Process.Kill())
	if lines.Scan() {
		t.Errorf("the inner process told %q", lines.Text())
	}
	_ = cmd.Wait()
}

func TestIsolatedOnlyOnce(t *testing.T) {
	needIsolation(t)
	cmd := outsider("isolated: twice")
	out, _ := cmd.Output()
	outer, inner, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	expectTold(t, outer)
	if outer != inner || cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("%v; told\n%s", cmd.ProcessState, out)
	}
}

// TestIsolationRefused runs in a user namespace that forbids network
// namespaces: main must run all the same, and the reason must be told.
func TestIsolationRefused(t *testing.T) {
	needIsolation(t)
	cmd := outsider("isolated: refused")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, _ := cmd.Output()
	if cmd.ProcessState.ExitCode() != 6 || !strings.HasPrefix(string(out), "true fault: network namespaces not supported here") {
		t.Errorf("%v, told %q", cmd.ProcessState, out)
	}
	t.Logf("told: %s", out)
}

// TestForgedMarkIsNotBelieved sets the environment as an isolated process
// would: nobody may be led to believe that the machine's network is private.
func TestForgedMarkIsNotBelieved(t *testing.T) {
	needIsolation(t)
	for _, mark := range []string{"enter:1", "inside:NS(4:1)", "inside:none", "nonsense"} {
		cmd := outsider("isolated: status 42")
		cmd.Env = append(cmd.Env, isolateEnv+"="+mark)
		out, _ := cmd.Output()
		expectTold(t, string(out))
	}
}

// begin starts cmd and returns the lines of its output.
func begin(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	do(t, err)
	do(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
	})
	return bufio.NewScanner(out)
}
