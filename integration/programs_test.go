package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	// The programs are built where there is no network: with this the modules
	// that they need are there whenever this package is.
	_ "vigil/internal/cli"
)

// programs builds Vigil's programs into a directory that removePrograms
// removes.
var programs = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "vigil-integration-")
	if err != nil {
		return "", err
	}
	built = dir
	// Without the version control's stamp: that needs git, and git a home.
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "vigil/cmd/vigil", "vigil/cmd/vigil-lab")
	build.Env = withoutOurs()
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// built is where the programs are or were to be, once that was tried.
var built string

func removePrograms() error { return os.RemoveAll(built) }

// program is a running program of Vigil's, as a user starts it.
type program struct {
	cmd      *exec.Cmd
	out, err transcript
	ended    chan struct{}
	failure  error // of Wait; read after ended
}

// start starts a program; it is killed at the end of the test. stdin may be nil.
func start(t *testing.T, stdin io.Reader, name string, args ...string) *program {
	t.Helper()
	dir, err := programs()
	must(t, err)
	p := &program{ended: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(dir, name), args...)
	// Without the contexts of whoever runs the tests.
	p.cmd.Env, p.cmd.Stdin = append(withoutOurs(), "XDG_CONFIG_HOME="+dir), stdin
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	// Owned by p; ends with the process; the cleanup waits for it. Its thread
	// stays until then: the kernel kills a child whose parent's thread ends.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.failure = p.cmd.Wait()
		}
	}()
	must(t, <-started)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // fails only if it has ended
		<-p.ended
		if t.Failed() {
			t.Logf("%s %s\nstdout:\n%s\nstderr:\n%s", name, strings.Join(args, " "), &p.out, &p.err)
		}
	})
	return p
}

// signal sends a signal, where the platform has them.
func (p *program) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if s == nil || runtime.GOOS == "windows" {
		t.Skipf("UNSUPPORTED: no signals on %s", runtime.GOOS)
	}
	must(t, p.cmd.Process.Signal(s))
}

// status waits for the end and returns the exit status.
func (p *program) status(t *testing.T) int {
	t.Helper()
	await(t, "the end of "+p.cmd.Path, p.ended)
	if exit, ok := errors.AsType[*exec.ExitError](p.failure); ok {
		return exit.ExitCode()
	}
	must(t, p.failure)
	return 0
}

// transcript is what a program writes, by lines.
type transcript struct {
	state
	text []byte // guarded by mu
}

// Write implements io.Writer.
func (o *transcript) Write(b []byte) (int, error) {
	o.change(func() { o.text = append(o.text, b...) })
	return len(b), nil
}

// String returns all that was written.
func (o *transcript) String() (s string) {
	o.look(func() { s = string(o.text) })
	return s
}

// lines returns the whole lines written.
func (o *transcript) lines() []string {
	lines := strings.SplitAfter(o.String(), "\n")
	return lines[:len(lines)-1]
}

// awaitLine waits for a whole line, behind the first so many bytes, that holds
// all words in this order, and returns it and where it ends.
func (o *transcript) awaitLine(t *testing.T, from int, words ...string) (line string, end int) {
	t.Helper()
	holds := func(line string) bool {
		for _, w := range words {
			_, rest, ok := strings.Cut(line, w)
			if !ok {
				return false
			}
			line = rest
		}
		return true
	}
	met := o.reached(t, func() bool {
		for end = from; ; {
			n := bytes.IndexByte(o.text[end:], '\n')
			if n < 0 {
				return false
			}
			line = string(o.text[end : end+n])
			end += n + 1
			if holds(line) {
				return true
			}
		}
	})
	if !met {
		t.Fatalf("no line with %q in:\n%s", words, o)
	}
	return line, end
}

// count returns how often a line holds a word.
func (o *transcript) count(word string) int {
	n := 0
	for _, line := range o.lines() {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// checkOneLine checks that a program failed as programs should: the status
// expected, and on standard error one line, which names the program and the
// trouble.
func checkOneLine(t *testing.T, p *program, status int, words ...string) {
	t.Helper()
	if got := p.status(t); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
	told := p.err.lines()
	// What the connection went through is told on lines that begin with the
	// time of day; the error is one line beside them.
	told = slices.DeleteFunc(told, func(line string) bool { return len(line) > 12 && line[2] == ':' && line[8] == '.' })
	if len(told) != 1 || !strings.HasPrefix(told[0], "vigil") {
		t.Fatalf("standard error has %d lines, want one that begins with the program's name:\n%s", len(told), &p.err)
	}
	for _, w := range words {
		if !strings.Contains(told[0], w) {
			t.Errorf("%q does not say %q", told[0], w)
		}
	}
	if out := p.out.String(); out != "" {
		t.Errorf("standard output: %q, want nothing", out)
	}
}
