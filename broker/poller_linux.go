package broker

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// poller finds out which sockets have something to do and gives each client its
// turn, on a few goroutines for all of them.
//
// The goroutine per connection of package net costs 2 KiB of stack and as much
// again around it, whatever the connection does; and while all processors are
// busy, a client whose bytes have come waits until the runtime looks for them,
// which is each 10 ms. Here a turn is one read, of maxRead at most: a client that
// floods stands behind those that have become ready meanwhile.
//
//	epoll ──► ready, first in first out ──► workers: one turn each
//	              ▲                             │
//	              └──── more than one read ─────┘
//
// As many workers are active as there are processors. One at a time leads: it
// asks the kernel, and waits there if there is nothing to do at all. A worker
// that has to wait for something else says so, and another goes on in its place.
type poller struct {
	// Fixed after construction.
	epoll int
	// wake is a pipe whose other end is closed to wake the leader for good.
	wake  [2]int
	want  int // workers at work at a time
	spawn func(func())

	// events belongs to the worker that leads.
	events [64]syscall.EpollEvent

	mu      sync.Mutex
	clients []*client // by descriptor
	ready   readyClients
	// turns counts the turns since the last look for events.
	turns int
	// active counts the workers at work; sleeping those that wait on idle, of
	// which woken are to wake up.
	active, sleeping, woken int
	idle                    sync.Cond
	// leading is set while a worker asks the kernel or waits for it.
	leading bool
	stopped bool
}

// pollState is what a poller knows of a client, guarded by poller.mu.
type pollState struct {
	next *client
	// queued is set while the client is in the queue or has its turn, and before
	// it begins: then events only add up, so that no two turns run at once.
	queued bool
	// events is what its next turn is about.
	events uint32
}

const (
	// turnsPerLook is how many turns may pass before the kernel is asked again.
	turnsPerLook = 8
	// manyReady is how many clients may wait for a turn before another worker
	// is woken: it costs more than a few small turns.
	manyReady = 8
)

// newPoller starts a poller. spawn runs its goroutines.
func newPoller(spawn func(func())) (*poller, error) {
	p := &poller{want: runtime.GOMAXPROCS(0), spawn: spawn}
	p.idle.L = &p.mu
	var err error
	if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("broker: poller: %w", os.NewSyscallError("epoll_create1", err))
	}
	if err = syscall.Pipe2(p.wake[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		_ = syscall.Close(p.epoll)
		return nil, fmt.Errorf("broker: poller: %w", os.NewSyscallError("pipe2", err))
	}
	p.clients = make([]*client, p.wake[0]+1)
	if err = p.control(syscall.EPOLL_CTL_ADD, p.wake[0], syscall.EPOLLIN); err != nil {
		_ = syscall.Close(p.wake[1])
		p.close()
		return nil, fmt.Errorf("broker: poller: %w", err)
	}
	p.mu.Lock()
	p.wakeLocked()
	p.mu.Unlock()
	return p, nil
}

// stop ends the workers; close follows when they have ended. It is called when
// no client is left.
func (p *poller) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.idle.Broadcast()
	_ = syscall.Close(p.wake[1])
}

// close gives the descriptors back.
func (p *poller) close() {
	_ = syscall.Close(p.epoll)
	_ = syscall.Close(p.wake[0])
}

// add watches a client's descriptor.
func (p *poller) add(c *client, fd int) error {
	p.mu.Lock()
	for len(p.clients) <= fd {
		p.clients = append(p.clients, nil)
	}
	p.clients[fd] = c
	p.mu.Unlock()
	if err := p.control(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN); err != nil {
		return err
	}
	if c.out.parkedNow() { // the greeting is still on its way
		return p.watchWritable(fd)
	}
	return nil
}

// begin gives a client its turns from now on: until then nobody but who has made
// it touches it.
func (p *poller) begin(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.poll.queued = false
	if c.poll.events != 0 {
		p.postLocked(c, 0)
		p.wakeLocked()
	}
}

// watchWritable makes turns of the moments when fd can be written to again.
func (p *poller) watchWritable(fd int) error {
	return p.control(syscall.EPOLL_CTL_MOD, fd, syscall.EPOLLIN|syscall.EPOLLOUT)
}

func (p *poller) control(op, fd int, events uint32) error {
	const edges = uint32(syscall.EPOLLET & 0xffffffff)
	ev := syscall.EpollEvent{Events: events | syscall.EPOLLRDHUP | syscall.EPOLLPRI | edges, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(p.epoll, op, fd, &ev))
}

// forget is told before fd is closed.
func (p *poller) forget(fd int) {
	p.mu.Lock()
	if fd < len(p.clients) {
		p.clients[fd] = nil
	}
	p.mu.Unlock()
}

// post gives the client a turn about events.
func (p *poller) post(c *client, events uint32) {
	p.mu.Lock()
	p.postLocked(c, events)
	p.wakeLocked()
	p.mu.Unlock()
}

// postFirst is post for a client that has been closed, ahead of all who wait: its
// turn takes nothing and gives back what it holds.
func (p *poller) postFirst(c *client, events uint32) {
	p.mu.Lock()
	c.poll.events |= events
	if !c.poll.queued {
		c.poll.queued = true
		p.ready.pushFirst(c)
	}
	p.wakeLocked()
	p.mu.Unlock()
}

func (p *poller) postLocked(c *client, events uint32) {
	c.poll.events |= events
	if !c.poll.queued {
		c.poll.queued = true
		p.ready.push(c)
	}
}

// wakeLocked puts one more worker to work, unless enough are.
func (p *poller) wakeLocked() {
	if p.active >= p.want || p.stopped {
		return
	}
	p.active++
	if p.sleeping > 0 {
		p.sleeping--
		p.woken++
		p.idle.Signal()
		return
	}
	p.spawn(p.work)
}

// assist makes sure that somebody looks for events while the caller is busy. Who
// begins something in its turn that takes longer than a few small turns calls it.
func (p *poller) assist() {
	p.mu.Lock()
	if !p.leading || p.ready.first != nil {
		p.wakeLocked()
	}
	p.mu.Unlock()
}

// wait lets a worker wait for what f waits for.
func (p *poller) wait(f func()) {
	p.mu.Lock()
	p.active--
	if !p.leading || p.ready.first != nil {
		p.wakeLocked()
	}
	p.mu.Unlock()
	f()
	p.mu.Lock()
	p.active++
	p.mu.Unlock()
}

// work is a worker. It belongs to the poller, ends when that is stopped or it is
// one too many, and Shutdown waits for it.
func (p *poller) work() {
	var c *client
	var events uint32
	for {
		if c, events = p.next(c, events); c == nil {
			return
		}
		events = c.socket.turn(events)
	}
}

// next ends a client's turn, of which something may be left, and returns whose
// turn it is now; nil if the worker is to end.
func (p *poller) next(last *client, left uint32) (*client, uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last != nil {
		last.poll.queued = false
		if left |= last.poll.events; left != 0 {
			p.postLocked(last, left)
		}
	}
	for !p.stopped {
		switch {
		case p.active > p.want:
			if !p.sleepLocked() {
				return nil, 0
			}
		case p.ready.first != nil && (p.leading || p.turns < turnsPerLook):
			p.turns++
			c := p.ready.pop()
			events := c.poll.events
			c.poll.events = 0
			if p.ready.count >= manyReady {
				p.wakeLocked()
			}
			return c, events
		case p.leading:
			if !p.sleepLocked() {
				return nil, 0
			}
		default:
			p.lookLocked()
		}
	}
	return nil, 0
}

// sleepLocked waits until the worker is needed. It reports false if it is not
// any more.
func (p *poller) sleepLocked() bool {
	p.active--
	if p.sleeping >= p.want {
		return false
	}
	p.sleeping++
	for p.woken == 0 {
		if p.stopped {
			return false
		}
		p.idle.Wait()
	}
	p.woken--
	return true
}

// lookLocked asks the kernel which sockets have become ready, and waits for one
// if no turn is due.
func (p *poller) lookLocked() {
	p.leading, p.turns = true, 0
	wait := p.ready.first == nil
	if wait {
		p.active--
	}
	p.mu.Unlock()
	n := p.ask(wait)
	p.mu.Lock()
	if wait {
		p.active++
	}
	p.leading = false
	for _, ev := range p.events[:n] {
		if c := p.clients[ev.Fd]; c != nil {
			p.postLocked(c, ev.Events)
		}
	}
}

// ask returns how many events there are.
func (p *poller) ask(wait bool) int {
	timeout := 0
	if wait {
		timeout = -1
	}
	n, _ := syscall.EpollWait(p.epoll, p.events[:], timeout) // or a signal has come
	return max(n, 0)
}

// readyClients is a queue of clients that goes through themselves.
type readyClients struct {
	first, last *client
	count       int
}

func (q *readyClients) push(c *client) {
	if q.count++; q.last != nil {
		q.last.poll.next = c
	} else {
		q.first = c
	}
	q.last = c
}

func (q *readyClients) pushFirst(c *client) {
	q.count++
	if c.poll.next = q.first; q.first == nil {
		q.last = c
	}
	q.first = c
}

// pop takes the first client out; there is one.
func (q *readyClients) pop() *client {
	c := q.first
	if q.first = c.poll.next; q.first == nil {
		q.last = nil
	}
	q.count--
	c.poll.next = nil
	return c
}
