package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"vigil/internal/wire"
)

// keepaliveContender is a client on a bare TCP connection, as the dialer makes
// it: nothing but its kernel looks after it. When the connection fails it dials
// again.
func keepaliveContender(name, about string, worst time.Duration, computed string, dialer net.Dialer) contender {
	join := func(ctx context.Context, p part) (client, error) {
		c := &bareClient{dialer: dialer, part: p}
		if err := c.dial(ctx); err != nil {
			return nil, fmt.Errorf("lab: %s: %w", name, err)
		}
		ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		// Owned by the client; ends when close cancels ctx; close waits for it.
		c.done.Go(func() { c.run(ctx) })
		return c, nil
	}
	return contender{name: name, about: about, worst: worst, computed: computed, kernel: true, join: join}
}

// The contender with TCP_USER_TIMEOUT, and how long data may stay
// unacknowledged there.
const (
	userTimeoutName = "user-timeout-2s"
	userTimeout     = 2 * time.Second
)

// redialEvery is how long the bare client waits between attempts.
const redialEvery = 250 * time.Millisecond

// errAway is why a bare client takes no message: it has no connection.
var errAway = errors.New("lab: not connected")

type bareClient struct {
	// Fixed after construction.
	dialer net.Dialer
	part
	cancel context.CancelFunc
	done   sync.WaitGroup

	writing sync.Mutex // held while a message is written

	mu      sync.Mutex
	current *stream // guarded by mu: nil while there is none
	// failure is why the last write to current failed; guarded by mu. The kernel
	// says a cause once, to whoever asks first.
	failure error
}

// dial makes the stream on which to read.
func (c *bareClient) dial(ctx context.Context) error {
	s, err := dialStreamWith(ctx, &c.dialer, c.addr, "SUB "+subject+" 1\r\n")
	c.set(s)
	return err
}

func (c *bareClient) set(s *stream) { c.mu.Lock(); c.current, c.failure = s, nil; c.mu.Unlock() }
func (c *bareClient) get() *stream  { c.mu.Lock(); defer c.mu.Unlock(); return c.current }

// run reads until ctx ends, on one stream after the other.
func (c *bareClient) run(ctx context.Context) {
	for {
		err := c.read(ctx)
		if ctx.Err() != nil {
			return
		}
		c.witness.noticed(loss{cause: brief(err), own: isTimeout(err)})
		if !c.redial(ctx) {
			return
		}
		c.witness.reconnected("reconnected")
	}
}

// read reads until the stream fails or ctx ends, and closes it.
func (c *bareClient) read(ctx context.Context) error {
	s := c.get()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	var op wire.Op
	for {
		if err := s.next(&op); err != nil {
			return c.end(s, err)
		}
		if op.Kind == wire.Msg {
			receive(c.witness, op.Payload())
		}
	}
}

// end closes the stream, and returns why it ended: err is what the reader got,
// and the writer may have got something better.
func (c *bareClient) end(s *stream, err error) error {
	_ = s.conn.Close() // also ends a write
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		err = c.failure
	}
	c.current, c.failure = nil, nil
	return err
}

// redial tries until there is a stream; it reports false when ctx ended.
func (c *bareClient) redial(ctx context.Context) bool {
	for c.dial(ctx) != nil {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(redialEvery):
		}
	}
	return true
}

// publish writes to the stream there is. A failure is told by the reader, who
// sees the end of the stream as well.
func (c *bareClient) publish(_ context.Context, to string, data []byte) error {
	s := c.get()
	if s == nil {
		return errAway
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := s.conn.Write(wire.AppendPub(nil, to, "", data))
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.mu.Lock()
		if c.current == s && c.failure == nil {
			c.failure = err
		}
		c.mu.Unlock()
	}
	return err
}

func (c *bareClient) close() { c.cancel(); c.done.Wait() }

// isTimeout reports whether the kernel gave up by itself: nothing here sets a
// deadline.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
