package broker

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/wire"
)

// healthyPair is a publisher and a subscriber that harm nobody, at full speed:
// what others take from them is what it is about. Every message is accounted
// for.
type healthyPair struct {
	pub, sub net.Conn
	received atomic.Int64
	// window bounds what is under way, in batches.
	window chan struct{}
	stop   chan struct{}
	failed chan error
}

const (
	pairBatch  = 100
	pairWindow = 64
)

func startPair(t *testing.T, b *childBroker) *healthyPair {
	p := &healthyPair{
		pub: b.dial(t, quietConnect), sub: b.dial(t, quietConnect),
		window: make(chan struct{}, pairWindow),
		stop:   make(chan struct{}),
		failed: make(chan error, 2),
	}
	rawFlush(t, p.sub, "SUB healthy.pair 1\r\n")
	go io.Copy(io.Discard, p.pub)           // ends with the connection
	go func() { p.failed <- p.publish() }() // end waits for both
	go func() { p.failed <- p.subscribe() }()
	return p
}

// end stops the pair and reports whether a message was lost.
func (p *healthyPair) end(t *testing.T) {
	t.Helper()
	close(p.stop)
	for range 2 {
		if err := <-p.failed; err != nil {
			t.Errorf("the healthy pair: %v", err)
		}
	}
}

// lastOfPair is the number that ends the stream.
const lastOfPair = 1<<53 - 1

func (p *healthyPair) publish() error {
	text := make([]byte, 0, 16<<10)
	message := func(n int) {
		text = fmt.Appendf(text, "PUB healthy.pair 64\r\n%016d%s\r\n", n, strings.Repeat("x", 48))
	}
	for n := 0; ; n += pairBatch {
		select {
		case <-p.stop:
			text = text[:0]
			message(lastOfPair)
			_, err := p.pub.Write(text)
			return err
		case p.window <- struct{}{}:
		}
		text = text[:0]
		for i := range pairBatch {
			message(n + i)
		}
		if _, err := p.pub.Write(text); err != nil {
			return fmt.Errorf("publish %d: %w", n, err)
		}
	}
}

func (p *healthyPair) subscribe() error {
	next := 0
	return readOps(p.sub, func(op *wire.Op) (more bool, err error) {
		switch number, _ := strconv.Atoi(string(op.Frame[:16])); {
		case number == lastOfPair:
			return false, nil
		case number != next:
			return false, fmt.Errorf("message %d came instead of %d", number, next)
		}
		if next++; next%pairBatch == 0 {
			<-p.window
		}
		p.received.Add(1)
		return true, nil
	})
}

// pairSlice is what a rate is measured over: long enough to see a number of
// batches, short enough to see a stall.
const pairSlice = 100 * time.Millisecond

// rates returns how many messages a second came in each slice of a time.
func (p *healthyPair) rates(over time.Duration) []float64 {
	tick := time.NewTicker(pairSlice)
	defer tick.Stop()
	var list []float64
	for last, at := p.received.Load(), time.Now(); time.Duration(len(list))*pairSlice < over; {
		now := <-tick.C
		n := p.received.Load()
		list = append(list, float64(n-last)/now.Sub(at).Seconds())
		last, at = n, now
	}
	return list
}

func median(list []float64) float64 { return quantile(list, 0.5) }

func quantile(list []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[int(q*float64(len(sorted)-1))]
}
