package publisher_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"vigil/internal/memnet"
	"vigil/publisher"
	"vigil/subscriber"

	"vigil/broker"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestConfirmedMessagesHaveIDs(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		sub, err := subscriber.Connect(within(t), url, subscriber.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		got := make(chan *subscriber.Msg, 10)
		if _, err := sub.SubscribeFunc("s", func(m *subscriber.Msg) { got <- m }); err != nil {
			t.Fatal(err)
		}
		if err := sub.Flush(within(t)); err != nil {
			t.Fatal(err)
		}
		pub := connect(t, url, publisher.Config{Confirmed: true})
		for _, m := range []*publisher.Msg{
			{Subject: "s", Data: []byte("plain")},
			{Subject: "s", Header: publisher.Header{"A": {"b"}}, Data: []byte("with a header")},
			{Subject: "s", Header: publisher.Header{"Nats-Msg-Id": {"mine"}}},
		} {
			if err := pub.PublishMsgSync(within(t), m); err != nil {
				t.Fatal(err)
			}
		}
		first, second, third := <-got, <-got, <-got
		a, b := first.Header.Get("Nats-Msg-Id"), second.Header.Get("Nats-Msg-Id")
		if !uuid.MatchString(a) || !uuid.MatchString(b) || a == b {
			t.Errorf("ids %q and %q, want two UUIDs", a, b)
		}
		if string(first.Data) != "plain" || second.Header.Get("A") != "b" || third.Header.Get("Nats-Msg-Id") != "mine" {
			t.Errorf("got %+v, %+v, %+v", first, second, third)
		}
	})
}

func TestPublishSyncIsProcessed(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		pub := connect(t, url, publisher.Config{})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := pub.PublishSync(within(t), "s", []byte(strconv.Itoa(i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := pub.Status(); s.Queued.Messages != 0 || s.Unconfirmed.Messages != 0 {
			t.Errorf("status %+v", s)
		}
		if err := pub.PublishSync(within(t), "bad subject", nil); !errors.Is(err, publisher.ErrBadSubject) {
			t.Errorf("error %v", err)
		}
	})
}

// PublishSync says that the fate is unknown, or with Confirmed waits until the
// message has been sent again.
func TestPublishSyncThroughALoss(t *testing.T) {
	for name, confirmed := range map[string]bool{"fire and forget": false, "confirmed": true} {
		t.Run(name, func(t *testing.T) {
			n := memnet.New()
			start := func() *broker.Broker {
				l, err := n.Listen("broker:4222")
				if err != nil {
					t.Fatal(err)
				}
				b, err := broker.Start(broker.Config{Listener: l})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			b := start()
			events := make(chan publisher.Event, 100)
			pub := connect(t, "broker:4222", publisher.Config{
				Confirmed: confirmed, Dial: n.DialContext, OnEvent: func(e publisher.Event) { events <- e },
			})
			n.Freeze("broker:4222")
			done := make(chan error, 1)
			go func() { done <- pub.PublishSync(within(t), "s", []byte("x")) }()
			for e := range events {
				if e.Kind == publisher.EventLost {
					break
				}
			}
			n.Thaw("broker:4222")
			err := <-done
			if _, interrupted := errors.AsType[*publisher.InterruptedError](err); interrupted == confirmed || confirmed && err != nil {
				t.Errorf("error %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := b.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkPublishConfirmed(b *testing.B) {
	pub := connect(b, startVigil(b), publisher.Config{Confirmed: true})
	ctx := b.Context()
	data := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if err := pub.Publish(ctx, "s", data); err != nil {
			b.Fatal(err)
		}
	}
}
