package broker

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pollerRig is a poller without sockets. Its clients write to pipes, and each of
// their turns calls what the test says.
type pollerRig struct {
	*poller
	t       *testing.T
	workers sync.WaitGroup
	alive   atomic.Int64 // workers
	// release ends the turns that block.
	release chan struct{}
}

// newPollerRig makes a poller for a number of processors.
func newPollerRig(t *testing.T, processors int) *pollerRig {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	r := &pollerRig{t: t, release: make(chan struct{})}
	var err error
	if r.poller, err = newPoller(r.spawn); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *pollerRig) spawn(work func()) {
	r.alive.Add(1)
	r.workers.Go(func() {
		work()
		r.alive.Add(-1)
	})
}

// end lets everything end, behind a look at whether the poller comes to rest.
func (r *pollerRig) end() {
	r.t.Helper()
	close(r.release)
	await(r.t, "a poller at rest", func() bool {
		return atRest(r.poller) && r.alive.Load() == int64(1+r.sleepers())
	})
	r.stop()
	r.workers.Wait()
	r.close()
}

func (r *pollerRig) sleepers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sleeping
}

// atRest reports whether one worker waits in the kernel and no other is at work.
func atRest(p *poller) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leading && p.active == 0 && p.ready.first == nil && p.ready.count == 0 &&
		p.woken == 0 && p.sleeping <= p.want
}

// turnClient is a client whose turns call do.
type turnClient struct {
	*client
	rig *pollerRig
	do  func()
	// greedy clients want another turn at once.
	greedy bool
}

// client makes a client that has its turns when its pipe can be written to.
func (r *pollerRig) client(do func()) *turnClient {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = syscall.Close(pipe[0])
		_ = syscall.Close(pipe[1])
	})
	c := &turnClient{client: new(client), rig: r, do: do}
	c.stream = c
	c.socket = &socket{fd: pipe[1], poller: r.poller, client: c.client}
	c.out = outbox{stream: c, calls: true, limit: 1 << 20, deadline: time.Hour, broken: func(closeReason) {}}
	c.arm()
	r.t.Cleanup(c.out.discard)
	return c
}

// arm leaves something to be written in the next turn.
func (c *turnClient) arm() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	b := append(getBuffer(1), 'x')
	c.out.queue, c.out.pending = [][]byte{b}, len(b)
	c.out.writing, c.out.parked = true, true
}

// ready has the kernel give the client a turn.
func (c *turnClient) ready() {
	c.rig.t.Helper()
	if err := c.rig.add(c.client, c.socket.fd); err != nil {
		c.rig.t.Fatal(err)
	}
}

// The transport of a turnClient.

func (c *turnClient) tryWrite(p []byte) (int, error) {
	c.do()
	if c.greedy {
		return 0, nil
	}
	return len(p), nil
}
func (c *turnClient) write(p []byte) (int, error) { return c.tryWrite(p) }
func (c *turnClient) callWritable(bool)           { c.rig.post(c.client, syscall.EPOLLOUT) }
func (c *turnClient) interrupt()                  {}
func (c *turnClient) drain(time.Time)             {}
func (c *turnClient) closeWrite() error           { return nil }
func (c *turnClient) close() error                { return nil }

// When as many turns as may run at a time wait for something, others go on:
// those that are due, and those that the kernel brings.
func TestPollerGoesOnWhileTurnsWait(t *testing.T) {
	for _, processors := range []int{1, 2, 4} {
		for _, from := range []string{"posted", "from the kernel"} {
			t.Run(fmt.Sprintf("%d, %s", processors, from), func(t *testing.T) {
				r := newPollerRig(t, processors)
				if r.want != processors {
					t.Fatalf("%d workers are at work at a time, want %d", r.want, processors)
				}
				defer r.end()
				var waiting atomic.Int64
				for range 3 * processors {
					r.client(func() {
						r.wait(func() {
							waiting.Add(1)
							<-r.release
						})
					}).ready()
				}
				await(t, "all turns wait", func() bool { return int(waiting.Load()) == 3*processors })
				done := make(chan struct{})
				c := r.client(func() { close(done) })
				if from == "posted" {
					r.post(c.client, syscall.EPOLLOUT)
				} else {
					c.ready()
				}
				awaitDone(t, done, "the turn of a client while others wait")
			})
		}
	}
}

// A turn that takes long and has said so does not keep events from being seen,
// where there is another processor.
func TestPollerLooksBesideALongTurn(t *testing.T) {
	r := newPollerRig(t, 2)
	defer r.end()
	busy := make(chan struct{})
	r.client(func() {
		r.assist()
		close(busy)
		<-r.release
	}).ready()
	awaitDone(t, busy, "the long turn")
	done := make(chan struct{})
	r.client(func() { close(done) }).ready()
	awaitDone(t, done, "a turn beside a long one")
}

// No more turns run at once than there are processors, and no client has two.
func TestPollerRunsAsManyTurnsAsProcessors(t *testing.T) {
	const processors, clients, each = 2, 20, 500
	r := newPollerRig(t, processors)
	defer r.end()
	var running, most atomic.Int64
	var turns [clients]struct{ running, total atomic.Int64 }
	for i := range clients {
		var c *turnClient
		c = r.client(func() {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			if turns[i].running.Add(1) > 1 {
				t.Error("a client has two turns at once")
			}
			runtime.Gosched()
			turns[i].running.Add(-1)
			running.Add(-1)
			c.greedy = turns[i].total.Add(1) < each
		})
		c.ready()
	}
	for i := range turns {
		await(t, "all turns", func() bool { return turns[i].total.Load() == each })
	}
	if n := most.Load(); n > processors {
		t.Errorf("%d turns ran at once, want %d", n, processors)
	}
}

// A client that becomes ready stands behind those that are, once each, however
// many turns these want; and they all have as many.
func TestPollerIsFair(t *testing.T) {
	const greedy, rounds = 50, 100
	// With one worker, that both looks and runs turns, the bound is exact: what
	// has come is seen after turnsPerLook turns at most.
	r := newPollerRig(t, 1)
	defer r.end()
	var turns atomic.Int64
	var each [greedy]atomic.Int64
	var over atomic.Bool
	begin := make(chan struct{})
	for i := range each {
		var c *turnClient
		c = r.client(func() {
			<-begin // all at the same time
			turns.Add(1)
			each[i].Add(1)
			c.greedy = !over.Load()
		})
		c.ready()
	}
	close(begin)
	defer over.Store(true)
	at := make(chan int64, 1)
	quiet := r.client(func() { at <- turns.Load() })
	quiet.ready()
	awaitTurn := func() int64 {
		t.Helper()
		select {
		case n := <-at:
			return n
		case <-time.After(testPatience):
			t.Fatal("a client among greedy ones has no turn")
			return 0
		}
	}
	awaitTurn() // from now on nobody waits in the kernel
	for range rounds {
		await(t, "the end of the turn", func() bool {
			quiet.out.mu.Lock()
			defer quiet.out.mu.Unlock()
			return !quiet.out.writing
		})
		quiet.arm()
		if err := r.watchWritable(quiet.socket.fd); err != nil {
			t.Fatal(err)
		}
		ready := turns.Load()
		if waited := awaitTurn() - ready; waited > greedy+2*turnsPerLook {
			t.Fatalf("a client waited for %d turns beside %d greedy clients", waited, greedy)
		}
	}
	all := turns.Load()
	for i := range each {
		if n := each[i].Load(); n < all/greedy/2 {
			t.Errorf("a greedy client had %d of %d turns", n, all)
		}
	}
}

func awaitDone(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(testPatience):
		t.Fatalf("not seen: %s", what)
	}
}
