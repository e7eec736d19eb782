package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// maxURLLine bounds the line in which a child tells its URL, in bytes: a child
// that writes without a newline is refused, not buffered.
const maxURLLine = 4096

// pipeGrace is how long a finished child's descendants may hold its output
// pipes open before these are closed under them.
const pipeGrace = time.Second

// Command says how to start a broker process.
type Command struct {
	// Path is the executable; empty means the running executable itself.
	Path string
	// Args are the arguments after the program's name.
	Args []string
	// Env is added to the environment of this process; later entries win.
	Env []string
	// Host is where the process runs; nil means here, in the network namespace
	// of this process.
	Host *Host
	// Stderr receives what the process writes to its standard error, written
	// by one goroutine at a time; nil keeps only the last lines, for errors.
	Stderr io.Writer
}

// Process is a child process that is a broker. It runs in a process group of
// its own, so a Ctrl-C in the terminal does not reach it, and it does not
// outlive this process: see ExitWithParent. Its methods may be called
// concurrently.
type Process struct {
	// Fixed after construction.
	cmd      *exec.Cmd
	url      string
	lifeline *os.File // its end tells the child to exit; closed by own
	stderr   *tail
	done     chan struct{}

	// Written by own before done is closed, read after.
	err error
}

// StartProcess starts c and waits until the child has printed its URL as the
// first line of its standard output (whatever follows there is discarded), has
// exited, or ctx is done; ctx has no say after that. If the child does not get
// that far it is killed and reaped, and the error holds its exit status and the
// last lines of its standard error.
func StartProcess(ctx context.Context, c Command) (*Process, error) {
	p, stdout, err := newProcess(c)
	if err != nil {
		return nil, fmt.Errorf("fault: start process: %w", err)
	}
	// Owned by p; ends when the child has been reaped; p.done waits for it.
	started := make(chan error, 1)
	go p.own(c.Host, stdout, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("fault: start process: %w", err)
	}

	// Owned by p; ends at the end of the child's output or when own closes
	// stdout; own waits for it before it closes p.done.
	line := make(chan string, 1)
	go stdout.read(line)
	select {
	case p.url = <-line:
		if p.url != "" {
			return p, nil
		}
		p.Kill()
		return nil, fmt.Errorf("fault: start process: no URL on its output: %s", p.epitaph())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("fault: start process: waiting for its URL: %w: %s", ctx.Err(), p.epitaph())
	}
}

// newProcess makes the pipes and the command, and starts nothing.
func newProcess(c Command) (*Process, *firstLine, error) {
	path := c.Path
	if path == "" {
		self, err := selfExecutable()
		if err != nil {
			return nil, nil, err
		}
		path = self
	}
	cmd := exec.Command(path, c.Args...)
	if c.Path == "" {
		cmd.Args[0] = os.Args[0]
	}
	cmd.Env = append(append(os.Environ(), c.Env...), lifelineEnv+"=1")
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = pipeGrace
	p := &Process{cmd: cmd, stderr: &tail{next: c.Stderr}, done: make(chan struct{})}
	cmd.Stderr = p.stderr
	in, lifeline, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	r, out, err := os.Pipe()
	if err != nil {
		in.Close()
		lifeline.Close()
		return nil, nil, err
	}
	cmd.Stdin, cmd.Stdout, p.lifeline = in, out, lifeline
	return p, &firstLine{r: r, childEnds: []*os.File{in, out}, ended: make(chan struct{})}, nil
}

// own starts the child and reaps it, both on one locked thread: Linux sends the
// parent-death signal when the thread that forked dies, not the process, so
// that thread must stay for as long as the child does.
func (p *Process) own(host *Host, stdout *firstLine, started chan<- error) {
	onThread(func() {
		err := startIn(host, p)
		for _, f := range stdout.childEnds {
			f.Close()
		}
		if err != nil {
			stdout.r.Close()
			p.lifeline.Close()
			started <- err
			return
		}
		started <- nil
		err = p.cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // a descendant held the pipes; the child itself is gone
		}
		stdout.finish()
		p.lifeline.Close()
		p.err = err
		close(p.done)
	})
}

// URL returns the line that the child printed when it was ready.
func (p *Process) URL() string { return p.url }

// PID returns the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed once the child has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns nil while the child runs and after it exited with status 0,
// otherwise its exit status (an *exec.ExitError).
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Kill ends the child with SIGKILL and waits until it has been reaped. The
// kernel then closes its sockets, so its peers do get a FIN (or a RST) unless
// the packets are dropped. It may be called again, and on a frozen or finished
// child.
func (p *Process) Kill() {
	// The only failure is "already finished", which Done will confirm.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Terminate asks the child to end (SIGTERM) and does not wait: see Done. On
// Windows it returns an *UnsupportedError.
func (p *Process) Terminate() error {
	if err := terminate(p.cmd.Process); err != nil {
		return fmt.Errorf("fault: terminate process %d: %w", p.PID(), err)
	}
	return nil
}

// Freeze stops the child with SIGSTOP. Its kernel goes on acknowledging what
// its peers send, so TCP keep-alive stays content for ever. On Linux the child
// has stopped when Freeze returns. On Windows it returns an *UnsupportedError.
func (p *Process) Freeze() error {
	if err := freeze(p.cmd.Process); err != nil {
		return fmt.Errorf("fault: freeze process %d: %w", p.PID(), err)
	}
	return nil
}

// Thaw lets a frozen child run on (SIGCONT). On Windows it returns an
// *UnsupportedError.
func (p *Process) Thaw() error {
	if err := thaw(p.cmd.Process); err != nil {
		return fmt.Errorf("fault: thaw process %d: %w", p.PID(), err)
	}
	return nil
}

// Pause freezes the child for d, as a long garbage collection or a virtual
// machine that is moved does, and returns when it runs again, or has ended
// meanwhile; who has to know when it stopped calls Freeze and Thaw. On Windows it returns an *UnsupportedError.
func (p *Process) Pause(d time.Duration) error {
	if err := p.Freeze(); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.Thaw()
	case <-p.done:
		return nil
	}
}

// epitaph describes how the finished child ended.
func (p *Process) epitaph() string {
	text := p.cmd.ProcessState.String()
	if last := p.stderr.String(); last != "" {
		text += "; its last words: " + last
	}
	return text
}

// firstLine hands over the first line of a child's output and discards the
// rest, so that the child never blocks on a full pipe.
type firstLine struct {
	r         *os.File
	childEnds []*os.File // the pipe ends to close once the child has them
	ended     chan struct{}
}

// read sends the first line, or an empty one if there is none.
func (f *firstLine) read(line chan<- string) {
	defer close(f.ended)
	br := bufio.NewReaderSize(f.r, maxURLLine)
	text, err := br.ReadSlice('\n')
	if err != nil {
		line <- ""
	} else {
		line <- strings.TrimSpace(string(text))
	}
	_, _ = io.Copy(io.Discard, br) // ends at EOF or when finish closes r
}

// finish is called when the child is gone: it lets read drain what the child
// wrote, for as long as pipeGrace if a descendant keeps the pipe open.
func (f *firstLine) finish() {
	_ = f.r.SetReadDeadline(time.Now().Add(pipeGrace))
	<-f.ended
	f.r.Close()
}

// tail passes on what is written and remembers the last lines of it.
type tail struct {
	next io.Writer // owned by the goroutine that writes; may be nil

	mu   sync.Mutex
	kept []byte // guarded by mu
}

// maxTail bounds the standard error remembered per child, in bytes: enough for
// the lines that tell why it ended.
const maxTail = 2048

// Write implements io.Writer and never fails: an error would close the pipe
// under the child. After an error of the next writer it only remembers.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - maxTail; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.mu.Unlock()
	if t.next != nil {
		if _, err := t.next.Write(b); err != nil {
			t.next = nil
		}
	}
	return len(b), nil
}

// String returns the remembered lines on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(strings.TrimSpace(string(t.kept)), "\n", " | ")
}
