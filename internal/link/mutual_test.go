package link

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// said returns the operations of a connection, all of them.
func (c *peerConn) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.ops...)
}

func mutualBubble(t *testing.T, test func(r *rig)) {
	bubbleOf(t, Config{NoStandby: true}, func(p *peer) { p.info.Mutual, p.info.ServerID, p.info.ClientID = true, "NVIGIL", 7 }, test)
}

func TestMutualIsNegotiated(t *testing.T) {
	mutualBubble(t, func(r *rig) {
		time.Sleep(time.Second)
		said := r.peer.conn(0).said()
		if want := `"mutual_ms":3600`; !strings.Contains(said[0], want) || strings.Contains(said[0], `"was"`) {
			t.Errorf("said %s, want %s and no connection before", said[0], want)
		}
		if last := said[len(said)-1]; last != "PING 900" {
			t.Errorf("the probe was %q, want the age of the silence", last)
		}
	})
	bubble(t, Config{}, func(r *rig) {
		time.Sleep(10 * time.Second)
		r.flush()
		for _, op := range r.peer.conn(0).said() {
			if strings.Contains(op, "mutual") || strings.HasPrefix(op, "PING ") {
				t.Errorf("a stock broker was told %s", op)
			}
		}
	})
}

// The way to the broker is cut, and it goes on sending.
func TestBrokerSaysThatItDoesNotHear(t *testing.T) {
	mutualBubble(t, func(r *rig) {
		time.Sleep(time.Minute)
		r.net.CutTo(address)
		start := time.Now()
		c := r.peer.conn(0)
		for i := 0; r.link.Status().State == StateConnected && i < 200; i++ {
			c.send("+OK\r\n")
			if i%20 == 19 {
				c.send(fmt.Sprintf("PING %d\r\n", time.Since(start).Milliseconds()))
			}
			time.Sleep(100 * time.Millisecond)
		}
		lost := r.last(EventLost).Loss
		if lost.Cause != CauseUnheard || !lost.Cause.Stale() || lost.PeerHeard.Before(start.Add(-time.Millisecond)) || lost.PeerHeard.After(start.Add(time.Millisecond)) {
			t.Errorf("loss %+v", lost)
		}
		if took := lost.At.Sub(start); took > 2*r.link.askAtLeast()+2*time.Second {
			t.Errorf("known after %v", took)
		}
		if want := "stale: peer sends and does not hear us (it says that it last heard us "; !strings.HasPrefix(lost.Error(), want) {
			t.Errorf("text %q", lost)
		}
		r.net.Heal(address)
		time.Sleep(5 * time.Second)
	})
}

// An old word of the broker, or one about a silence that we have ended, is no
// reason to leave it.
func TestBrokerThatHearsUsAfterAll(t *testing.T) {
	mutualBubble(t, func(r *rig) {
		c := r.peer.conn(0)
		for range 100 {
			c.send("PING 100000\r\n") // not true: our PINGs are answered
			time.Sleep(300 * time.Millisecond)
		}
		c.send("PING rubbish\r\n")
		time.Sleep(time.Second)
		r.wantKinds("afterwards", "connected")
	})
}

// On a congested link the broker's word comes late, and its PONG later still:
// the PING that is under way then was sent after the word was given.
func TestLateWordIsNoReason(t *testing.T) {
	for ping := time.Second; ping <= 8*time.Second; ping += 500 * time.Millisecond {
		for pong := ping; pong <= 10*time.Second; pong += 500 * time.Millisecond {
			mutualBubble(t, func(r *rig) {
				c := r.peer.conn(0)
				c.set(true, false)
				mutual := 2 * r.link.askAtLeast()
				heard, told, seen := time.Now(), time.Now(), len(c.said())
				for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
					now := time.Now()
					for _, op := range c.said()[seen:] {
						heard, told, seen = now, now, seen+1
						if strings.HasPrefix(op, "PING") {
							time.AfterFunc(pong, func() { c.send("PONG\r\n") })
						}
					}
					if now.Sub(told) >= mutual {
						told = now
						word := string(wire.AppendPing(nil, now.Sub(heard)))
						time.AfterFunc(ping, func() { c.send(word) })
					}
					c.send("+OK\r\n")
				}
				r.wantKinds(fmt.Sprintf("PINGs late by %v, PONGs by %v", ping, pong), "connected")
			})
		}
	}
}

func TestDirectionOfACutIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		heard time.Duration // after the last byte that we heard; negative for not at all
		want  bool
	}{
		{"heard our probes", 1500 * time.Millisecond, true},
		{"heard nothing either", -10 * time.Millisecond, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard time.Time
			var cut atomic.Bool
			answer := func(c *peerConn) {
				info := c.peer.info
				c.send(string(wire.AppendInfo(nil, &info)))
				if cut.Load() {
					ago := time.Since(heard.Add(tc.heard)).Milliseconds()
					info.WasHeard = &ago
					c.send(string(wire.AppendInfo(nil, &info)))
				}
				c.read()
			}
			prepare := func(p *peer) {
				p.script = answer
				p.info.Mutual, p.info.ServerID, p.info.ClientID = true, "NVIGIL", 7
			}
			bubbleOf(t, Config{NoStandby: true}, prepare, func(r *rig) {
				time.Sleep(time.Minute)
				r.peer.conn(0).set(true, false)
				heard = r.link.Status().LastHeard
				cut.Store(true)
				time.Sleep(5 * time.Second)
				e := r.last(EventResumed)
				if d := e.PeerHeard.Sub(heard.Add(tc.heard)).Abs(); e.CutFromBroker() != tc.want || d > time.Millisecond {
					t.Errorf("event %v, the broker heard us %v wrong", e, d)
				}
				if strings.Contains(e.String(), "only the way from it was cut") != tc.want {
					t.Errorf("event %v", e)
				}
				if said := r.peer.conn(1).said(); !strings.Contains(said[0], `"was":{"server_id":"NVIGIL","client_id":7}`) {
					t.Errorf("the new connection said %s", said[0])
				}
			})
		})
	}
}

// Nothing that a broker says of when it heard us is taken for more than it can
// be, whenever it comes and however often.
func TestWasHeardThatMakesNoSense(t *testing.T) {
	for _, ago := range []string{"-1", "-9223372036854775808", "9223372036854775807", "null"} {
		word := `INFO {"headers":true,"mutual":true,"was_heard_ms":` + ago + "}\r\n"
		prepare := func(p *peer) {
			p.script = func(c *peerConn) {
				c.send(word)
				c.send("INFO null\r\n")
				c.peer.wg.Go(func() {
					for range 100 {
						c.send(word)
						time.Sleep(time.Millisecond)
					}
				})
				c.read()
			}
		}
		bubbleOf(t, Config{NoStandby: true}, prepare, func(r *rig) {
			for i := range 5 {
				time.Sleep(time.Second)
				r.peer.conn(i).set(true, false)
				time.Sleep(5 * time.Second)
				if e := r.last(EventResumed); !e.PeerHeard.IsZero() || e.CutFromBroker() {
					t.Errorf("%s: event %v, the broker heard us %v", ago, e, e.PeerHeard)
				}
			}
		})
	}
}

func TestPongAgeIsKeptApart(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		c := r.peer.conn(0)
		c.set(true, false)
		for range 50 {
			c.send("+OK\r\n")
			time.Sleep(100 * time.Millisecond)
		}
		s := r.link.Status()
		if s.State != StateConnected || s.PongAge < 3*time.Second || s.Evidence.Silence > heartbeat.Default().Idle {
			t.Errorf("status %+v", s)
		}
		c.set(false, false)
		c.send("PONG\r\nPONG\r\nPONG\r\n")
		time.Sleep(time.Millisecond)
		if age := r.link.Status().PongAge; age != 0 {
			t.Errorf("answered, and the PONG's age is %v", age)
		}
	})
}

// A suspend is not seen by the clock that timers follow.
func TestSuspendIsNoDeath(t *testing.T) {
	var asleep atomic.Int64
	bubble(t, Config{slept: func() time.Duration { return time.Duration(asleep.Load()) }, NoStandby: true}, func(r *rig) {
		time.Sleep(time.Minute)
		heard := r.link.Status().LastHeard
		r.net.Cut(address) // what a suspended network card does
		time.Sleep(time.Until(heard.Add(1400 * time.Millisecond)))
		asleep.Add(int64(time.Hour))
		time.Sleep(500 * time.Millisecond) // the verdict would have come
		r.net.Heal(address)
		time.Sleep(time.Minute)
		r.wantKinds("afterwards", "connected, suspect, alive")

		// And a broker that vanished during it is found within one bound.
		r.net.Vanish(address)
		asleep.Add(int64(time.Hour))
		woke := time.Now()
		time.Sleep(10 * time.Second)
		if took := r.last(EventLost).At.Sub(woke); took > heartbeat.Default().Bound() {
			t.Errorf("found %v after the resume", took)
		}
		r.peer.start()
	})
}

func TestRoutedProbe(t *testing.T) {
	bubble(t, Config{RoutedProbe: time.Second, NoStandby: true}, func(r *rig) {
		time.Sleep(time.Minute)
		r.wantKinds("a broker that delivers", "connected")
		c := r.peer.conn(0)
		inbox := 0
		for _, op := range c.told() {
			if strings.HasPrefix(op, "PUB _INBOX.") {
				inbox++
			} else if strings.HasPrefix(op, "PUB") {
				t.Errorf("published %s", op)
			}
		}
		if inbox < 55 || inbox > 60 {
			t.Errorf("%d probes in a minute", inbox)
		}
		if s := r.link.Status(); s.Unconfirmed != (Tally{}) || r.link.Stats().OutMessages != 0 {
			t.Errorf("the probes are counted as messages: %+v", s)
		}

		c.set(false, true) // answers PINGs, delivers nothing
		time.Sleep(3 * time.Second)
		r.wantKinds("a broker that does not deliver", "connected, lost, resumed")
		lost := r.last(EventLost).Loss
		if want := "stale: broker answers, but does not deliver: 2 messages to ourselves in a row did not come back"; lost.Error() != want {
			t.Errorf("loss %v, want %s", lost, want)
		}
		time.Sleep(time.Minute)
		r.wantKinds("the next connection is well", "connected, lost, resumed")
	})
}
