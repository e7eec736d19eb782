package subscriber_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/publisher"
	"vigil/subscriber"
)

func mustSubscribe(t testing.TB, sub *subscriber.Subscriber, subject string, opts ...subscriber.Option) *subscriber.Subscription {
	t.Helper()
	s, err := sub.Subscribe(subject, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await waits for a channel to be closed.
func await(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-within(t).Done():
		t.Fatalf("%s: not within 20 s", what)
	}
}

func texts(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// A subscription for a number of messages ends after exactly as many, whichever
// connections they came over.
func TestMaxMessages(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		ev := newEvents()
		sub := connect(t, b.url, subscriber.Config{OnEvent: ev.on})
		s := mustSubscribe(t, sub, "m", subscriber.MaxMessages(5))
		other := mustSubscribe(t, sub, "m")
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		publish(t, pub, "m", texts(0, 2)...)
		take(t, other, 2)
		b.stop()
		b.again()
		ev.wait(t, subscriber.EventResumed)
		flush(t, pub)
		publish(t, pub, "m", texts(2, 12)...)
		var got []string
		for m, err := range s.Messages(within(t)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(m.Data))
		}
		if !slices.Equal(got, texts(0, 5)) {
			t.Errorf("got %v, want the first 5", got)
		}
		await(t, "the end", s.Done())
		if n := len(take(t, other, 10)); n != 10 {
			t.Errorf("the other subscription got %d", n)
		}
		if n := sub.Stats().Connection; n.Reconnects != 1 || n.Deaf <= 0 {
			t.Errorf("connection stats %+v", n)
		}
	})
}

func TestHandlersAtTheSameTime(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		const n = 8
		var inside sync.WaitGroup
		inside.Add(n)
		var handled atomic.Int64
		_, err := sub.SubscribeFunc("c", func(m *subscriber.Msg) {
			if string(m.Data) == "together" {
				inside.Done()
				inside.Wait() // hangs unless all are here
			}
			handled.Add(1)
		}, subscriber.Concurrency(n), subscriber.Reuse())
		if err != nil {
			t.Fatal(err)
		}
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		publish(t, pub, "c", slices.Repeat([]string{"together"}, n)...)
		publish(t, pub, "c", texts(0, 1000)...)
		flush(t, pub)
		if err := sub.Drain(within(t)); err != nil {
			t.Error(err)
		}
		if handled.Load() != 1000+n {
			t.Errorf("%d handled", handled.Load())
		}
	})
}

func TestChannel(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		s := mustSubscribe(t, sub, "ch", subscriber.Reuse())
		left := mustSubscribe(t, sub, "left")
		flush(t, sub)
		pub := connectPublisher(t, b.url, publisher.Config{})
		publish(t, pub, "ch", texts(0, 1000)...)
		publish(t, pub, "left", "a", "b", "c")
		flush(t, pub)
		flush(t, sub)
		if err := s.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
		var all []*subscriber.Msg
		for m := range s.Channel() {
			all = append(all, m)
		}
		for i, m := range all {
			if string(m.Data) != fmt.Sprint(i) { // what a channel gives stays valid, also with Reuse
				t.Fatalf("message %d is %q", i, m.Data)
			}
		}
		if len(all) != 1000 {
			t.Errorf("%d messages, want 1000 and then the end", len(all))
		}
		await(t, "the end", s.Done())
		ch := left.Channel()
		if ch != left.Channel() {
			t.Error("another channel the second time")
		}
		<-ch
		// One may be on its way into the channel; nobody received it.
		if unhandled, ok := errors.AsType[*subscriber.UnhandledError](sub.Close()); !ok || unhandled.Messages != 2 {
			t.Errorf("close: %v, want 2 messages not handled", unhandled)
		}
		if m, ok := <-ch; ok {
			t.Errorf("after Close: %q", m.Data)
		}
	})
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	h, err := sub.SubscribeFunc("h", func(*subscriber.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	if h.Channel() != nil {
		t.Error("a channel beside a handler")
	}
	late := mustSubscribe(t, sub, "late")
	sub.Close()
	if _, ok := <-late.Channel(); ok {
		t.Error("a message after Close")
	}
}

type order struct {
	Fruit string `json:"fruit"`
	N     int    `json:"n"`
}

// commas is a codec for fruit,number.
type commas struct{}

func (commas) Encode(v any) ([]byte, error) {
	o, ok := v.(order)
	if !ok {
		return nil, fmt.Errorf("%T is no order", v)
	}
	return fmt.Appendf(nil, "%s,%d", o.Fruit, o.N), nil
}

func (commas) Decode(data []byte, v any) error {
	fruit, n, _ := strings.Cut(string(data), ",")
	o := v.(*order)
	o.Fruit = fruit
	_, err := fmt.Sscan(n, &o.N)
	return err
}

func TestTyped(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		s := subscriber.Typed[order]{Subscription: mustSubscribe(t, sub, "json")}
		own := subscriber.Typed[order]{Subscription: mustSubscribe(t, sub, "own"), Codec: commas{}}
		_, err := sub.SubscribeFunc("double", subscriber.TypedFunc(nil, func(m *subscriber.TypedMsg[order], err error) {
			bad, isBad := errors.AsType[*subscriber.DecodeError](err)
			if isBad {
				err = bad.Msg.Respond(context.Background(), []byte("what?"))
			} else {
				err = m.RespondValue(context.Background(), order{m.Value.Fruit, 2 * m.Value.N})
			}
			if err != nil {
				t.Error(err)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		flush(t, sub)
		publish(t, pub, "json", `{"fruit":"apple","n":3}`, `{"fruit":`, `{"fruit":"pear","n":4}`)
		publish(t, pub, "own", "fig,5")
		var got []string
		for m, err := range s.Messages(within(t)) {
			bad, isBad := errors.AsType[*subscriber.DecodeError](err)
			switch {
			case isBad:
				got = append(got, "bad "+string(bad.Msg.Data))
			case err != nil:
				t.Fatal(err)
			default:
				got = append(got, fmt.Sprint(m.Value, m.Subject))
			}
			if len(got) == 3 {
				break
			}
		}
		if want := []string{"{apple 3}json", `bad {"fruit":`, "{pear 4}json"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for m, err := range own.Messages(within(t)) {
			if err != nil || m.Value != (order{"fig", 5}) {
				t.Errorf("with a codec of one's own: %v, %v", m, err)
			}
			if err := m.RespondValue(within(t), "no order"); err == nil || !strings.Contains(err.Error(), "string is no order") {
				t.Errorf("respond with what cannot be encoded: %v", err)
			}
			break
		}
		for request, want := range map[string]string{`{"fruit":"kiwi","n":1}`: `{"fruit":"kiwi","n":2}`, "x": "what?"} {
			if m, err := pub.Request(within(t), "double", []byte(request)); err != nil || string(m.Data) != want {
				t.Errorf("request %s: %v, %v", request, m, err)
			}
		}
		ctx, cancel := context.WithCancel(within(t))
		cancel()
		for m, err := range s.Messages(ctx) {
			if m != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("after cancel: %v, %v", m, err)
			}
		}
	})
}

func TestDropRepeats(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		sub := connect(t, b.url, subscriber.Config{})
		pub := connectPublisher(t, b.url, publisher.Config{})
		once := mustSubscribe(t, sub, "r", subscriber.DropRepeats(1000, time.Minute))
		all := mustSubscribe(t, sub, "r")
		flush(t, sub)
		send := func(id, data string) {
			t.Helper()
			m := &publisher.Msg{Subject: "r", Data: []byte(data)}
			if id != "" {
				m.Header = publisher.Header{"nats-msg-id": {id}}
			}
			if err := pub.PublishMsg(within(t), m); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range [][2]string{{"1", "a"}, {"2", "b"}, {"1", "a again"}, {"", "c"}, {"", "c"}, {"2", "b again"}, {"3", "d"}} {
			send(m[0], m[1])
		}
		var got []string
		for _, m := range take(t, once, 5) {
			got = append(got, string(m.Data))
		}
		if want := []string{"a", "b", "c", "c", "d"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		take(t, all, 7)
		if n, st := sub.Stats(), once.Stats(); n.Repeats != 2 || n.Delivered != 12 || st.Repeats != 2 || st.Delivered != 5 {
			t.Errorf("stats %+v, of the subscription %+v", n, st)
		}
	})
}

// A loop that ends leaves what it did not take to the next.
func TestLoopsShare(t *testing.T) {
	b := startNATS(t, 0)
	sub := connect(t, urlOf(b), subscriber.Config{})
	s := mustSubscribe(t, sub, "l", subscriber.Reuse())
	flush(t, sub)
	pub := connectPublisher(t, urlOf(b), publisher.Config{})
	publish(t, pub, "l", texts(0, 100)...)
	flush(t, pub)
	for i := range 50 {
		for m, err := range s.Messages(within(t)) {
			if err != nil || string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("loop %d: %q, %v", i, m.Data, err)
			}
			break
		}
	}
	var loops sync.WaitGroup
	var got atomic.Int64
	for range 4 {
		loops.Go(func() {
			for _, err := range s.Messages(within(t)) {
				if err != nil {
					t.Error(err)
				}
				got.Add(1)
			}
		})
	}
	if err := s.Drain(within(t)); err != nil {
		t.Error(err)
	}
	loops.Wait()
	if got.Load() != 50 {
		t.Errorf("the loops got %d of the 50 left", got.Load())
	}
}
