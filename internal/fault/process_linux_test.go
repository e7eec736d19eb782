package fault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	// A parent starts a child of the role given, tells its URL and PID, and
	// waits to be killed.
	roles["parent"] = func() int {
		p, err := StartProcess(context.Background(), play(os.Args[1]))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(hostOf(p))
		if len(os.Args) > 2 {
			_ = p.Freeze()
			fmt.Println("frozen")
		}
		select {}
	}
}

func TestFreezeAndThaw(t *testing.T) {
	p := start(t, play("echo"))
	conn := dial(t, hostOf(p))
	expectEcho(t, conn, "before")
	for range 3 {
		if err := p.Freeze(); err != nil {
			t.Fatal(err)
		}
		if s := processState(t, p.PID()); s != "T" {
			t.Fatalf("state %s after Freeze, want T", s)
		}
		if _, err := io.WriteString(conn, "during"); err != nil {
			t.Fatal(err)
		}
		expectSilence(t, conn)
		if err := p.Thaw(); err != nil {
			t.Fatal(err)
		}
		expectBytes(t, conn, "during")
	}
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if err := p.Freeze(); err == nil {
		t.Fatal("a dead process froze")
	}
}

func TestTerminate(t *testing.T) {
	p := start(t, play("echo"))
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end", p.Done())
	if p.Err() == nil || !strings.Contains(p.Err().Error(), "terminated") {
		t.Fatalf("ended with %v", p.Err())
	}
}

func TestProcessHasItsOwnGroup(t *testing.T) {
	p := start(t, play("echo"))
	if group, err := unix.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Fatalf("group %d, %v; want %d", group, err, p.PID())
	}
}

// TestNoChildOutlivesItsParent kills a parent and waits for the end of a
// connection to its child: only the child's death ends it.
func TestNoChildOutlivesItsParent(t *testing.T) {
	for name, args := range map[string][]string{
		"both lifelines":      {"echo"},
		"death signal alone":  {"echo without lifeline"},
		"while it was frozen": {"echo", "freeze"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := exec.Command(os.Args[0], args...)
			parent.Env = append(os.Environ(), roleEnv+"=parent")
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() {
				t.Fatal("the parent told no address")
			}
			conn := dial(t, lines.Text())
			if len(args) > 1 {
				lines.Scan()
			} else {
				expectEcho(t, conn, "alive")
			}
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			expectEnd(t, conn)
			_ = parent.Wait()
		})
	}
}

// processState is the letter in /proc/pid/stat.
func processState(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:1]
}
