package link

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/heartbeat"
)

func TestVerdictAtBoundWhenIdle(t *testing.T) {
	for name, hb := range map[string]heartbeat.Config{"default": heartbeat.Default(), "lesson": heartbeat.Lesson()} {
		probes := map[string]int{"default": 12, "lesson": 3}[name] // with the burst's, and without one
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{Heartbeat: hb}, func(r *rig) {
				time.Sleep(time.Hour)
				r.wantKinds("an hour of silence with an answering broker", "connected")
				heard := r.link.Status().LastHeard
				r.net.Vanish(address)
				time.Sleep(time.Until(heard.Add(hb.Bound() - 1)))
				r.wantKinds("just before the bound", "connected, suspect")
				if s := r.link.Status().State; s != StateSuspect {
					t.Errorf("state %v, want suspect", s)
				}
				time.Sleep(time.Nanosecond)
				r.wantKinds("at the bound", "connected, suspect, lost")
				lost := r.last(EventLost)
				if d := lost.At.Sub(heard); d != hb.Bound() {
					t.Errorf("verdict %v after the last byte, want %v", d, hb.Bound())
				}
				if lost.Loss.Cause != CauseStale || lost.Loss.Evidence.Probes != probes || !lost.Loss.Timeout() {
					t.Errorf("loss %+v", lost.Loss)
				}
				if want := "stale: nobody answers (last heard " + seconds(hb.Bound()) + " ago, " + strconv.Itoa(probes) + " probes unanswered)"; lost.Loss.Error() != want {
					t.Errorf("text %q, want %q", lost.Loss, want)
				}
				r.peer.start()
			})
		})
	}
}

func TestVerdictAtBoundWhilePublishing(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(10 * time.Second)
		heard := r.link.Status().LastHeard
		r.net.Vanish(address)
		stopped := make(chan error)
		go func() { // ends when the away buffer is full
			payload := make([]byte, 1024)
			for {
				if err := r.link.Publish(r.t.Context(), "s", "", nil, payload); err != nil {
					stopped <- err
					return
				}
			}
		}()
		time.Sleep(time.Second)
		if s := r.link.Status(); s.Queued.Bytes < DefaultOutBuffer-2*1024 {
			t.Fatalf("the writer does not block: %v queued", s.Queued)
		}
		if err := <-stopped; !errors.Is(err, ErrAwayBufferFull) {
			t.Errorf("publish: %v, want the away buffer to be full", err)
		}
		lost := r.last(EventLost)
		if d := lost.At.Sub(heard); d != heartbeat.Default().Bound() {
			t.Errorf("verdict %v after the last byte, want %v", d, heartbeat.Default().Bound())
		}
		r.peer.start()
	})
}

// Where Idle is short beside Interval, the answer to a probe brings the next one
// forward: the verdict still comes at the bound, and nobody is said to have paused.
func TestVerdictAtBoundWhereAByteBringsNextForward(t *testing.T) {
	hb := heartbeat.Config{Idle: time.Second, Interval: 3 * time.Second, Probes: 2}
	bubble(t, Config{Heartbeat: hb}, func(r *rig) {
		time.Sleep(10500 * time.Millisecond)
		heard := r.link.Status().LastHeard
		r.net.Vanish(address)
		time.Sleep(2 * hb.Bound())
		lost := r.last(EventLost)
		if d := lost.At.Sub(heard); d != hb.Bound() || lost.Loss.Evidence.Pauses != 0 {
			t.Errorf("verdict %v after the last byte, want %v: %+v", d, hb.Bound(), lost.Loss.Evidence)
		}
		r.peer.start()
	})
}

func TestCutShorterThanBoundIsNoLoss(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(time.Minute)
		heard := r.link.Status().LastHeard
		r.net.Cut(address)
		time.Sleep(time.Until(heard.Add(heartbeat.Default().Bound() - time.Millisecond)))
		r.net.Heal(address)
		r.wantKinds("one millisecond before the verdict", "connected, suspect, alive")
		if e := r.last(EventAlive).Evidence; e.Silence < time.Second {
			t.Errorf("the silence that is over: %+v", e)
		}
		time.Sleep(time.Minute)
		r.wantKinds("afterwards", "connected, suspect, alive")
		if s := r.link.Status(); s.State != StateConnected {
			t.Errorf("state %v", s.State)
		}
		if n := r.peer.open(); n != 1 {
			t.Errorf("%d connections, want the same one and no standby", n)
		}
	})
}

func TestAnyByteIsLife(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		c := r.peer.conn(0)
		r.peer.mu.Lock()
		c.mute = true
		r.peer.mu.Unlock()
		for range 100 {
			c.send("+OK\r\n")
			time.Sleep(800 * time.Millisecond)
		}
		r.wantKinds("bytes but no PONG", "connected")
	})
}

// A broker that never answers a PING, yet speaks just in time, is left in the
// end: nothing it holds up may grow for ever.
func TestUnansweredPingsAreBounded(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		c := r.peer.conn(0)
		r.peer.mu.Lock()
		c.mute = true
		r.peer.mu.Unlock()
		for range maxUnanswered + 10 {
			c.send("+OK\r\n")
			time.Sleep(time.Second)
		}
		if l := r.last(EventLost).Loss; l.Cause != CauseProtocol {
			t.Errorf("loss %v", l)
		}
	})
}

func TestFreezeThenThaw(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(time.Second)
		heard := r.link.Status().LastHeard
		r.net.Freeze(address)
		time.Sleep(10 * time.Second)
		lost := r.last(EventLost)
		if d := lost.At.Sub(heard); d != heartbeat.Default().Bound() {
			t.Errorf("verdict after %v", d)
		}
		e := r.last(EventRetrying)
		if e.Err == nil || !strings.Contains(e.Err.Error(), "connected, but no INFO came within 2.00 s") {
			t.Errorf("a frozen broker's kernel accepts; the attempt says %v", e.Err)
		}
		r.net.Thaw(address)
		time.Sleep(10 * time.Second)
		if s := r.link.Status(); s.State != StateConnected {
			t.Errorf("state %v after the thaw", s.State)
		}
	})
}

func TestResetIsKnownAtOnce(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(time.Minute)
		at := time.Now()
		c := r.peer.conn(0)
		c.nc.(interface{ SetLinger(int) error }).SetLinger(0)
		c.nc.Close()
		lost := r.last(EventLost)
		if lost.Loss.Cause != CauseReset || !errors.Is(lost.Loss, syscall.ECONNRESET) || !lost.At.Equal(at) {
			t.Errorf("lost %v after %v", lost.Loss, lost.At.Sub(at))
		}
		time.Sleep(10 * time.Second)
		r.wantKinds("afterwards", "connected, lost, resumed")
	})
}

func TestCloseByPeer(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.conn(0).nc.Close()
		if l := r.last(EventLost).Loss; l.Cause != CauseClosed || l.Error() != "closed by peer" {
			t.Errorf("loss %v", l)
		}
		time.Sleep(time.Second)
	})
}

func TestStatusWhileAway(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(time.Minute)
		s := r.link.Status()
		if s.State != StateReconnecting || s.Loss == nil || s.Attempt < 2 || s.Next.IsZero() || s.Server != "nats://"+address {
			t.Errorf("status %+v", s)
		}
		r.peer.start()
		time.Sleep(10 * time.Second)
		if s := r.link.Status(); s.State != StateConnected || s.Attempt != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// A probe does not wait behind everything that is queued: it goes before the
// next chunk.
func TestProbeCutsIn(t *testing.T) {
	bubble(t, Config{Heartbeat: heartbeat.Lesson()}, func(r *rig) {
		time.Sleep(100 * time.Millisecond)
		r.net.Freeze(address)
		message := strings.Repeat("x", 1000)
		for range 1000 {
			r.publish(message)
		}
		time.Sleep(heartbeat.Lesson().Idle)
		before := len(r.peer.conn(0).told())
		r.net.Thaw(address)
		r.flush()
		c := r.peer.conn(0)
		c.mu.Lock()
		defer c.mu.Unlock()
		first := slices.Index(c.ops[before+1:], "PING") // behind the greeting's
		if first < 0 || first > chunkSize/len(message)+100 {
			t.Errorf("the probe came behind %d messages of 1000", first)
		}
	})
}
