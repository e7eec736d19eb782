package lab

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"vigil/broker"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// eventually waits until cond holds, looking every millisecond.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (f *feed) counts() (offered, confirmed int) {
	return f.offered(), len(f.taken())
}

func startBroker(t *testing.T, port int) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Config{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The feed counts on while there is no broker, and takes for confirmed only
// what a broker answered.
func TestFeed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := startBroker(t, broker.RandomPort)
	addr := netip.MustParseAddrPort(first.Addr().String())
	f := &feed{addr: addr.String(), interval: time.Millisecond}
	ended := make(chan struct{})
	go func() { defer close(ended); f.run(ctx) }()
	defer func() { cancel(); <-ended }()

	eventually(t, "numbers are offered to nobody", func() bool { n, _ := f.counts(); return n > 10 })
	if _, confirmed := f.counts(); confirmed != 0 {
		t.Fatalf("%d numbers confirmed by no broker", confirmed)
	}
	if err := f.connect(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broker confirms", func() bool { _, c := f.counts(); return c > 50 })
	if err := first.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the feed notices", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.current == nil })
	if f.failure() == nil {
		t.Error("a broker that went away by itself is no failure")
	}
	offered, confirmed := f.counts()
	eventually(t, "numbers go on", func() bool { n, _ := f.counts(); return n > offered+10 })
	if _, c := f.counts(); c != confirmed {
		t.Fatalf("%d numbers confirmed by no broker", c-confirmed)
	}

	second := startBroker(t, int(addr.Port()))
	defer second.Shutdown(context.Background())
	if err := f.connect(ctx); err != nil {
		t.Fatal(err)
	}
	gap, _ := f.counts()
	eventually(t, "the new broker confirms", func() bool { _, c := f.counts(); return c > confirmed+50 })
	for _, taken := range f.taken() {
		if taken.n > offered && taken.n < gap-1 {
			t.Errorf("number %d is confirmed, and was offered to nobody", taken.n)
		}
	}
}

// A quiet feed publishes nothing and makes up for nothing; a flood comes in order
// and in the size that was asked for.
func TestFeedQuietAndFlood(t *testing.T) {
	b := startBroker(t, broker.RandomPort)
	defer func() { _ = b.Shutdown(context.Background()) }()
	ctx, cancel := context.WithCancel(t.Context())
	f := &feed{addr: netip.MustParseAddrPort(b.Addr().String()).String(), interval: time.Millisecond, quiet: true}
	if err := f.connect(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); f.run(ctx) }()
	f.flood(100<<10, 10<<10)
	eventually(t, "the flood is confirmed", func() bool { _, confirmed := f.counts(); return confirmed == 10 })
	if offered, _ := f.counts(); offered != 10 {
		t.Errorf("%d numbers offered by a quiet feed, want the flood's 10", offered)
	}
	f.setQuiet(false)
	eventually(t, "it goes on", func() bool { _, confirmed := f.counts(); return confirmed > 20 })
	cancel()
	<-ended
	if err := f.failure(); err != nil {
		t.Error(err)
	}
}
