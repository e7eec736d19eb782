package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestProcessEchoesAndIsKilled(t *testing.T) {
	p := start(t, play("echo"))
	conn := dial(t, hostOf(p))
	expectEcho(t, conn, "hello")
	if p.Err() != nil {
		t.Fatalf("running process has error %v", p.Err())
	}
	p.Kill()
	p.Kill()
	if err := expectEnd(t, conn); err != io.EOF {
		t.Fatalf("a killed process ended the stream with %v, want the kernel's FIN", err)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) {
		t.Fatalf("error after kill: %v", p.Err())
	}
}

func TestProcessThatFailsTellsWhy(t *testing.T) {
	var log bytes.Buffer
	c := play("fail")
	c.Stderr = &log
	_, err := StartProcess(testContext(t), c)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "the port is taken") {
		t.Fatalf("error %v", err)
	}
	if log.String() != "first\nthe port is taken\n" {
		t.Fatalf("passed on %q", log.String())
	}
}

func TestProcessThatCannotStart(t *testing.T) {
	if _, err := StartProcess(testContext(t), Command{Path: "/nonexistent/broker"}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("error %v", err)
	}
}

func TestProcessWithoutURL(t *testing.T) {
	if _, err := StartProcess(testContext(t), play("babble")); err == nil {
		t.Fatal("a line without end was taken for a URL")
	}
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if _, err := StartProcess(ctx, play("mute")); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func TestLifelineEndsTheChild(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=echo", lifelineEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != orphanStatus {
		t.Fatalf("ended with %v", err)
	}
}

func TestTailKeepsTheLastBytes(t *testing.T) {
	tl := &tail{next: failingWriter{}}
	for range 3 {
		if n, err := tl.Write(bytes.Repeat([]byte("x"), maxTail)); n != maxTail || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	tl.Write([]byte("the end\n"))
	if s := tl.String(); len(s) != maxTail-1 || !strings.HasSuffix(s, "xthe end") {
		t.Fatalf("kept %d bytes", len(s))
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
