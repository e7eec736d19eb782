package qos

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A dead peer says nothing more, whatever it is sent; what it has said arrives.
func TestTheDeadSayNothing(t *testing.T) {
	for _, m := range Models() {
		r := rand.New(rand.NewPCG(1, 1))
		n := m.network(r)
		now := time.Duration(0)
		died := time.Minute
		for now < died+10*time.Minute {
			probe := now + 100*ms
			if now < died && probe >= died {
				n.die(died)
			}
			for n.next() < probe {
				at := n.next()
				if _, ok := n.advance(); ok && at > died+5*time.Second {
					t.Fatalf("%s: a byte %v behind the death", m.Name, at-died)
				}
			}
			now = probe
			n.send(now)
		}
	}
}

// Bytes come all the time while answers wait in a congested network.
func TestCongestionIsNoSilence(t *testing.T) {
	m, _ := FindModel("congestion")
	r := rand.New(rand.NewPCG(1, 1))
	n := m.network(r)
	waited, last := 0, time.Duration(0)
	for now := time.Duration(0); now < 3*day; now += time.Second {
		n.send(now)
		for n.next() < now+time.Second {
			at := n.next()
			a, ok := n.advance()
			if !ok {
				t.Fatal("nothing arrived")
			}
			if a.answer && at-a.sent > time.Second {
				waited++
			}
			if waited > 0 && at-last > 1100*ms {
				t.Fatalf("silence of %v at %v", at-last, at)
			}
			last = at
		}
	}
	if waited < 100 {
		t.Errorf("only %d answers waited", waited)
	}
}

// Episodes take the share of time that they should.
func TestEpisodes(t *testing.T) {
	e := newEpisodes(rand.New(rand.NewPCG(1, 1)), time.Minute, exponential(20*time.Second))
	within := 0
	for i := range 1_000_000 {
		if end, yes := e.within(time.Duration(i) * 100 * ms); yes {
			within++
			if end <= time.Duration(i)*100*ms {
				t.Fatal("an episode ends before now")
			}
		}
	}
	if got := float64(within) / 1e6; got < 0.23 || got > 0.27 {
		t.Errorf("episodes take a share of %v, want 0.25", got)
	}
	none := none()
	if _, yes := none.within(1000 * day); yes {
		t.Error("none is some")
	}
}
