package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
	"vigil/publisher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startApp starts the application for a test.
func startApp(t *testing.T, url string, options ...nats.Option) *App {
	t.Helper()
	app, err := Start(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Stop)
	return app
}

// publish publishes an order whose id is the number that the broker gives it.
func publish(t *testing.T, b *brokertest.Broker, id int) {
	t.Helper()
	data, err := json.Marshal(Order{ID: id, Cents: 100})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Publish(t, "orders.new", data); got != id {
		t.Fatalf("the order %d has the number %d", id, got)
	}
}

// awaitBooked waits until the application has booked n orders.
func awaitBooked(t *testing.T, app *App, n int) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		app.mu.Lock()
		booked, handled := len(app.books), app.handled
		app.mu.Unlock()
		if booked >= n {
			return
		}
		select {
		case <-handled:
		case <-timeout:
			t.Fatalf("%d orders are booked, want %d", booked, n)
		}
	}
}

// brokers are both kinds: what the application is told must not depend on it.
func brokers(t *testing.T, f func(t *testing.T, b *brokertest.Broker)) {
	t.Run("vigil", func(t *testing.T) { t.Parallel(); f(t, brokertest.Start(t)) })
	t.Run("nats-server", func(t *testing.T) { t.Parallel(); f(t, natstest.Start(t)) })
}

func TestOrdersSurviveABrokerCrash(t *testing.T) {
	brokers(t, func(t *testing.T, b *brokertest.Broker) {
		app := startApp(t, b.URL())
		b.AwaitSubscribers(t, "orders.>", 1)
		publish(t, b, 1)
		awaitBooked(t, app, 1)

		b.Crash(t)               // no FIN, no RST
		b.AwaitStale(t)          // the application has noticed by itself
		b.Restart(t)             // same address, no memory of it
		r := b.AwaitReconnect(t) // connected again, and subscribed as before
		t.Log(r.Noticed, r.Back)
		if r.Noticed > 5*time.Second { // 3 × 600 ms, and room for a busy machine; the defaults take 4 min at least
			t.Errorf("noticed after %v", r.Noticed)
		}

		publish(t, b, 2)
		awaitBooked(t, app, 2)
		b.AssertDelivered(t, "orders.>", app.Booked())
	})
}

func TestOrdersSurviveEveryFault(t *testing.T) {
	brokertest.Suite(t, brokertest.Client{
		Start: func(t testing.TB, url, subject string, got func([]byte)) func() {
			app, err := Start(url)
			if err != nil {
				t.Fatal(err)
			}
			// What the application is subscribed to by itself is another subject than the
			// suite's.
			if _, err := app.nc.Subscribe(subject, func(m *nats.Msg) { got(m.Data) }); err != nil {
				t.Fatal(err)
			}
			return app.Stop
		},
		Notice: 4 * time.Second,
	})
}

// A cut in the middle of a message must not lead to a part of an order.
func TestHalfAnOrderIsNone(t *testing.T) {
	b := brokertest.Start(t)
	app := startApp(t, b.URL())
	b.AwaitSubscribers(t, "orders.>", 1)
	b.CutAt(t, 40)
	publish(t, b, 1)
	b.AwaitReconnect(t)
	publish(t, b, 2)
	awaitBooked(t, app, 1)
	if missed := b.Missed("orders.>"); len(missed) != 1 || missed[0] != 1 {
		t.Errorf("missed are %v, want the order that was cut", missed)
	}
	if ids := app.Booked(); len(ids) != 1 || ids[0] != 2 || app.bad != 0 {
		t.Errorf("booked are %v, and %d were bad", ids, app.bad)
	}
}

// Who is cut off alone does not keep the others from working.
func TestOneApplicationOfTwoIsCutOff(t *testing.T) {
	b := brokertest.Start(t)
	one := startApp(t, b.URL())
	two := startApp(t, b.URL(), nats.Name("orders-2"))
	b.AwaitSubscribers(t, "orders.>", 2)
	b.Client("orders-2").BlackHole(t, brokertest.Both)
	publish(t, b, 1)
	b.AwaitStale(t, brokertest.By("orders-2"))
	awaitBooked(t, one, 1)
	b.Client("orders-2").Heal(t)
	b.AwaitReconnect(t, brokertest.By("orders-2"))
	publish(t, b, 2)
	awaitBooked(t, two, 1)
	if got := two.Booked(); len(got) != 1 || got[0] != 2 {
		t.Errorf("the second booked %v", got)
	}
}

func TestTotalOverABadLine(t *testing.T) {
	b := brokertest.Start(t)
	startApp(t, b.URL())
	b.AwaitSubscribers(t, "books.total", 1)
	publish(t, b, 1)
	b.Latency(t, 20*time.Millisecond)
	b.Bandwidth(t, 20_000)
	pub, err := publisher.Connect(t.Context(), b.URL(), publisher.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	answer, err := pub.Request(t.Context(), "books.total", nil)
	if err != nil || string(answer.Data) != "100" {
		t.Errorf("the total is %v, %v", answer, err)
	}
}

// How long nats.go's defaults would leave the application deaf: six minutes, tested in
// virtual time, which takes none.
func TestDefaultsWouldTakeSixMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		startApp(t, "", nats.InProcessServer(b), nats.PingInterval(nats.DefaultPingInterval), nats.MaxPingsOutstanding(nats.DefaultMaxPingOut))
		b.AwaitSubscribers(t, "orders.>", 1)

		b.Crash(t)
		b.AwaitStale(t)
		b.Restart(t)
		if r := b.AwaitReconnect(t); r.Noticed != 6*time.Minute {
			t.Errorf("noticed after %v", r.Noticed)
		}
		if !strings.Contains(b.Transcript("orders"), "SUB orders.>") {
			t.Error("the transcript lacks the subscription")
		}
	})
}

// The application's own settings, in virtual time: exactly 3 × 600 ms.
func TestOrdersNoticeInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := brokertest.Start(t)
		startApp(t, "", nats.InProcessServer(b))
		b.AwaitSubscribers(t, "orders.>", 1)
		b.Crash(t)
		b.AwaitStale(t)
		b.Restart(t)
		if r := b.AwaitReconnect(t); r.Noticed != 3*pingInterval {
			t.Errorf("noticed after %v", r.Noticed)
		}
	})
}
