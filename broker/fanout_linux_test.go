package broker

import (
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// While one message is passed on to thousands of subscribers, somebody else's
// PING is answered: it waits neither for all of them nor for half.
func TestBystanderOfAFanOut(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("not with -short or the race detector: it opens thousands of sockets and compares times")
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("there is one processor, which passes the message on")
	}
	const subscribers, tries = 4000, 3
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2*subscribers+100 {
		t.Skipf("%d descriptors are too few (error %v)", limit.Cur, err)
	}
	b := startTest(t, Config{})
	for range subscribers {
		conn := rawConn(t, b)
		if _, err := io.WriteString(conn, "SUB f 1\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	pub, bystander := rawConn(t, b), rawConn(t, b)
	await(t, "all subscriptions", func() bool {
		b.routes.mu.RLock()
		defer b.routes.mu.RUnlock()
		return b.routes.router.count == subscribers
	})
	var pinged, published float64
	for range tries { // the machine is busy with something else at times
		pinged, published = fanOutBeside(t, b, pub, bystander)
		t.Logf("medians: the bystander's PING %.2f ms, the publish %.2f ms", pinged*1e3, published*1e3)
		if pinged < published/2 {
			return
		}
	}
	t.Errorf("a bystander's PING takes %.2f ms while a publish takes %.2f ms, want less than half", pinged*1e3, published*1e3)
}

// fanOutBeside returns how long a bystander's PING takes that is sent while a
// message is handed to its subscribers, and how long that takes: the medians in
// seconds.
func fanOutBeside(t *testing.T, b *Broker, pub, bystander net.Conn) (pinged, published float64) {
	const rounds = 25
	c := b.clientOf(pub)
	var pings, publishes []float64
	for range rounds {
		before := c.stats.inMsgs.Load()
		begun := time.Now()
		if _, err := io.WriteString(pub, "PUB f 2\r\nhi\r\n"); err != nil {
			t.Fatal(err)
		}
		await(t, "the message is being passed on", func() bool { return c.stats.inMsgs.Load() > before })
		asked := time.Now()
		rawFlush(t, bystander, "")
		pings = append(pings, time.Since(asked).Seconds())
		rawFlush(t, pub, "")
		publishes = append(publishes, time.Since(begun).Seconds())
	}
	return median(pings), median(publishes)
}
