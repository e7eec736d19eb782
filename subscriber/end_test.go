package subscriber_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vigil/publisher"
	"vigil/subscriber"
)

// An end that comes by itself lets every form handle what has arrived, and then
// says why.
func TestEndByItself(t *testing.T) {
	brokers(t, func(t *testing.T, b running) {
		enough := errors.New("enough")
		for name, tc := range map[string]struct {
			end  func(cancel context.CancelCauseFunc)
			want func(error) bool
		}{
			"context": {
				func(cancel context.CancelCauseFunc) { cancel(enough) },
				func(err error) bool { return errors.Is(err, enough) },
			},
			"gave up": {
				func(context.CancelCauseFunc) { b.stop() },
				func(err error) bool {
					gaveUp, ok := errors.AsType[*subscriber.GaveUpError](err)
					return ok && gaveUp.After == time.Second
				},
			},
		} {
			t.Run(name, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				ev := newEvents()
				sub := connect(t, b.url, subscriber.Config{Context: ctx, GiveUpAfter: time.Second, OnEvent: ev.on})
				loop := mustSubscribe(t, sub, "m")
				channel := mustSubscribe(t, sub, "m").Channel()
				busy, handled := make(chan struct{}), make(chan string, 10)
				handler, err := sub.SubscribeFunc("m", func(m *subscriber.Msg) { <-busy; handled <- string(m.Data) })
				if err != nil {
					t.Fatal(err)
				}
				flush(t, sub)
				pub := connectPublisher(t, b.url, publisher.Config{})
				publish(t, pub, "m", texts(0, 3)...)
				flush(t, pub)
				flush(t, sub) // they have arrived, and wait
				tc.end(cancel)
				closed := ev.wait(t, subscriber.EventClosed)
				if !tc.want(closed.Err) {
					t.Errorf("event %v", closed)
				}
				n := 0
				for m, err := range loop.Messages(within(t)) {
					if n < 3 && err == nil && string(m.Data) == texts(n, n+1)[0] {
						n++
						continue
					}
					if n != 3 || !errors.Is(err, subscriber.ErrClosed) || !tc.want(err) {
						t.Errorf("after %d messages: %v, %v", n, m, err)
					}
				}
				inChannel := 0
				for range channel {
					inChannel++
				}
				close(busy)
				await(t, "the handler's end", handler.Done())
				if n != 3 || inChannel != 3 || len(handled) != 3 {
					t.Errorf("of 3 messages %d in the loop, %d in the channel, %d in the handler", n, inChannel, len(handled))
				}
				if _, err := sub.Subscribe("late"); !errors.Is(err, subscriber.ErrClosed) || !tc.want(err) {
					t.Errorf("subscribe: %v", err)
				}
				if err := loop.Drain(within(t)); err != nil && !errors.Is(err, subscriber.ErrClosed) {
					t.Errorf("drain a subscription: %v", err)
				}
				if err := sub.Drain(within(t)); err != nil && !errors.Is(err, subscriber.ErrClosed) {
					t.Errorf("drain: %v", err)
				}
				if err := sub.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			if name == "gave up" {
				b.again()
			}
		}
	})
}
