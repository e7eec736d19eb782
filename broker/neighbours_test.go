package broker

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A subscriber that stops reading takes, until it is closed, no more from the
// rate of those that read than its own copies cost. The bound is wide and there
// are several tries, since the machine may be busy: what is looked for is a
// publisher that waits, which costs nine tenths, every time.
func TestNeighboursOfStuckConsumers(t *testing.T) {
	if !*long || raceEnabled {
		t.Skip("with -long, and without the race detector: it measures rates, which other load blurs")
	}
	const fast, tries, window, windows = 4, 4, 100 * time.Millisecond, 8
	b := startChild(t, childConfig{})
	var got atomic.Int64
	for range fast {
		conn := b.dial(t, "")
		rawFlush(t, conn, quietConnect+"SUB a 1\r\n")
		go io.Copy(counter{&got}, conn) // ends with the connection
	}
	pub := b.dial(t, "")
	rawFlush(t, pub, quietConnect)
	go io.Copy(io.Discard, pub) // ends with the connection
	load := []byte(strings.Repeat("PUB a 1024\r\n"+strings.Repeat("x", 1024)+"\r\n", 100))
	go func() { // ends with the connection
		for {
			if _, err := pub.Write(load); err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(window)
	defer tick.Stop()
	median := func() int64 {
		var rates []int64
		for range windows {
			before := got.Load()
			<-tick.C
			rates = append(rates, got.Load()-before)
		}
		slices.Sort(rates)
		return rates[windows/2]
	}
	median() // until it is at its speed
	for range tries {
		alone := median()
		conn := b.dial(t, "")
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		if _, err := io.WriteString(conn, quietConnect+"SUB a 1\r\n"); err != nil {
			t.Fatal(err)
		}
		beside := median()
		t.Logf("median of %v: %d KiB alone, %d KiB beside a stuck subscriber", window, alone>>10, beside>>10)
		if beside > alone/2 {
			return
		}
	}
	t.Error("the others lose more than half of their rate")
}

// counter is a writer that counts.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
