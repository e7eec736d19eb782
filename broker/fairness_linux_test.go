package broker

import (
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Beside twice as many publishers that flood as there are processors, a client
// that asks now and then has its answers soon. TestPollerIsFair says why.
func TestQuietClientBesideFloods(t *testing.T) {
	if !*long || raceEnabled {
		t.Skip("with -long, and without the race detector: it measures times, which other load blurs")
	}
	const tries, most = 3, 5e-3 // seconds
	var half float64
	for range tries { // the machine, too, has seconds in which it is busy
		half = pingBesideFloods(t, 2*runtime.NumCPU())
		t.Logf("median: %.2f ms", half*1e3)
		if half < most {
			return
		}
	}
	t.Errorf("a PING beside floods takes %.2f ms, want %.0f ms", half*1e3, most*1e3)
}

// pingBesideFloods returns the median of the times, in seconds, that PINGs take
// beside clients that publish as fast as they can.
func pingBesideFloods(t *testing.T, floods int) float64 {
	b := startChild(t, childConfig{})
	load := strings.Repeat("PUB flood 100\r\n"+strings.Repeat("x", 100)+"\r\n", 500)
	var publishers sync.WaitGroup
	defer publishers.Wait()
	for range floods {
		conn := b.dial(t, quietConnect)
		rawFlush(t, conn, "")
		defer conn.Close()
		publishers.Go(func() { flood(conn, load) })
	}
	quiet := b.dial(t, quietConnect)
	rawFlush(t, quiet, "")
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	var times []float64
	for begun := time.Now(); time.Since(begun) < time.Second; <-pace.C {
		asked := time.Now()
		rawFlush(t, quiet, "")
		times = append(times, time.Since(asked).Seconds())
	}
	return median(times)
}

// flood sends a load again and again. It ends with the connection.
func flood(conn net.Conn, load string) {
	for {
		if _, err := io.WriteString(conn, load); err != nil {
			return
		}
	}
}
