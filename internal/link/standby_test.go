package link

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// pairOfBrokers runs a test with two brokers that know each other, the link
// being connected to the first.
func pairOfBrokers(t *testing.T, cfg Config, test func(r *rig, other *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.info.ConnectURLs = []string{"other:4222", address}
		r.peer.start()
		other := newPeer(t, r.net)
		other.addr = "other:4222"
		other.start()
		r.connect(cfg)
		test(r, other)
		r.end()
		other.stop()
	})
}

func TestStandbyTakesOverInOneRoundTrip(t *testing.T) {
	pairOfBrokers(t, Config{}, func(r *rig, other *peer) {
		const way = 40 * time.Millisecond
		got := make(chan string, 10)
		if _, err := r.link.Subscribe("s", "", func(op *wire.Op) { got <- string(op.Payload()) }); err != nil {
			t.Fatal(err)
		}
		r.flush()
		time.Sleep(time.Minute)
		r.net.Delay("other:4222", way)
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		r.wantKinds("the broker vanished", "connected, suspect, lost, resumed")
		lost, resumed := r.last(EventLost), r.last(EventResumed)
		if d := resumed.At.Sub(lost.At); d > 2*way {
			t.Errorf("back %v after the verdict, want one round trip of %v", d, 2*way)
		}
		if resumed.Attempt != 0 || lost.Loss.Answering != "nats://other:4222" {
			t.Errorf("attempt %d, answering %q", resumed.Attempt, lost.Loss.Answering)
		}
		if want := "; nats://other:4222 answers on a new connection)"; !strings.HasSuffix(lost.Loss.Error(), want) {
			t.Errorf("text %q, want it to end with %q", lost.Loss, want)
		}
		if told := other.conn(0).told(); !slices.Equal(told, []string{"CONNECT", "SUB s 1"}) {
			t.Errorf("the other broker was told %q", told)
		}
		r.publish("once")
		if m := <-got; m != "once" {
			t.Errorf("got %q", m)
		}
		r.flush()
		if len(got) != 0 {
			t.Errorf("and again %q", <-got)
		}
		r.peer.start()
	})
}

// A connection that the network forgot: new ones to the same broker are fine.
func TestStandbyAtTheSameServer(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(time.Minute)
		r.peer.conn(0).set(true, false)
		time.Sleep(5 * time.Second)
		r.wantKinds("one connection is dead", "connected, suspect, lost, resumed")
		if l := r.last(EventLost).Loss; l.Answering != "nats://"+address {
			t.Errorf("loss %+v", l)
		}
		if n := r.peer.open(); n != 1 {
			t.Errorf("%d connections stayed open, want 1", n)
		}
	})
}

// A stopped broker's kernel still accepts connections: only a PONG counts.
func TestStandbyNeedsAPong(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Freeze(address)
		time.Sleep(heartbeat.Default().Bound())
		lost := r.last(EventLost)
		if lost.Loss.Answering != "" {
			t.Errorf("loss %v though nobody answers", lost.Loss)
		}
		r.net.Thaw(address)
		time.Sleep(5 * time.Second)
		if s := r.link.Status(); s.State != StateConnected {
			t.Errorf("state %v", s.State)
		}
	})
}

func TestStandbyIsClosedQuietly(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(time.Minute)
		first := r.peer.conn(0)
		first.set(true, false)
		for r.link.Status().State != StateSuspect {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(heartbeat.Default().Bound()/standbyJitter + 10*time.Millisecond)
		if n := r.peer.open(); n != 2 {
			t.Fatalf("%d connections while suspect, want a standby", n)
		}
		r.peer.conn(1).send("-ERR 'nobody is to hear of this'\r\n")
		first.set(false, false)
		first.send("PONG\r\n")
		time.Sleep(time.Minute)
		r.wantKinds("heard again", "connected, suspect, alive")
		if n := r.peer.open(); n != 1 {
			t.Errorf("%d connections, want the first alone", n)
		}
		if told := r.peer.conn(1).told(); !slices.Equal(told, []string{"CONNECT"}) {
			t.Errorf("the standby said %q", told)
		}
		if n := r.link.Stats().ServerErrors; n != 0 {
			t.Errorf("%d server errors counted", n)
		}
	})
}

func TestNoStandby(t *testing.T) {
	pairOfBrokers(t, Config{NoStandby: true}, func(r *rig, other *peer) {
		r.net.Vanish(address)
		time.Sleep(heartbeat.Default().Bound() - time.Millisecond)
		if n := other.count(); n != 0 {
			t.Errorf("%d connections to the other broker before the verdict", n)
		}
		time.Sleep(5 * time.Second)
		if e := r.last(EventResumed); e.Attempt != 1 {
			t.Errorf("attempt %d, want 1", e.Attempt)
		}
		r.peer.start()
	})
}

func TestCloseWhileSuspect(t *testing.T) {
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 200 * time.Millisecond, 550 * time.Millisecond} {
		pairOfBrokers(t, Config{}, func(r *rig, other *peer) {
			r.net.Delay("other:4222", 30*time.Millisecond)
			r.net.Freeze(address)
			for r.link.Status().State != StateSuspect {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(after)
			r.net.Thaw(address) // the rig closes now, and its bubble waits for all
		})
	}
}

// A standby has no subscription. What a broker delivers on it all the same does
// not reach a handler, which two connections would then call at once.
func TestStandbyDeliversNothing(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		got := make(chan string, 10)
		if _, err := r.link.Subscribe("s", "", func(op *wire.Op) { got <- string(op.Payload()) }); err != nil {
			t.Fatal(err)
		}
		r.flush()
		time.Sleep(time.Minute)
		r.peer.conn(0).set(true, false)
		for r.peer.count() < 2 {
			time.Sleep(10 * time.Millisecond)
		}
		r.peer.conn(1).send("MSG s 1 7\r\nunasked\r\n")
		time.Sleep(5 * time.Second)
		r.wantKinds("the broker went mute", "connected, suspect, lost, resumed")
		r.publish("asked")
		r.flush()
		if m := <-got; m != "asked" || len(got) > 0 {
			t.Errorf("got %q", m)
		}
		if n := r.link.Stats().Unknown; n != 1 {
			t.Errorf("%d messages counted as unknown", n)
		}
	})
}
