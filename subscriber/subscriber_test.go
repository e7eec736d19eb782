package subscriber_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/publisher"
	"vigil/subscriber"
)

func subscribe(t testing.TB, sub *subscriber.Subscriber, subject string) *subscriber.Subscription {
	t.Helper()
	s, err := sub.Subscribe(subject)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func flush(t testing.TB, f interface{ Flush(context.Context) error }) {
	t.Helper()
	if err := f.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRestart(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		ev := newEvents()
		sub := connect(t, b.url, subscriber.Config{OnEvent: ev.on})
		s := subscribe(t, sub, "orders.>")
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		publish(t, pub, "orders.new", "one")
		if m := take(t, s, 1)[0]; m.Subject != "orders.new" || string(m.Data) != "one" {
			t.Fatalf("got %q on %s", m.Data, m.Subject)
		}
		ev.wait(t, subscriber.EventConnected)
		b.stop()
		if lost := ev.wait(t, subscriber.EventLost); lost.Loss.Cause.Stale() {
			t.Errorf("a clean shutdown is %v", lost.Loss)
		}
		b.again()
		if resumed := ev.wait(t, subscriber.EventResumed); resumed.Deaf() <= 0 {
			t.Errorf("deaf window %v", resumed.Deaf())
		}
		flush(t, pub)
		publish(t, pub, "orders.new", "two")
		if m := take(t, s, 1)[0]; string(m.Data) != "two" {
			t.Errorf("got %q", m.Data)
		}
		if err := sub.Drain(within(t)); err != nil {
			t.Errorf("drain: %v", err)
		}
		ev.wait(t, subscriber.EventClosed)
	})
}

func publish(t testing.TB, pub *publisher.Publisher, subject string, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if err := pub.Publish(within(t), subject, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrderHeadersAndHandlers(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		handled := make(chan *subscriber.Msg, 2000)
		if _, err := sub.SubscribeFunc("n.*", func(m *subscriber.Msg) { handled <- m }); err != nil {
			t.Fatal(err)
		}
		s := subscribe(t, sub, "n.>")
		flush(t, sub)
		for i := range 1000 {
			m := &publisher.Msg{Subject: "n.x", Data: fmt.Append(nil, i)}
			if i%2 == 1 {
				m.Header = publisher.Header{"Key": {"a", "b"}, "n": {fmt.Sprint(i)}}
			}
			if err := pub.PublishMsg(within(t), m); err != nil {
				t.Fatal(err)
			}
		}
		check := func(i int, m *subscriber.Msg) {
			t.Helper()
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m.Data)
			}
			if i%2 == 1 && (m.Header.Get("n") != fmt.Sprint(i) || len(m.Header["Key"]) != 2) || i%2 == 0 && m.Header != nil {
				t.Fatalf("message %d has header %v", i, m.Header)
			}
		}
		for i, m := range take(t, s, 1000) {
			check(i, m)
		}
		for i := range 1000 {
			check(i, <-handled)
		}
	})
}

func TestQueueGroup(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub, other := connect(t, b.url, subscriber.Config{}), connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		var got [3]atomic.Int64
		var all sync.WaitGroup
		all.Add(3000)
		for i := range got {
			s := []*subscriber.Subscriber{sub, sub, other}[i]
			_, err := s.SubscribeFunc("work", func(*subscriber.Msg) { got[i].Add(1); all.Done() }, subscriber.Queue("group"))
			if err != nil {
				t.Fatal(err)
			}
		}
		flush(t, sub)
		flush(t, other)
		for range 3000 {
			publish(t, pub, "work", "x")
		}
		all.Wait()
		for i := range got {
			if n := got[i].Load(); n < 500 {
				t.Errorf("member %d got %d of 3000", i, n)
			}
		}
	})
}

func TestRespond(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		_, err := sub.SubscribeFunc("double", func(m *subscriber.Msg) {
			err := m.RespondMsg(context.Background(), subscriber.Header{"k": {"v"}}, append(m.Data, m.Data...))
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		flush(t, sub)
		reply, err := pub.Request(within(t), "double", []byte("ab"))
		if err != nil || string(reply.Data) != "abab" || reply.Header.Get("k") != "v" {
			t.Errorf("reply %+v, %v", reply, err)
		}
		s := subscribe(t, sub, "plain")
		flush(t, sub)
		publish(t, pub, "plain", "x")
		if err := take(t, s, 1)[0].Respond(within(t), nil); !errors.Is(err, subscriber.ErrNoReply) {
			t.Errorf("respond: %v", err)
		}
	})
}

func TestHowMessagesEnds(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	pub := connectPublisher(t, urlOf(b), publisher.Config{})

	s := subscribe(t, sub, "a")
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	for m, err := range s.Messages(ctx) {
		if m != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("after cancel: %v, %v", m, err)
		}
	}

	flush(t, sub)
	publish(t, pub, "a", "1", "2")
	flush(t, pub)
	flush(t, sub) // both are here
	if err := s.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.Messages(within(t)) {
		if n++; err != nil {
			t.Errorf("after Unsubscribe: %v", err)
		}
	}
	if n != 2 {
		t.Errorf("%d messages after Unsubscribe, want the 2 that wait", n)
	}

	h, err := sub.SubscribeFunc("a", func(*subscriber.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range h.Messages(within(t)) {
		if !errors.Is(err, subscriber.ErrHasHandler) {
			t.Errorf("with a handler: %v", err)
		}
	}

	s = subscribe(t, sub, "b")
	ended := make(chan error)
	go func() {
		var last error
		for _, err := range s.Messages(context.Background()) {
			last = err
		}
		ended <- last
	}()
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, subscriber.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := sub.Subscribe("c"); !errors.Is(err, subscriber.ErrClosed) {
		t.Errorf("subscribe after Close: %v", err)
	}
}

func TestDrainHandlesEverything(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		var handled atomic.Int64
		gate := make(chan struct{})
		s, err := sub.SubscribeFunc("d", func(*subscriber.Msg) { <-gate; handled.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		flush(t, sub)
		const n = 20_000
		for range n {
			if err := pub.Publish(within(t), "d", []byte("payload")); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, pub)
		short, cancel := context.WithTimeout(within(t), 300*time.Millisecond)
		defer cancel()
		left, ok := errors.AsType[*subscriber.UnhandledError](s.Drain(short))
		if !ok || left.Messages != n {
			t.Fatalf("drain with a stuck handler: %v", left)
		}
		close(gate)
		if err := sub.Drain(within(t)); err != nil {
			t.Errorf("drain: %v", err)
		}
		if handled.Load() != n {
			t.Errorf("%d handled, want %d", handled.Load(), n)
		}
	})
}

// What the handlers answer while a subscriber drains goes out before it closes.
func TestDrainSendsTheLastReplies(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		asker := connect(t, b.url, subscriber.Config{})
		replies := subscribe(t, asker, "replies")
		flush(t, asker)
		sub := connect(t, b.url, subscriber.Config{})
		gate := make(chan struct{})
		_, err := sub.SubscribeFunc("d", func(m *subscriber.Msg) {
			<-gate
			if err := m.Respond(within(t), m.Data); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		const n = 2000
		for range n {
			if err := pub.PublishMsg(within(t), &publisher.Msg{Subject: "d", Reply: "replies", Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, pub)
		go close(gate) // while Drain waits, or just before
		if err := sub.Drain(within(t)); err != nil {
			t.Errorf("drain: %v", err)
		}
		take(t, replies, n)
	})
}

func TestSlowConsumerIsTold(t *testing.T) {
	b := startNATS(t, 0)
	ev := newEvents()
	sub := connect(t, urlOf(b), subscriber.Config{OnEvent: ev.on, MaxPending: 10})
	pub := connectPublisher(t, urlOf(b), publisher.Config{})
	s := subscribe(t, sub, "s")
	flush(t, sub)
	for i := range 100 {
		publish(t, pub, "s", fmt.Sprint(i))
	}
	flush(t, pub)
	flush(t, sub)
	e := ev.wait(t, subscriber.EventSlowConsumer)
	slow, ok := errors.AsType[*subscriber.SlowConsumerError](e.Err)
	if !ok || e.Subject != "s" || slow.Pending != 10 {
		t.Errorf("event %v", e)
	}
	for i, m := range take(t, s, 10) {
		if string(m.Data) != fmt.Sprint(i) {
			t.Errorf("message %d is %q, want the oldest kept", i, m.Data)
		}
	}
	publish(t, pub, "s", "there is room again")
	take(t, s, 1)
	if st := sub.Stats(); s.Dropped() != 90 || st.Dropped != 90 || st.Delivered != 11 || st.Pending != 0 {
		t.Errorf("dropped %d, stats %+v", s.Dropped(), st)
	}
}

func TestCloseFromHandler(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	pub := connectPublisher(t, urlOf(b), publisher.Config{})
	closed := make(chan error, 1)
	if _, err := sub.SubscribeFunc("s", func(*subscriber.Msg) { closed <- sub.Close() }); err != nil {
		t.Fatal(err)
	}
	flush(t, sub)
	publish(t, pub, "s", "x")
	if err := <-closed; err != nil {
		t.Error(err)
	}
	<-sub.Done()
}

func TestRefusals(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	for _, subject := range []string{"", "a b", "a..b", ".a", "a.", "a.>.b", "a\r\nPUB x 0\r\n\r\n", "a\tb"} {
		if _, err := sub.Subscribe(subject); !errors.Is(err, subscriber.ErrBadSubject) {
			t.Errorf("subscribe %q: %v", subject, err)
		}
	}
	for _, queue := range []string{"", "q q", "q\r\nPING"} {
		if _, err := sub.Subscribe("a", subscriber.Queue(queue)); !errors.Is(err, subscriber.ErrBadSubject) {
			t.Errorf("queue %q: %v", queue, err)
		}
	}
	if _, err := subscriber.Connect(within(t), "tls"+strings.TrimPrefix(urlOf(b), "nats"), subscriber.Config{}); !errors.Is(err, subscriber.ErrNoTLS) {
		t.Errorf("tls: %v", err)
	}
	url := urlOf(b)
	stopNATS(b)
	_, err := subscriber.Connect(within(t), url, subscriber.Config{})
	if err == nil || !strings.Contains(err.Error(), "connection refused; is a broker listening there?") {
		t.Errorf("refused: %v", err)
	}
}

func TestStatusAndEvents(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{Name: "status"})
	flush(t, sub)
	s := sub.Status()
	if s.State != subscriber.StateConnected || s.Server != urlOf(b) || s.RTT <= 0 || s.ServerVersion == "" || time.Since(s.LastHeard) > 5*time.Second {
		t.Errorf("status %+v", s)
	}
	seq := sub.Events(within(t))
	go sub.Close()
	for e := range seq {
		if e.Kind != subscriber.EventClosed {
			t.Errorf("event %v", e)
		}
	}
}
