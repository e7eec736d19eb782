package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
	"vigil/subscriber"
)

// A publisher goes on through the loss of its broker. What arrived and what it
// reported as unconfirmed is all there was, in order: one gap, no repeat,
// nothing overtaken.
func TestPublisherAccountsForAll(t *testing.T) {
	t.Parallel()
	ends := []struct {
		name string
		mode fault.Mode
		end  func(t *testing.T, h *host)
		back func(t *testing.T, h *host)
	}{
		{"crash", fault.PacketsDropped, func(t *testing.T, h *host) { h.vanish(t) }, func(t *testing.T, h *host) { h.comeBack(t) }},
		{"kill", onLoopback, func(_ *testing.T, h *host) { h.proc.Kill() }, func(t *testing.T, h *host) { h.start(t) }},
	}
	loads := map[string]load{
		// Everything before the end is confirmed, so that the account can be
		// checked to the message.
		"at rest, large": {padding: 4000, ahead: 100, rest: true},
		"at rest, small": {padding: 20, ahead: 100, rest: true},
		"under way":      {padding: 200, ahead: 500},
	}
	for _, e := range ends {
		for name, load := range loads {
			for _, broker := range lab.Brokers() {
				t.Run(e.name+"/"+name+"/"+broker, func(t *testing.T) {
					t.Parallel()
					h := newHost(t, e.mode, broker)
					testAccount(t, h, load, func() { e.end(t, h) }, func() { e.back(t, h) })
				})
			}
		}
	}
}

// load is how much is published.
type load struct {
	padding int  // bytes behind the number
	ahead   int  // numbers that may be under way while there is a broker
	rest    bool // none is at the moment of its end
}

func testAccount(t *testing.T, h *host, load load, end, back func()) {
	l := listen(t, h, subscriber.Config{MaxPending: -1, MaxPendingBytes: -1})
	got := l.collect(t, "numbers", "")
	// The publisher dials only when the subscriber listens again, so that what
	// it hands to the new broker is not missed for want of a listener.
	g := new(gate)
	p := startCounter(t, h, g, got, load)
	got.await(t, 2000)

	g.set(false)
	if load.rest {
		p.rest(t)
	}
	end()
	p.set(unbound) // into a socket that takes no more, and then into the buffer
	lost := p.diary.await(t, 0, publisher.EventLost)
	eventually(t, "messages are taken without a connection", func() bool { return p.Status().Queued.Messages > 50 })
	back()
	l.diary.await(t, 0, subscriber.EventResumed)
	p.set(bound)
	g.set(true)
	resumed := p.diary.await(t, 0, publisher.EventResumed)
	got.await(t, p.next()+1000)
	total := p.finish(t)
	got.await(t, total-1)

	missing := checkOneGap(t, got)
	unsure, under := int(lost.Unconfirmed.Messages), load.ahead
	if load.rest {
		if missing != unsure {
			t.Errorf("%d of %d numbers are missing, %d were reported unconfirmed", missing, total, unsure)
		}
	} else if missing > unsure+under { // confirmed, and on their way from the broker
		t.Errorf("%d of %d numbers are missing, %d were reported unconfirmed, %d under way", missing, total, unsure, under)
	}
	if stats := p.Stats(); lost.Unconfirmed != resumed.Unconfirmed || stats.Unconfirmed != lost.Unconfirmed ||
		stats.Losses != 1 || stats.OutMessages != int64(total) {
		t.Errorf("accounts differ: lost %v, resumed %v, stats %+v, published %d", lost.Unconfirmed, resumed.Unconfirmed, stats, total)
	}
	t.Logf("%d published, %d missing, %d unconfirmed", total, missing, unsure)
}

// A broker that was frozen, and not dead, goes on with what its kernel had taken,
// beside what the publisher sends over its next connection. Who listened all
// the time gets no message twice, since nothing that was handed over is sent
// again, and none is missing that was not reported.
func TestFrozenBrokerGetsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, broker := range lab.Brokers() {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, onLoopback, broker)
			patient := heartbeat.Within(2 * patience)
			l := listen(t, h, subscriber.Config{Heartbeat: patient, MaxPending: -1, MaxPendingBytes: -1})
			got := l.collect(t, "numbers", "")
			// What the broker's kernel takes is to end amid what is written at once.
			g := &gate{sendBuffer: 16 << 10}
			p := startCounter(t, h, g, got, load{padding: 4000, ahead: 100})
			got.await(t, 1000)

			p.rest(t)
			g.set(false)
			freeze(t, h)
			p.set(unbound)
			lost := p.diary.await(t, 0, publisher.EventLost)
			eventually(t, "messages are taken without a connection", func() bool { return p.Status().Queued.Messages > 50 })
			p.set(bound)
			must(t, h.proc.Thaw())
			g.set(true)
			p.diary.await(t, 0, publisher.EventResumed)
			got.await(t, p.next()+100)
			total := p.finish(t)
			got.await(t, total-1)
			times := make(map[int]int)
			for _, n := range got.list(t) {
				if times[n]++; times[n] > 1 {
					t.Fatalf("number %d came twice", n)
				}
			}
			if missing := total - len(times); missing > int(lost.Unconfirmed.Messages) {
				t.Errorf("%d numbers are missing, %v unconfirmed", missing, lost.Unconfirmed)
			}
			t.Logf("%d published, %d missing, %v unconfirmed", total, total-len(times), lost.Unconfirmed)
		})
	}
}

// checkOneGap checks that the numbers came in order from 0 on, with one gap at
// most, and returns how large that is.
func checkOneGap(t *testing.T, got *numbers) (missing int) {
	t.Helper()
	list := got.list(t)
	gaps := 0
	for k, n := range list[1:] {
		if n <= list[k] {
			t.Fatalf("received %d behind %d", n, list[k])
		}
		if n != list[k]+1 {
			gaps++
			missing += n - list[k] - 1
		}
	}
	if list[0] != 0 || gaps > 1 {
		t.Errorf("received from %d on, with %d gaps, want from 0 on with one at most", list[0], gaps)
	}
	return missing
}

// counter publishes numbers without a pause.
type counter struct {
	*publisher.Publisher
	diary diary
	got   *numbers // where its numbers arrive
	load  load

	// Guarded by got.mu.
	pace    pace
	resting bool  // it waits, and whatever it published was taken
	taken   int   // numbers that Publish took
	err     error // that was not to be expected

	resumed chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}
}

// pace is when a counter may publish.
type pace int

const (
	bound   pace = iota // while what is under way is within its load
	unbound             // always
	atRest              // not at all
)

// startCounter connects to h through the gate and publishes numbers until
// finish or the end of the test.
func startCounter(t *testing.T, h *host, g *gate, got *numbers, load load) *counter {
	t.Helper()
	c := &counter{got: got, load: load, resumed: make(chan struct{}, 1), ended: make(chan struct{})}
	cfg := publisher.Config{Dial: g.dial, OnEvent: func(e publisher.Event) {
		c.diary.note(e)
		if e.Kind == publisher.EventResumed {
			c.resumed <- struct{}{} // the only one: there is room
		}
	}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	c.Publisher, err = publisher.Connect(ctx, h.url(), cfg)
	must(t, err)
	ctx, c.cancel = context.WithCancel(context.Background())
	// Owned by the counter; ends with cancel; finish or the cleanup waits.
	go c.run(ctx)
	t.Cleanup(func() {
		c.cancel()
		<-c.ended
		_ = c.Close() // a test that got this far has its figures
	})
	return c
}

func (c *counter) run(ctx context.Context) {
	defer close(c.ended)
	padding := strings.Repeat("x", c.load.padding)
	for n := 0; c.got.wait(ctx, c.mayPublish) && ctx.Err() == nil; {
		// Not ctx: what was taken has to be known.
		err := c.Publish(context.Background(), "numbers", fmt.Appendf(nil, "%d %s", n, padding))
		switch {
		case err == nil:
			n++
			c.got.change(func() { c.taken = n })
		case errors.Is(err, publisher.ErrAwayBufferFull):
			select { // as an application does: the same number again, later
			case <-c.resumed:
			case <-ctx.Done():
			}
		default:
			c.got.change(func() { c.err = err })
			return
		}
	}
}

// mayPublish is called under got.mu.
func (c *counter) mayPublish() bool {
	c.resting = c.pace == atRest
	return c.pace == unbound || c.pace == bound && c.taken-c.got.high < c.load.ahead
}

func (c *counter) set(p pace) { c.got.change(func() { c.pace = p }) }

// rest brings the counter to rest and waits until all is received and
// confirmed.
func (c *counter) rest(t *testing.T) {
	t.Helper()
	c.set(atRest)
	eventually(t, "the publisher rests, and all it published was received", func() (ok bool) {
		c.got.look(func() { ok = c.resting && c.got.high == c.taken })
		return ok
	})
	must(t, c.Flush(t.Context()))
}

// next returns the number that will be taken next.
func (c *counter) next() (n int) {
	c.got.look(func() { n = c.taken })
	return n
}

// finish ends the numbers, waits until the broker has them, and returns how
// many there were.
func (c *counter) finish(t *testing.T) int {
	t.Helper()
	c.cancel()
	<-c.ended
	must(t, c.err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, c.Flush(ctx))
	return c.next()
}

// gate lets dials pass while it is open.
type gate struct {
	sendBuffer int // of the sockets, 0 for the kernel's choice

	state
	shut bool // guarded by mu
}

func (g *gate) set(open bool) { g.change(func() { g.shut = !open }) }

// dial is for Config.Dial.
func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !g.wait(ctx, func() bool { return !g.shut }) {
		return nil, ctx.Err()
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || g.sendBuffer == 0 {
		return conn, err
	}
	return conn, conn.(*net.TCPConn).SetWriteBuffer(g.sendBuffer)
}
