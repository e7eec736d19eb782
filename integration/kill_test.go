package integration_test

import (
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
	"vigil/subscriber"
)

// atOnce is how soon a FIN is noticed, with all the time that a busy machine
// may take: still far less than the heartbeat needs.
const atOnce = 500 * time.Millisecond

// A killed process is no incident: its kernel closes its sockets. The clients
// notice at once and go on when the broker is back at the same address.
func TestKill(t *testing.T) {
	t.Parallel()
	each(t, []fault.Mode{onLoopback}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		l, idle := listen(t, h, subscriber.Config{}), listen(t, h, subscriber.Config{})
		got := l.collect(t, "numbers", "")
		f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
		got.await(t, 100)

		killed := time.Now()
		h.proc.Kill()
		for who, d := range map[string]*diary{"subscriber": &l.diary, "idle": &idle.diary, "publisher": &f.diary} {
			lost := d.await(t, 0, subscriber.EventLost)
			if took := lost.told.Sub(killed); took > atOnce+starvation.between(killed, lost.told) {
				t.Errorf("%s noticed after %v", who, took)
			}
			if who == "publisher" { // what it sends on draws a RST
				checkCause(t, who, lost, subscriber.CauseClosed, subscriber.CauseReset)
			} else {
				checkCause(t, who, lost, subscriber.CauseClosed)
			}
		}
		h.start(t)
		l.diary.await(t, 0, subscriber.EventResumed)
		idle.diary.await(t, 0, subscriber.EventResumed)
		f.diary.await(t, 0, subscriber.EventResumed)
		got.await(t, f.next()+100)
		total := f.finish(t)
		got.await(t, total-1)
		checkOrder(t, "subscriber", got)
		t.Logf("missed %d of %d numbers", checkMissed(t, "subscriber", got, f, l), total)
	})
}

// A frozen broker is the fault that TCP keep-alive never finds: its kernel goes
// on acknowledging, and even accepts new connections.
func TestFreeze(t *testing.T) {
	t.Parallel()
	cures := map[string]func(t *testing.T, h *host){
		"thaw":    func(t *testing.T, h *host) { must(t, h.proc.Thaw()) },
		"restart": func(t *testing.T, h *host) { h.proc.Kill(); h.start(t) },
	}
	for name, cure := range cures {
		for _, broker := range lab.Brokers() {
			t.Run(name+"/"+broker, func(t *testing.T) {
				t.Parallel()
				testFreeze(t, newHost(t, onLoopback, broker), cure)
			})
		}
	}
}

func testFreeze(t *testing.T, h *host, cure func(*testing.T, *host)) {
	l, idle := listen(t, h, subscriber.Config{}), listen(t, h, subscriber.Config{})
	got := l.collect(t, "numbers", "")
	f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
	got.await(t, 100)

	freeze(t, h)
	frozen := time.Now()
	for who, d := range map[string]*diary{"subscriber": &l.diary, "idle": &idle.diary, "publisher": &f.diary} {
		lost := d.await(t, 0, subscriber.EventLost)
		checkNoticed(t, who, lost, frozen)
		checkCause(t, who, lost, subscriber.CauseFrozen)
	}
	// Its kernel accepts connections that nobody answers: an attempt at one
	// must come to an end.
	tries := idle.diary.await(t, 0, subscriber.EventRetrying)
	for k := 0; tries.Err == nil; k++ {
		tries = idle.diary.await(t, k, subscriber.EventRetrying)
	}
	if loss, ok := tries.Err.(*subscriber.Loss); !ok || loss.Cause != subscriber.CauseTimeout {
		t.Errorf("the attempt at a frozen broker ended with %v, want a timeout", tries.Err)
	}
	cure(t, h)
	l.diary.await(t, 0, subscriber.EventResumed)
	idle.diary.await(t, 0, subscriber.EventResumed)
	f.diary.await(t, 0, subscriber.EventResumed)
	got.await(t, f.next()+100)
	total := f.finish(t)
	got.await(t, total-1)
	// Nothing is said of the order: a broker that is thawed goes on with what
	// was unconfirmed, beside the new connection.
	t.Logf("missed %d of %d numbers", checkMissed(t, "subscriber", got, f, l), total)
}

// freeze stops the broker, where the platform can.
func freeze(t *testing.T, h *host) {
	t.Helper()
	if err := h.proc.Freeze(); isUnsupported(err) {
		t.Skipf("UNSUPPORTED: %v", err)
	} else {
		must(t, err)
	}
}
