package foreign_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A drained subscription handles what it has, loses nothing, and gets no more;
// a drained connection sends what its handlers publish, and closes.
func TestDrain(t *testing.T) {
	const messages = 500
	each(t, func(t *testing.T, b *process) {
		pub, watcher := b.dial(t), b.dial(t)
		handled, err := watcher.SubscribeSync("handled")
		must(t, err)
		must(t, watcher.Flush())
		nc := b.dial(t)
		entered, release := make(chan struct{}, messages), make(chan struct{})
		work, err := nc.QueueSubscribe("work", "q", func(m *nats.Msg) {
			entered <- struct{}{}
			<-release
			_ = nc.Publish("handled", m.Data)
		})
		must(t, err)
		must(t, nc.Flush())
		for n := range messages {
			must(t, pub.Publish("work", fmt.Appendf(nil, "%04d", n)))
		}
		settle(t, pub, nc)
		await(t, "the first message", entered)
		closed := nc.StatusChanged(nats.CLOSED)
		gone := make(chan string, 1)
		work.SetClosedHandler(func(subject string) { gone <- subject })
		must(t, nc.Drain())
		// The UNSUB has arrived when a request finds nobody; before, it is not
		// answered.
		eventually(t, "the end of the subscription at the broker", func() bool {
			_, err := pub.Request("work", []byte("late"), 20*time.Millisecond)
			return errors.Is(err, nats.ErrNoResponders)
		})
		close(release)
		await(t, "the end of the subscription", gone)
		await(t, "the end of the connection", closed)
		settle(t, pub, watcher)
		got := slices.DeleteFunc(drainAll(t, handled), func(s string) bool { return s == "late" })
		if len(got) != messages || !slices.IsSorted(got) {
			t.Errorf("%d messages were handled, want all %d in order", len(got), messages)
		}
		if err := nc.LastError(); err != nil {
			t.Errorf("a drained connection has the error %v", err)
		}
	})
}

// The broker is killed and comes back: the client finds it, subscribes again,
// and sends what was published meanwhile.
func TestReconnect(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		lost, again := make(chan error, 10), make(chan struct{}, 10)
		nc := b.dial(t, nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err != nil {
					lost <- err
				}
			}),
			nats.ReconnectHandler(func(*nats.Conn) { again <- struct{}{} }))
		plain, err := nc.SubscribeSync("n.*")
		must(t, err)
		member, err := nc.QueueSubscribeSync("n.>", "q")
		must(t, err)
		dropped, err := nc.SubscribeSync("n.*")
		must(t, err)
		few, err := nc.SubscribeSync("n.*")
		must(t, err)
		must(t, few.AutoUnsubscribe(15))
		next := 0
		publish := func(n int) {
			for range n {
				must(t, nc.Publish("n.x", []byte(strconv.Itoa(next))))
				next++
			}
		}
		publish(10)
		settle(t, nc)
		// What was taken out counts when the client subscribes again.
		limited := drainAll(t, few)
		for range 2 {
			id := nc.ConnectedServerId()
			b.proc.Kill()
			await(t, "the loss", lost)
			publish(10)
			if next == 20 {
				must(t, dropped.Unsubscribe())
			}
			b.start(t)
			await(t, "the new connection", again)
			settle(t, nc)
			if nc.ConnectedServerId() == id {
				t.Error("the new broker has the old one's id")
			}
			if _, err := nc.Request("nobody", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("request to nobody on the new connection: %v", err)
			}
			publish(10)
			settle(t, nc)
			if len(limited) < 15 {
				limited = append(limited, drainAll(t, few)...)
			}
		}
		for name, s := range map[string]*nats.Subscription{"plain": plain, "member": member} {
			got := drainAll(t, s)
			for n := range next {
				if n >= len(got) || got[n] != strconv.Itoa(n) {
					t.Fatalf("%s: got %q, want the numbers below %d", name, got, next)
				}
			}
		}
		if len(limited) != 15 {
			t.Errorf("the subscription for 15 messages got %q", limited)
		}
	})
}
