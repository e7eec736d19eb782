package link

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

// ended checks how a link that ended by itself shows it, now and once closed.
func (r *rig) ended(what error) {
	r.t.Helper()
	synctest.Wait()
	select {
	case <-r.link.Done():
	default:
		r.t.Fatal("not ended")
	}
	last := r.all()[len(r.all())-1]
	if last.Kind != EventClosed || !errors.Is(last.Err, what) {
		r.t.Errorf("the last event is %v", last)
	}
	_, subscribed := r.link.Subscribe("s", "", func(*wire.Op) {})
	for call, err := range map[string]error{
		"Err":         r.link.Err(),
		"Publish":     r.link.Publish(r.t.Context(), "s", "", nil, nil),
		"Flush":       r.link.Flush(r.t.Context()),
		"Subscribe":   subscribed,
		"Unsubscribe": r.link.Unsubscribe("1", 0),
	} {
		if !errors.Is(err, ErrClosed) || !errors.Is(err, what) {
			r.t.Errorf("%s: %v, want ErrClosed and %v", call, err, what)
		}
	}
	if s := r.link.Status(); s.State != StateClosed {
		r.t.Errorf("state %v", s.State)
	}
}

func TestGiveUpAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(*rig)
		last  string
	}{
		"refused":  {func(r *rig) { r.peer.stop() }, "attempts); the last: connection refused; is a broker listening there?"},
		"vanished": {func(r *rig) { r.net.Vanish(address) }, "attempts); the last: no answer: the address does not answer within 2.00 s"},
	} {
		t.Run(name, func(t *testing.T) {
			const after = 20 * time.Second
			var told error
			bubble(t, Config{GiveUpAfter: after, OnEnd: func(err error) { told = err }}, func(r *rig) {
				tc.fault(r)
				time.Sleep(3 * time.Second)
				lost := r.last(EventLost)
				r.publish("kept in vain")
				time.Sleep(after - 4*time.Second)
				if s := r.link.Status(); s.State != StateReconnecting {
					t.Fatalf("state %v before it is time", s.State)
				}
				time.Sleep(4 * time.Second)
				gaveUp, ok := errors.AsType[*GaveUpError](r.link.Err())
				if !ok || gaveUp.After != after || gaveUp.Attempts < 5 || gaveUp.Last == nil ||
					!strings.HasPrefix(gaveUp.Error(), "no broker found for 20.00 s (") || !strings.HasSuffix(gaveUp.Error(), tc.last) {
					t.Fatalf("%v", r.link.Err())
				}
				r.ended(gaveUp)
				if !errors.Is(told, gaveUp) || !errors.Is(told, ErrClosed) {
					t.Errorf("OnEnd was told %v", told)
				}
				e := r.last(EventClosed)
				if since := e.At.Sub(lost.At); since < after || since > after+time.Second {
					t.Errorf("gave up %v after the loss", since)
				}
				if e.Unconfirmed.Messages != 1 {
					t.Errorf("left behind: %v", e.Unconfirmed)
				}
				unsent, ok := errors.AsType[*UnsentError](r.link.Close())
				if !ok || unsent.Queued.Messages != 1 {
					t.Errorf("Close: %v", unsent)
				}
				if err := r.link.Close(); err != nil {
					t.Errorf("second Close: %v", err)
				}
			})
		})
	}
}

// A broker that comes back in time starts the count anew.
func TestGiveUpAfterCountsFromEachLoss(t *testing.T) {
	bubble(t, Config{GiveUpAfter: 20 * time.Second}, func(r *rig) {
		for range 3 {
			r.peer.stop()
			time.Sleep(15 * time.Second)
			r.peer.start()
			time.Sleep(5 * time.Second)
			if s := r.link.Status(); s.State != StateConnected {
				t.Fatalf("state %v", s.State)
			}
		}
	})
}

func TestContextEndsTheLink(t *testing.T) {
	why := errors.New("enough")
	for name, away := range map[string]bool{"connected": false, "away": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			bubble(t, Config{Context: ctx}, func(r *rig) {
				if away {
					r.peer.stop()
				}
				time.Sleep(time.Second)
				cancel(why)
				r.ended(why)
				if text := r.last(EventClosed).String(); text != "closed: enough" {
					t.Errorf("event %q", text)
				}
			})
		})
	}
}

// What was closed does not hold on to its context, and one that has ended
// already ends what begins.
func TestContextThatOutlives(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	bubble(t, Config{Context: ctx}, func(r *rig) {
		if err := r.link.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		if err := r.link.Err(); errors.Is(err, context.Canceled) {
			t.Errorf("closed, and then ended: %v", err)
		}
		if l, err := Connect(t.Context(), address, r.config(Config{Context: ctx})); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrClosed) {
			t.Errorf("connect: %v, %v", l, err)
		}
	})
}

// A Connect that keeps trying ends with the context of what it is to make, too.
func TestContextEndsConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t) // whose peer has not started
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(time.Minute, func() { cancel(why) })
		_, err := Connect(t.Context(), address, r.config(Config{Context: ctx, KeepTrying: true}))
		if took := time.Since(start); !errors.Is(err, why) || !errors.Is(err, ErrClosed) || took != time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
		synctest.Wait()
		if e := r.last(EventClosed); !errors.Is(e.Err, why) {
			t.Errorf("event %v", e)
		}
	})
}

// What waits at the end is told why it ended, and what is left behind is told by
// the last event as well as by Close, whoever calls it and when.
func TestWaitingAtTheEnd(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	bubble(t, Config{Context: ctx}, func(r *rig) {
		r.net.Cut(address)
		r.publish("handed over")
		synctest.Wait()
		flushed := make(chan error, 1)
		go func() { flushed <- r.link.Flush(r.t.Context()) }()
		synctest.Wait()
		closed := make(chan error, 2)
		cancel(why)
		synctest.Wait()
		for range cap(closed) {
			go func() { closed <- r.link.Close() }()
		}
		if err := <-flushed; !errors.Is(err, why) || !errors.Is(err, ErrClosed) {
			t.Errorf("flush: %v", err)
		}
		unsent := 0
		for range cap(closed) {
			if left, ok := errors.AsType[*UnsentError](<-closed); ok {
				if unsent++; left.Unconfirmed.Messages != 1 {
					t.Errorf("%v", left)
				}
			}
		}
		if e := r.last(EventClosed); unsent != 1 || e.Unconfirmed.Messages != 1 {
			t.Errorf("told by %d calls of Close, event %v", unsent, e)
		}
	})
}

// Close may be called from OnEvent, also for an end that came by itself.
func TestCloseInTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.start()
		ctx, cancel := context.WithCancel(t.Context())
		cfg := r.config(Config{Context: ctx})
		note, links, done := cfg.OnEvent, make(chan *Link, 1), make(chan error, 1)
		cfg.OnEvent = func(e Event) {
			note(e)
			if e.Kind == EventClosed {
				done <- (<-links).Close()
			}
		}
		l, err := Connect(t.Context(), address, cfg)
		if err != nil {
			t.Fatal(err)
		}
		links <- l
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		<-l.Done()
		r.peer.stop()
	})
}

func TestConnectThatFailsSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := Connect(t.Context(), address, r.config(Config{}))
		synctest.Wait()
		if e := r.last(EventClosed); err == nil || !errors.Is(e.Err, err) {
			t.Errorf("event %v, error %v", e, err)
		}
	})
}
