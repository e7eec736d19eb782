package link

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

func TestResubscribesBeforeResumed(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		got := make(chan string, 10)
		handler := func(op *wire.Op) { got <- string(op.Payload()) }
		for _, s := range [][2]string{{"a", ""}, {"b", "q"}, {"c", ""}} {
			if _, err := r.link.Subscribe(s[0], s[1], handler); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.link.Unsubscribe("3", 0); err != nil {
			t.Fatal(err)
		}
		r.net.Vanish(address)
		time.Sleep(3 * time.Second)
		if _, err := r.link.Subscribe("d", "", handler); err != nil { // while away
			t.Fatal(err)
		}
		r.peer.start()
		for len(got) == 0 {
			time.Sleep(time.Second)
			r.link.Publish(r.t.Context(), "a", "", nil, []byte("x"))
		}
		c := r.peer.conn(1)
		want := []string{"CONNECT", "SUB a 1", "SUB b q 2", "SUB d 4"}
		if told := c.told()[:4]; !slices.Equal(told, want) {
			t.Errorf("the new connection was told %q, want %q", told, want)
		}
		r.wantKinds("afterwards", "connected, suspect, lost, resumed")
	})
}

func TestDeafWindowIsExact(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Delay(address, 10*time.Millisecond)
		time.Sleep(time.Minute)
		heard := r.link.Status().LastHeard
		r.peer.stop() // attempts are refused
		time.Sleep(time.Minute)
		r.peer.start()
		time.Sleep(10 * time.Second)
		e := r.last(EventResumed)
		if !e.DeafFrom.Equal(heard) {
			t.Errorf("deaf from %v, want the last byte heard, %v", e.DeafFrom, heard)
		}
		// The last attempt's dial took a round trip, INFO half of one, and
		// the greeting with its PONG one more.
		attempt := r.last(EventRetrying).Next
		if d := e.DeafTo.Sub(attempt); d < 30*time.Millisecond || d > 50*time.Millisecond {
			t.Errorf("deaf to %v after the attempt, want its PONG", d)
		}
		if !e.At.Equal(e.DeafTo) || e.Deaf() < time.Minute {
			t.Errorf("event %+v", e)
		}
	})
}

func TestReconnectsForEver(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.stop() // refused from now on
		time.Sleep(24 * time.Hour)
		if s := r.link.Status(); s.State != StateReconnecting || s.Attempt < 24*3600/2 {
			t.Errorf("a day later: state %v, attempt %d", s.State, s.Attempt)
		}
		for _, e := range r.all() {
			if e.Kind != EventRetrying {
				continue
			}
			if wait := e.Next.Sub(e.At); wait > DefaultRetryCap {
				t.Fatalf("attempt %d waits %v, more than %v", e.Attempt, wait, DefaultRetryCap)
			}
			if e.Attempt > 1 && !strings.Contains(e.String(), "connection refused") {
				t.Fatalf("event %v", e)
			}
		}
		r.peer.start()
		time.Sleep(10 * time.Second)
		if s := r.link.Status(); s.State != StateConnected {
			t.Errorf("state %v", s.State)
		}
	})
}

func TestAsksOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.info.ConnectURLs = []string{"other:4222", "nats://bad url", address}
		r.peer.start()
		other := newPeer(t, r.net)
		other.addr = "other:4222"
		other.start()
		r.connect(Config{})
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		if e := r.last(EventResumed); e.Server != "nats://other:4222" || e.Attempt != 0 {
			t.Errorf("event %v, attempt %d", e, e.Attempt)
		}
		r.peer.start()
		r.end()
		other.stop()
	})
}

func TestLameDuckMovesOn(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.conn(0).send("INFO {\"ldm\":true} \r\n")
		r.wantKinds("with nowhere to go", "connected, lame duck")
		other := newPeer(t, r.net)
		other.addr = "other:4222"
		other.start()
		r.peer.conn(0).nc.Close()
		time.Sleep(time.Second)
		r.net.Delay(address, 20*time.Millisecond)
		r.peer.conn(1).send(`INFO {"headers":true,"ldm":true,"connect_urls":["other:4222"]}` + "\r\n")
		const messages = 600
		for range messages {
			r.publish("x")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if e := r.last(EventLost); e.Loss.Cause != CauseLameDuck || e.Unconfirmed.Messages != 0 {
			t.Errorf("event %v, want that it is left with all confirmed", e)
		}
		r.flush()
		here, _ := r.peer.conn(1).payloads()
		there, _ := other.conn(0).payloads()
		if len(here) == 0 || len(there) == 0 || len(here)+len(there) != messages {
			t.Errorf("%d messages reached the lame duck and %d the other, want %d in all", len(here), len(there), messages)
		}
		if e := r.last(EventResumed); e.Server != "nats://other:4222" {
			t.Errorf("event %v", e)
		}
		r.link.Close()
		other.stop()
	})
}

func TestSubscribeWhileGreeting(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.conn(0).nc.Close()
		r.net.Delay(address, 100*time.Millisecond)
		for r.peer.count() == 1 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(150 * time.Millisecond) // the greeting is under way
		if _, err := r.link.Subscribe("s", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.link.Subscribe("gone", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		if err := r.link.Unsubscribe("2", 0); err != nil {
			t.Fatal(err)
		}
		r.publish("x")
		if s := r.link.Status().State; s != StateReconnecting {
			t.Fatalf("state %v, the test is about the greeting", s)
		}
		r.flush()
		want := []string{"CONNECT", "SUB s 1", "SUB gone 2", "UNSUB 2 0", "PUB s"}
		if told := r.peer.conn(1).told(); !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestUnsubscribeAfterMaxIsRestoredWithTheRest(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		got := 0
		sid, err := r.link.Subscribe("s", "", func(*wire.Op) { got++ })
		if err != nil {
			t.Fatal(err)
		}
		if err := r.link.Unsubscribe(sid, 5); err != nil {
			t.Fatal(err)
		}
		r.publish("1", "2")
		r.flush()
		r.peer.conn(0).nc.Close()
		time.Sleep(10 * time.Second)
		r.publish("3", "4", "5", "6")
		r.flush()
		if told := r.peer.conn(1).told()[:3]; !slices.Equal(told, []string{"CONNECT", "SUB s 1", "UNSUB 1 3"}) {
			t.Errorf("told %q", told)
		}
		if n := r.link.Stats().Unknown; got != 5 || n != 1 {
			t.Errorf("%d messages handled and %d passed over, want 5 and 1", got, n)
		}
	})
}

// The broker counts from its own SUB, so what was delivered before that is not
// in the number it is told.
func TestUnsubscribeAfterMaxCountsFromTheSubscribe(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		sid, err := r.link.Subscribe("s", "", func(*wire.Op) {})
		if err != nil {
			t.Fatal(err)
		}
		r.publish("1", "2")
		r.flush()
		r.peer.conn(0).nc.Close()
		time.Sleep(10 * time.Second)
		r.publish("3")
		r.flush()
		if err := r.link.Unsubscribe(sid, 5); err != nil {
			t.Fatal(err)
		}
		if told := r.peer.conn(1).told(); told[len(told)-1] != "UNSUB 1 3" {
			t.Errorf("told %q, want that the subscription ends after the third message since its SUB", told)
		}
	})
}

// After a connection that lasted, the waits begin from the shortest again.
func TestWaitsBeginAnew(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		for i := range 20 {
			time.Sleep(10 * time.Second)
			r.peer.conn(i).nc.Close()
			time.Sleep(time.Second)
			if e := r.last(EventRetrying); e.Next.Sub(e.At) > DefaultRetryBase {
				t.Fatalf("loss %d: %v", i, e)
			}
		}
	})
}

func TestFirstConnectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		_, err := Connect(t.Context(), "nats://user:secret@broker:4222", r.config(Config{}))
		if err == nil || err.Error() != "link: connect nats://broker:4222: connection refused; is a broker listening there?" {
			t.Errorf("error %v", err)
		}
		_, err = Connect(t.Context(), "broker,other:1", r.config(Config{}))
		if ce, ok := errors.AsType[*ConnectError](err); !ok || len(ce.Servers) != 2 || strings.Count(err.Error(), "\n") != 2 {
			t.Errorf("error %v", err)
		}
		r.wantKinds("two failed Connects", "closed, closed")
	})
}

func TestKeepTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := Connect(ctx, "broker,other:1", r.config(Config{KeepTrying: true}))
		ce, ok := errors.AsType[*ConnectError](err)
		if !ok || len(ce.Servers) != 2 || time.Since(start) != time.Minute {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		time.AfterFunc(time.Hour, func() { r.peer.start() })
		r.connect(Config{KeepTrying: true})
		if d := time.Since(start) - time.Minute; d < time.Hour || d > time.Hour+10*time.Second {
			t.Errorf("connected after %v", d)
		}
		r.end()
	})
}

func TestCloseAtAnyTime(t *testing.T) {
	for name, harm := range map[string]func(r *rig){
		"connected": func(*rig) {},
		"suspect":   func(r *rig) { r.net.Cut(address); time.Sleep(1500 * time.Millisecond) },
		"waiting":   func(r *rig) { r.peer.stop(); time.Sleep(time.Minute + time.Millisecond) },
		"dialling":  func(r *rig) { r.net.Vanish(address); time.Sleep(time.Minute) },
		"greeting":  func(r *rig) { r.net.Freeze(address); time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.peer.start()
				r.connect(Config{})
				harm(r)
				at := time.Now()
				if err := r.link.Close(); err != nil {
					t.Error(err)
				}
				if !time.Now().Equal(at) {
					t.Errorf("Close took %v", time.Since(at))
				}
				if err := r.link.Publish(t.Context(), "s", "", nil, nil); err != ErrClosed {
					t.Errorf("publish: %v", err)
				}
				if err := r.link.Flush(t.Context()); err != ErrClosed {
					t.Errorf("flush: %v", err)
				}
				if _, err := r.link.Subscribe("s", "", nil); err != ErrClosed {
					t.Errorf("subscribe: %v", err)
				}
				if s := r.link.Status().State; s != StateClosed || r.link.Close() != nil {
					t.Errorf("state %v", s)
				}
				all := r.all()
				if k := all[len(all)-1].Kind; k != EventClosed {
					t.Errorf("last event %v", k)
				}
				r.net.Thaw(address)
				r.net.Heal(address)
				r.peer.stop()
			})
		})
	}
}

func TestCloseFromOnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.start()
		var l *Link
		cfg := Config{Dial: r.net.DialContext, OnEvent: func(e Event) {
			if e.Kind == EventLost || e.Kind == EventClosed {
				l.Close()
			}
		}}
		var err error
		if l, err = Connect(t.Context(), address, cfg); err != nil {
			t.Fatal(err)
		}
		r.peer.stop()
		<-l.Done()
	})
}
