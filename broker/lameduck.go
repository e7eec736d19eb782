package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"vigil/internal/wire"
)

// lameDuckStep is the longest time between two clients that a lame duck sends
// away: few clients are not kept waiting for the whole duration.
const lameDuckStep = time.Second

// LameDuck stops the broker such that its clients move to others one by one
// instead of all at once. It stops listening and tells the clients, those that
// understand it, with an INFO that says ldm. They are served as before. After
// Config.LameDuckGrace they are closed in random order, at most a second
// apart, so that all have gone when Config.LameDuckDuration has passed; then,
// or as soon as no client is left, the broker stops as by Shutdown.
//
// It returns when the broker has stopped. When ctx ends earlier, or Shutdown is
// called meanwhile, all remaining clients are closed at once; the error is
// then that of Shutdown. A second call waits for the first.
//
// See nats-server's lame duck mode:
// https://docs.nats.io/running-a-nats-service/nats_admin/lame_duck_mode
func (b *Broker) LameDuck(ctx context.Context) error {
	b.mu.Lock()
	first := !b.closing && !b.lame.Load()
	if first {
		b.emptied = make(chan struct{})
		b.lame.Store(true)
	}
	b.mu.Unlock()
	if !first {
		select {
		case <-b.stopped:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("broker: lame duck: %w", ctx.Err())
		}
	}
	begun := time.Now()
	b.log.Info("lame duck", "grace", max(b.cfg.LameDuckGrace, 0), "duration", b.cfg.LameDuckDuration)
	b.stopListening()
	<-b.accepting
	b.mu.Lock()
	b.toldEmptyLocked()
	b.mu.Unlock()
	for _, c := range b.snapshot() {
		c.tellLameDuck()
	}
	if b.lameWait(ctx, b.cfg.LameDuckGrace) {
		b.sendAway(ctx, begun.Add(b.cfg.LameDuckDuration))
	}
	return b.Shutdown(ctx)
}

// toldEmptyLocked tells a lame duck that its last client has gone.
func (b *Broker) toldEmptyLocked() {
	if b.emptied != nil && len(b.clients) == 0 {
		select {
		case <-b.emptied:
		default:
			close(b.emptied)
		}
	}
}

// lameWait waits for d. It reports false, at once, when there is nothing to
// wait for any more.
func (b *Broker) lameWait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.emptied:
	case <-b.liveness.done: // Shutdown
	case <-ctx.Done():
	}
	return false
}

// sendAway closes the clients one by one, so that the last goes before the
// deadline.
func (b *Broker) sendAway(ctx context.Context, deadline time.Time) {
	clients := b.snapshot()
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	for i, c := range clients {
		if !b.has(c) {
			continue // gone by itself, and not waited for
		}
		c.leave(serverShutdown)
		wait := min(lameDuckStep, time.Until(deadline)/time.Duration(len(clients)-i))
		// Not all brokers that are told together close clients together.
		if wait = wait/2 + rand.N(max(wait/2, 1)); !b.lameWait(ctx, wait) {
			return
		}
	}
}

func (b *Broker) has(c *client) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clients[c.id] != nil
}

// leave ends a client in order, behind what is queued for it: its read loop
// wakes and ends the stream.
func (c *client) leave(reason closeReason) {
	c.reasonIs(reason)
	c.stream.interrupt()
}

// tellLameDuck sends the INFO that says ldm to a client that waits for no PONG
// and understands it.
func (c *client) tellLameDuck() {
	if c.welcomed.Load() {
		c.sendNow(wire.AppendInfo(getBuffer(minBuffer), c.broker.infoFor(c)))
	}
}

// greetAgain sends the INFO that follows a client's first PONG. The read loop
// calls it.
func (c *client) greetAgain() {
	told := c.broker.lame.Load()
	own := c.publish.own()
	own.buf = wire.AppendInfo(own.buf, c.broker.welcomeFor(c))
	// Another INFO may come behind the PONG only: some clients read one line.
	c.publish.flush()
	c.welcomed.Store(true)
	if !told && c.broker.lame.Load() {
		c.tellLameDuck()
	}
}

// othersURLs returns the connect_urls without the broker's own.
func (b *Broker) othersURLs() []string {
	own := net.JoinHostPort(b.info.Host, strconv.Itoa(b.info.Port))
	return slices.DeleteFunc(slices.Clone(b.cfg.ConnectURLs), func(url string) bool { return url == own })
}
