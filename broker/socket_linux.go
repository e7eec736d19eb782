package broker

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a TCP or Unix socket outside the runtime's poller: its own system
// calls, and readiness from the broker's poller. So a client that is idle costs
// no goroutine, no stack and no buffer.
type socket struct {
	// Fixed after construction.
	fd     int
	local  bool // a Unix socket
	poller *poller
	client *client

	// users counts the system calls in progress; closedBit is set by close. The
	// descriptor is closed when both are done with.
	users atomic.Int64
	// watched is set once the poller tells of writability.
	watched atomic.Bool
	// interrupted ends the reading.
	interrupted atomic.Bool
	// drained is closed at the end of the input while the socket is drained.
	drained atomic.Pointer[chan struct{}]

	// Owned by whoever has the client's turn.
	ended bool // the reading is over
	full  bool // the last read took all that it could
}

const closedBit = 1 << 32

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall
// lacks.
const tcpNotSentLowat = 25

// maxNotSent is what the kernel may hold of a client's output that it has not
// sent yet, in bytes. It keeps the backlog of a client that reads slowly in its
// outbox, where it is bounded and a PING can pass it, and not in megabytes of
// kernel memory; and it shows progress sooner, since a socket counts as
// writable once a third of what it may hold is free. Sending is not slower for
// it: what is on the way does not count.
const maxNotSent = 256 << 10

// setNotSentLowat has a TCP socket hold no more unsent output than maxNotSent.
func setNotSentLowat(fd int) error {
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotSentLowat, maxNotSent)
}

// takeOver takes the descriptor of a connection that is a socket over. It reports
// false, and has done nothing, if there are not enough descriptors.
func takeOver(conn net.Conn) (fd int, ok bool) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, false
	}
	own := -1
	err = raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if own, err = syscall.Dup(int(fd)); err == nil {
			syscall.CloseOnExec(own)
		}
	})
	if err != nil || own < 0 {
		return -1, false
	}
	_ = setNotSentLowat(own) // not on a Unix socket
	_ = conn.Close()         // the copy stays open
	return own, true
}

// use begins a system call. It reports false if the socket is closed.
func (s *socket) use() bool {
	for {
		n := s.users.Load()
		if n&closedBit != 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// done ends a system call.
func (s *socket) done() {
	if s.users.Add(-1) == closedBit {
		s.poller.forget(s.fd)
		_ = syscall.Close(s.fd)
	}
}

func (s *socket) close() error {
	if !s.use() {
		return nil
	}
	if n := s.users.Or(closedBit); n&closedBit == 0 {
		if n > 1 { // somebody uses it, and the client is to see the end now
			_ = syscall.Shutdown(s.fd, syscall.SHUT_RDWR)
		}
		s.poller.postFirst(s.client, syscall.EPOLLIN|syscall.EPOLLOUT) // whoever waits
	}
	s.done()
	return nil
}

func (s *socket) closeWrite() error {
	if !s.use() {
		return nil
	}
	defer s.done()
	return os.NewSyscallError("shutdown", syscall.Shutdown(s.fd, syscall.SHUT_WR))
}

func (s *socket) interrupt() {
	s.interrupted.Store(true)
	s.poller.post(s.client, syscall.EPOLLIN)
}

// tryRead fills the inbox once with what is there. Nothing and no error means
// that there is nothing.
func (s *socket) tryRead(in *inbox) (int, error) {
	if s.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	room := in.room(readBuffer)
	n, err := s.readInto(room)
	s.full = n == len(room) || n > 0 && s.local // which ends behind a descriptor sent along
	if n == 0 {
		in.shrink()
	}
	return n, err
}

func (s *socket) readInto(p []byte) (int, error) {
	if !s.use() {
		return 0, net.ErrClosed
	}
	defer s.done()
	switch n, err := ignoringInterrupts(syscall.Read, s.fd, p); {
	case err == syscall.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	default:
		return n, nil
	}
}

func (s *socket) tryWrite(p []byte) (n int, err error) {
	if !s.use() {
		return 0, net.ErrClosed
	}
	defer s.done()
	for n < len(p) {
		m, err := ignoringInterrupts(syscall.Write, s.fd, p[n:])
		if err == syscall.EAGAIN {
			return n, nil
		}
		if err != nil {
			return n, os.NewSyscallError("write", err)
		}
		n += m
	}
	return n, nil
}

// write is never called, since callWritable calls.
func (s *socket) write(p []byte) (int, error) { return s.tryWrite(p) }

func (s *socket) callWritable(now bool) {
	if now {
		s.poller.post(s.client, syscall.EPOLLOUT)
		return
	}
	if s.watched.Load() || !s.use() {
		return // or will not be writable again
	}
	defer s.done()
	if s.poller.watchWritable(s.fd) == nil { // which tells if it can be written to now
		s.watched.Store(true)
	}
}

// turn is the client's turn of being read from and written to, on a goroutine of
// the poller. It returns what the next turn is about, 0 for nothing.
func (s *socket) turn(events uint32) (left uint32) {
	c := s.client
	if events&syscall.EPOLLOUT != 0 {
		c.out.writable()
	}
	if events &^= syscall.EPOLLOUT; events == 0 {
		return 0
	}
	if s.ended {
		return s.drainSome()
	}
	n, err := s.tryRead(&c.in)
	if n == 0 && err == nil {
		return 0
	}
	c.publish.bulk = n >= manyBytes
	if broken, over := c.took(n, err); over {
		s.ended = true
		c.in.release()
		if broken == nil && c.departsAtOnce() {
			c.depart(nil)
			return 0
		}
		// The client's; ends within lingerFor, and Shutdown waits for it.
		c.broker.pumps.Go(func() { c.depart(broken) })
		return 0
	}
	c.in.shrink() // others may have their turns, and use the buffer
	if s.full || events&endEvents != 0 {
		// More is there, or only the next read finds the end.
		return events | syscall.EPOLLIN
	}
	return 0
}

// endEvents say that a read that does not fill its buffer is not the last: behind
// it stands the end, or, where there is urgent data, more.
const endEvents = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR | syscall.EPOLLPRI

func (s *socket) drain(until time.Time) {
	over := make(chan struct{})
	s.drained.Store(&over)
	s.poller.post(s.client, syscall.EPOLLIN)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
}

// drainSome reads and forgets, if somebody waits for it.
func (s *socket) drainSome() (left uint32) {
	over := s.drained.Load()
	if over == nil {
		return 0
	}
	b := getBuffer(readBuffer)
	defer putBuffer(b)
	n, err := s.readInto(b[:cap(b)])
	if err != nil {
		s.drained.Store(nil)
		close(*over)
		return 0
	}
	if n == 0 {
		return 0
	}
	return syscall.EPOLLIN // only a read that finds nothing, or the end, is the last
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
