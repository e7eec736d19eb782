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

// The flow that the neighbours of stuck subscribers have: 20 MB a second each.
const (
	neighbours     = 8
	flowSize       = 4096
	flowPerSecond  = 5000
	flowBatch      = 50
	neighbourLoses = 0.05 // of its rate in any second, at most
)

// Subscribers that stop reading, one and ten at once, are closed, and take from
// those that read no message, and in no second more than a twentieth of their
// rate. nats-server takes 95 % for ten seconds from them.
func TestNeighboursOfStuckConsumers(t *testing.T) {
	if !*long || raceEnabled {
		t.Skip("with -long, and without the race detector: it measures rates, which other load blurs")
	}
	for _, stuck := range []int{1, 10} {
		t.Run(fmt.Sprint(stuck), func(t *testing.T) {
			for range 3 { // the machine, too, has seconds in which it is busy
				if worst := worstSecondBeside(t, stuck); worst >= 1-neighbourLoses {
					return
				}
			}
			t.Errorf("in the worst second the neighbours have less than %.0f %% of their rate, every time", 100*(1-neighbourLoses))
		})
	}
}

// worstSecondBeside returns the least that the neighbours had in a second, as a
// share of what was published for them.
func worstSecondBeside(t *testing.T, stuck int) float64 {
	b := startChild(t, childConfig{})
	f := &flow{failed: make(chan error, neighbours+1), stop: make(chan struct{})}
	for range neighbours {
		conn := b.dial(t, quietConnect)
		rawFlush(t, conn, "SUB flow 1\r\n")
		go func() { f.failed <- f.read(conn) }() // awaited below
	}
	pub := b.dial(t, quietConnect)
	go io.Copy(io.Discard, pub)                // ends with the connection
	go func() { f.failed <- f.publish(pub) }() // awaited below
	calm := f.seconds(2)
	before := b.memory(t, "VmRSS")
	descriptors := b.descriptors(t)
	for range stuck {
		conn := b.dial(t, "")
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_, _ = io.WriteString(conn, quietConnect+"SUB flow 1\r\n")
	}
	beside := f.seconds(6)
	close(f.stop)
	for range neighbours + 1 {
		if err := <-f.failed; err != nil {
			t.Error(err)
		}
	}
	worst := slices.Min(beside) / (neighbours * flowPerSecond)
	t.Logf("a second before: %.0f; beside %d stuck: %.0f messages; they took %d MiB",
		calm, stuck, beside, (b.memory(t, "VmHWM")-before)>>20)
	if n := b.descriptors(t); n > descriptors {
		t.Errorf("%d descriptors are open, %d were: the stuck are to be closed", n, descriptors)
	}
	return worst
}

// flow is a numbered stream at a constant rate, and who reads it.
type flow struct {
	received atomic.Int64
	failed   chan error
	stop     chan struct{}
}

// seconds returns how many messages all readers had in each of n seconds.
func (f *flow) seconds(n int) []float64 {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var list []float64
	for last := f.received.Load(); len(list) < n; {
		<-tick.C
		now := f.received.Load()
		list = append(list, float64(now-last))
		last = now
	}
	return list
}

func (f *flow) publish(conn net.Conn) error {
	pad := strings.Repeat("x", flowSize-16)
	var text []byte
	begun, n := time.Now(), 0
	tick := time.NewTicker(time.Second / (flowPerSecond / flowBatch))
	defer tick.Stop()
	for {
		text = text[:0]
		// What a late tick has left behind is made up for.
		for due := int(time.Since(begun).Seconds() * flowPerSecond); n < due; n++ {
			text = fmt.Appendf(text, "PUB flow %d\r\n%016d%s\r\n", flowSize, n, pad)
		}
		select {
		case <-f.stop:
			text = fmt.Appendf(text, "PUB flow 16\r\n%016d\r\n", lastOfPair)
			_, err := conn.Write(text)
			return err
		case <-tick.C:
		}
		if _, err := conn.Write(text); err != nil {
			return fmt.Errorf("publish %d: %w", n, err)
		}
	}
}

func (f *flow) read(conn net.Conn) error {
	next := 0
	return readOps(conn, func(op *wire.Op) (more bool, err error) {
		switch number, _ := strconv.Atoi(string(op.Frame[:16])); {
		case number == lastOfPair:
			return false, nil
		case number != next:
			return false, fmt.Errorf("message %d came instead of %d", number, next)
		}
		next++
		f.received.Add(1)
		return true, nil
	})
}

// readOps gives the messages that come on conn to each, until it wants no more.
func readOps(conn net.Conn, each func(*wire.Op) (more bool, err error)) error {
	parser := wire.Parser{Side: wire.FromBroker}
	buf, kept := make([]byte, 256<<10), 0
	for {
		_ = conn.SetReadDeadline(time.Now().Add(testPatience))
		n, err := conn.Read(buf[kept:])
		if err != nil {
			return err
		}
		have, taken := buf[:kept+n], 0
		for {
			var op wire.Op
			n, err := parser.Next(have[taken:], &op)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			taken += n
			switch op.Kind {
			case wire.Ping:
				_, _ = io.WriteString(conn, wire.PongLine)
			case wire.Msg:
				if more, err := each(&op); !more {
					return err
				}
			}
		}
		kept = copy(buf, have[taken:])
	}
}
