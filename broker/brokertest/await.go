package brokertest

import (
	"context"
	"testing"
	"time"
)

const (
	// margin is left of the test's deadline to tell what happened.
	margin = 2 * time.Second
	// patience bounds waits of benchmarks, and of tests without a deadline.
	patience = 30 * time.Second
	// bubblePatience bounds waits in a bubble: virtual time, longer than what any
	// client's defaults take.
	bubblePatience = time.Hour
)

// Bound bounds a wait, or says whom it is for: [Within], [By].
type Bound func(*wait)

// wait is what the bounds say.
type wait struct {
	within time.Duration // 0 is until the test's deadline
	client string        // "" is any
}

// Within bounds a wait, in virtual time in a bubble. Without it a wait ends 2 s ahead
// of the test's deadline, or after 30 s if there is none, and after 1 h in a bubble.
func Within(d time.Duration) Bound { return func(w *wait) { w.within = d } }

// By is for the clients that call themselves name in CONNECT.
func By(name string) Bound { return func(w *wait) { w.client = name } }

// begin returns what bounds a wait.
func (b *Broker) begin(t testing.TB, bounds []Bound) (context.Context, context.CancelFunc, string) {
	var w wait
	for _, bound := range bounds {
		bound(&w)
	}
	if w.within <= 0 {
		w.within = b.untilDeadline(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.within)
	return ctx, cancel, w.client
}

func (b *Broker) untilDeadline(t testing.TB) time.Duration {
	if b.bubble {
		return bubblePatience
	}
	if timed, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := timed.Deadline(); ok {
			return max(time.Until(deadline)-margin, 0)
		}
	}
	return patience
}

// AwaitConnect waits until a client is connected: the broker has read its CONNECT and
// answered its first PING. It returns that connection.
func (b *Broker) AwaitConnect(t testing.TB, bounds ...Bound) *Target {
	t.Helper()
	ctx, cancel, name := b.begin(t, bounds)
	defer cancel()
	_, number, err := b.f.AwaitConnect(ctx, name)
	made(t, err)
	return b.Conn(number)
}

// AwaitSubscribers waits until at least n subscriptions get all that is published to
// subject, which may be a pattern, and the broker has read them: what is published
// from then on reaches them.
func (b *Broker) AwaitSubscribers(t testing.TB, subject string, n int, bounds ...Bound) {
	t.Helper()
	ctx, cancel, name := b.begin(t, bounds)
	defer cancel()
	made(t, b.f.AwaitSubscribers(ctx, subject, n, name))
}

// AwaitReconnect waits until the clients that were connected when the last fault met
// them have connected again, and all that they had subscribed to is in effect, but for
// reply subjects. Of several it tells the slowest.
func (b *Broker) AwaitReconnect(t testing.TB, bounds ...Bound) Reconnect {
	t.Helper()
	ctx, cancel, name := b.begin(t, bounds)
	defer cancel()
	r, err := b.f.AwaitReconnect(ctx, name)
	made(t, err)
	return r
}

// AwaitIdle waits until for the time quiet nothing but PING and PONG has passed, and
// nobody came or went.
func (b *Broker) AwaitIdle(t testing.TB, quiet time.Duration, bounds ...Bound) {
	t.Helper()
	ctx, cancel, _ := b.begin(t, bounds)
	defer cancel()
	made(t, b.f.AwaitIdle(ctx, quiet))
}

// AwaitStale waits until a connection was given up for its silence: the broker has
// told a client 'Stale Connection', or a client closed a connection that the last
// fault had met.
func (b *Broker) AwaitStale(t testing.TB, bounds ...Bound) {
	t.Helper()
	ctx, cancel, name := b.begin(t, bounds)
	defer cancel()
	made(t, b.f.AwaitStale(ctx, name))
}
