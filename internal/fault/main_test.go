package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleEnv makes the test binary play another program: see roles.
const roleEnv = "FAULT_TEST_ROLE"

// bound is the generous limit for events that must happen.
const bound = 30 * time.Second

// silence is how long a test listens for what must not come. On virtual links
// a FIN takes microseconds.
const silence = 300 * time.Millisecond

// roles are the programs that the test binary can play; each returns its exit
// status. Tests for one platform add theirs.
var roles = map[string]func() int{
	"echo":                  func() int { ExitWithParent(); return echo() },
	"echo without lifeline": echo,
	"fail": func() int {
		fmt.Fprintln(os.Stderr, "first\nthe port is taken")
		return 7
	},
	"babble": func() int {
		for {
			if _, err := os.Stdout.WriteString("no newline "); err != nil {
				return 1
			}
		}
	},
	"mute": func() int { ExitWithParent(); select {} },
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		os.Exit(role())
	}
	os.Exit(RunIsolated(func() int {
		status := m.Run()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		return status
	}))
}

// play is the command that makes this binary play role.
func play(role string, args ...string) Command {
	return Command{Args: args, Env: []string{roleEnv + "=" + role}}
}

// echoAt plays an echo server at a Site.
func echoAt() Command { return play("echo", AddrPlaceholder) }

// echo is a TCP echo server on the address that is the first argument.
func echo() int {
	addr := "127.0.0.1:0"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	ln, err := net.Listen("tcp4", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("nats://%s\n", ln.Addr())
	for {
		conn, err := ln.Accept()
		if err != nil {
			return 1
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

// testContext ends after bound.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// start starts c and kills it at the end of the test.
func start(t *testing.T, c Command) *Process {
	t.Helper()
	p, err := StartProcess(testContext(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// skipNamespaces skips a test that needs namespaces which this machine does not
// give. Where VIGIL_REQUIRE_NAMESPACES is set, as in CI, it fails instead.
func skipNamespaces(t *testing.T, reason error) {
	t.Helper()
	if os.Getenv("VIGIL_REQUIRE_NAMESPACES") != "" {
		t.Fatal("namespaces are required here: ", reason)
	}
	t.Skip("SKIP namespaces: ", reason)
}

// dial connects to addr or fails the test.
func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// hostOf is the host:port of a process.
func hostOf(p *Process) string { return strings.TrimPrefix(p.URL(), "nats://") }

// expectEcho checks that conn answers.
func expectEcho(t *testing.T, conn net.Conn, word string) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(bound))
	defer conn.SetDeadline(time.Time{})
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatalf("write: %v", err)
	}
	expectBytes(t, conn, word)
}

// expectBytes checks that conn brings word.
func expectBytes(t *testing.T, conn net.Conn, word string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(bound))
	defer conn.SetReadDeadline(time.Time{})
	buf := make([]byte, len(word))
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != word {
		t.Fatalf("read %q, %v; want %q", buf, err, word)
	}
}

// expectSilence checks that conn brings neither byte, EOF nor RST for a while.
func expectSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(silence))
	defer conn.SetReadDeadline(time.Time{})
	n, err := conn.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want silence", n, err)
	}
}

// expectEnd waits for the end of the stream and returns the error, io.EOF or
// that of a RST; bytes before it fail the test.
func expectEnd(t *testing.T, conn net.Conn) error {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(bound))
	n, err := conn.Read(make([]byte, 1))
	if n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
	return err
}

// waitFor waits for an event.
func waitFor(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(bound):
		t.Fatalf("%s did not happen", what)
	}
}
