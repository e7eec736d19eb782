package broker

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Whatever clients do, the broker's memory stays near the budget, and a pair
// that does no harm loses nothing and keeps half of its rate.
func TestMemoryBudget(t *testing.T) {
	if !*long || raceEnabled {
		t.Skip("with -long, and without the race detector: it measures memory and rates, which other load blurs")
	}
	for _, a := range []struct {
		attack
		// flood is the size of messages that go to the subscribers of the
		// attack, perSecond how many.
		flood, perSecond int
	}{
		{attack{Harm: "unfinished", Connections: crowd, Pace: time.Second / 1000}, 0, 0},
		{attack{Harm: "stuck", Connections: 100, Pace: time.Second / 50}, 64 << 10, 50},
		{attack{Harm: "subscriptions", Connections: 1, Pace: 4 * time.Second}, 0, 0},
		{attack{Harm: "amplification", Connections: 20, Pace: time.Second / 10}, 1 << 20, 2},
	} {
		t.Run(a.Harm, func(t *testing.T) {
			for range 3 { // the machine, too, has seconds in which it is busy
				if kept := rateKept(t, a.attack, a.flood, a.perSecond); t.Failed() || kept >= 0.5 {
					return
				}
			}
			t.Error("the pair keeps less than half of its rate, every time")
		})
	}
}

// rateKept returns what part of its rate a healthy pair has under attack. It
// fails if the memory does not keep to the budget.
func rateKept(t *testing.T, a attack, flood, perSecond int) float64 {
	const budget = 256 << 20
	b := startChild(t, childConfig{MemoryBudget: budget})
	a.Addr = b.addr
	idle := b.memory(t, "VmRSS")
	pair := startPair(t, b)
	pair.rates(500 * time.Millisecond) // until it is at its speed
	alone := pair.rates(2 * time.Second)
	begun := time.Now()
	if flood > 0 {
		floodAt(t, b, flood, time.Second/time.Duration(perSecond))
	}
	_, _, end := startSelf(t, attackVariable, a)
	opened := time.Since(begun)
	beside := pair.rates(8 * time.Second)
	pair.end(t)
	end()
	peak, most := b.memory(t, "VmHWM"), budget*13/10+idle+a.Connections*idleCost
	t.Logf("all open after %v; the pair: median %.0f a second alone, %.0f beside, lowest %.0f; memory: peak %d MiB, most %d MiB",
		opened, median(alone), median(beside), quantile(beside, 0), peak>>20, most>>20)
	if peak > most {
		t.Errorf("%d MiB were resident, want at most %d", peak>>20, most>>20)
	}
	return median(beside) / median(alone)
}

// idleCost is what an idle connection may cost, in bytes.
const idleCost = 10 << 10

// crowd is as many connections as two processes of 20,000 descriptors can have
// with something to spare.
const crowd = 15_000

// floodAt publishes to the subscribers of an attack, until the broker ends.
func floodAt(t *testing.T, b *childBroker, size int, per time.Duration) {
	pub := b.dial(t, quietConnect)
	go io.Copy(io.Discard, pub) // ends with the connection
	message := "PUB flood " + strconv.Itoa(size) + "\r\n" + strings.Repeat("x", size) + "\r\n"
	go func() { // ends with the connection
		pace := time.NewTicker(per)
		defer pace.Stop()
		for range pace.C {
			if _, err := io.WriteString(pub, message); err != nil {
				return
			}
		}
	}()
}
