//go:build unix

package broker

import (
	"io"
	"net"
	"syscall"
	"time"
)

// newTransport returns the fastest transport that conn can have.
func newTransport(conn net.Conn) transport {
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { limitUnsent(int(fd)) })
			return &socketTransport{conn, raw}
		}
	}
	return plainTransport{conn}
}

// socketTransport serves a socket through its descriptor. The runtime's poller
// waits for readiness, so that no buffer is held and no goroutine blocks in the
// kernel meanwhile.
type socketTransport struct {
	conn net.Conn
	raw  syscall.RawConn
}

func (t *socketTransport) read(in *inbox) (n int, err error) {
	waitErr := t.raw.Read(func(fd uintptr) bool {
		n, err = ignoringInterrupts(syscall.Read, int(fd), in.room())
		if err == syscall.EAGAIN {
			in.shrink()
			return false
		}
		return true
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: err}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (t *socketTransport) tryWrite(p []byte) (n int, err error) {
	waitErr := t.raw.Write(func(fd uintptr) bool {
		n, err = writeAll(int(fd), p)
		return true
	})
	return n, firstError(waitErr, err)
}

func (t *socketTransport) write(p []byte) (n int, err error) {
	waitErr := t.raw.Write(func(fd uintptr) bool {
		n, err = writeAll(int(fd), p)
		return n > 0 || err != nil
	})
	return n, firstError(waitErr, err)
}

// writeAll writes until p is written or the socket takes no more.
func writeAll(fd int, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := ignoringInterrupts(syscall.Write, fd, p[n:])
		if err == syscall.EAGAIN {
			return n, nil
		}
		if err != nil {
			return n, &net.OpError{Op: "write", Net: "tcp", Err: err}
		}
		n += m
	}
	return n, nil
}

// ignoringInterrupts repeats a system call that a signal interrupted.
func ignoringInterrupts(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *socketTransport) setWriteDeadline(d time.Time) error { return t.conn.SetWriteDeadline(d) }
func (t *socketTransport) setReadDeadline(d time.Time) error  { return t.conn.SetReadDeadline(d) }
func (t *socketTransport) closeWrite() error                  { return closeWrite(t.conn) }
func (t *socketTransport) close() error                       { return t.conn.Close() }
