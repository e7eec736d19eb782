package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker"
)

// patience is how long a test waits for something that must happen.
const patience = 10 * time.Second

func start(t testing.TB, cfg broker.Config) *broker.Broker {
	t.Helper()
	if cfg.Listener == nil && cfg.Port == 0 {
		cfg.Port = broker.RandomPort
	}
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func dialNATS(t *testing.T, b *broker.Broker, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(b.URL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nats.go, unmodified, finds all of its core features.
func TestStockClient(t *testing.T) {
	b := start(t, broker.Config{})
	s := stockTest{b, dialNATS(t, b), dialNATS(t, b)}
	t.Run("wildcards and headers", s.checkWildcardsAndHeaders)
	t.Run("request and reply", s.checkRequestAndReply)
	t.Run("queue group gets each message once", s.checkQueueGroupGetsEachMessageOnce)
	t.Run("auto unsubscribe", s.checkAutoUnsubscribe)
	t.Run("large payload", s.checkLargePayload)
	t.Run("no echo", s.checkNoEcho)
}

// stockTest is a broker with two of nats.go's connections to it.
type stockTest struct {
	broker   *broker.Broker
	pub, sub *nats.Conn
}

func (c stockTest) checkWildcardsAndHeaders(t *testing.T) {
	pub, sub := c.pub, c.sub
	s, err := sub.SubscribeSync("orders.*.>")
	check(t, err)
	check(t, sub.Flush())
	msg := nats.NewMsg("orders.eu.new")
	msg.Header.Set("Trace", "7")
	msg.Data = []byte("hello")
	check(t, pub.PublishMsg(msg))
	check(t, pub.Publish("orders.eu", []byte("too short to match")))
	check(t, pub.Publish("orders.eu.old.1", nil))
	got, err := s.NextMsg(patience)
	check(t, err)
	if got.Subject != "orders.eu.new" || string(got.Data) != "hello" || got.Header.Get("Trace") != "7" {
		t.Errorf("got %+v", got)
	}
	got, err = s.NextMsg(patience)
	check(t, err)
	if got.Subject != "orders.eu.old.1" || len(got.Data) != 0 {
		t.Errorf("got %+v", got)
	}
}

func (c stockTest) checkRequestAndReply(t *testing.T) {
	pub, sub := c.pub, c.sub
	s, err := sub.QueueSubscribe("svc", "workers", func(m *nats.Msg) { _ = m.Respond(append([]byte("re: "), m.Data...)) })
	check(t, err)
	check(t, sub.Flush())
	got, err := pub.Request("svc", []byte("x"), patience)
	check(t, err)
	if string(got.Data) != "re: x" {
		t.Errorf("got %q", got.Data)
	}
	check(t, s.Unsubscribe())
	check(t, sub.Flush())
	_, err = pub.Request("svc", nil, patience)
	if !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("request to nobody: %v, want no responders at once", err)
	}
}

func (c stockTest) checkQueueGroupGetsEachMessageOnce(t *testing.T) {
	b, pub := c.broker, c.pub
	const messages, members = 1000, 4
	got := make(chan string, messages*members)
	for i := range members {
		nc := dialNATS(t, b)
		_, err := nc.QueueSubscribe("work", "g", func(m *nats.Msg) { got <- fmt.Sprintf("%d:%s", i, m.Data) })
		check(t, err)
		check(t, nc.Flush())
	}
	for i := range messages {
		check(t, pub.Publish("work", fmt.Append(nil, i)))
	}
	seen, share := map[string]int{}, map[string]int{}
	for range messages {
		select {
		case s := <-got:
			seen[s[2:]]++
			share[s[:1]]++
		case <-time.After(patience):
			t.Fatalf("only %d of %d messages", len(seen), messages)
		}
	}
	if len(seen) != messages || len(share) != members {
		t.Errorf("%d distinct messages over %d members, want %d over %d", len(seen), len(share), messages, members)
	}
}

func (c stockTest) checkAutoUnsubscribe(t *testing.T) {
	pub, sub := c.pub, c.sub
	s, err := sub.SubscribeSync("few")
	check(t, err)
	check(t, s.AutoUnsubscribe(3))
	check(t, sub.Flush())
	for i := range 10 {
		check(t, pub.Publish("few", fmt.Append(nil, i)))
	}
	check(t, pub.Flush())
	for range 3 {
		_, err := s.NextMsg(patience)
		check(t, err)
	}
	if _, err := s.NextMsg(patience); !errors.Is(err, nats.ErrMaxMessages) {
		t.Errorf("after the third message: %v, want ErrMaxMessages", err)
	}
}

func (c stockTest) checkLargePayload(t *testing.T) {
	pub, sub := c.pub, c.sub
	s, err := sub.SubscribeSync("large")
	check(t, err)
	check(t, sub.Flush())
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for range 20 {
		check(t, pub.Publish("large", data))
	}
	for range 20 {
		got, err := s.NextMsg(patience)
		check(t, err)
		if string(got.Data) != string(data) {
			t.Fatal("payload differs")
		}
	}
}

func (c stockTest) checkNoEcho(t *testing.T) {
	b, pub := c.broker, c.pub
	nc := dialNATS(t, b, nats.NoEcho())
	s, err := nc.SubscribeSync("mine")
	check(t, err)
	check(t, nc.Flush())
	check(t, nc.Publish("mine", []byte("from myself")))
	check(t, nc.Flush())
	check(t, pub.Publish("mine", []byte("from another")))
	got, err := s.NextMsg(patience)
	check(t, err)
	if string(got.Data) != "from another" {
		t.Errorf("got %q", got.Data)
	}
}
