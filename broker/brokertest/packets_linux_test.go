package brokertest_test

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vigil/broker/brokertest"
)

// unacknowledged returns how many segments of a client's the kernel has sent and not
// had acknowledged.
func unacknowledged(t *testing.T, c *rawClient) (n uint32) {
	t.Helper()
	raw, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		n = info.Unacked
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The kernel of a host that is gone acknowledges nothing, and answers no dial.
func TestCrashWithDroppedPackets(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{DropPackets: true})
	c := join(t, b, "a")
	b.Crash(t)
	c.say("PING\r\n")
	c.wantSilence()
	if n := unacknowledged(t, c); n == 0 {
		t.Error("what was sent to a crashed host was acknowledged")
	}
	if conn, err := net.DialTimeout("tcp", address(b), moment); !os.IsTimeout(err) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("dial: %v, want no answer", err)
	}
	// A dial that is under way when the host comes back is served.
	dialled := make(chan net.Conn, 1)
	go func() {
		conn, _ := net.DialTimeout("tcp", address(b), patience)
		dialled <- conn
	}()
	c.wantSilence()
	b.Restart(t)
	c.wantReset()
	conn := <-dialled
	if conn == nil {
		t.Fatal("the dial under way failed")
	}
	wrapRaw(t, conn).greet("b")
}

func TestBlackHoleWithDroppedPackets(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{DropPackets: true})
	c := join(t, b, "a")
	b.Client("a").BlackHole(t, brokertest.ToBroker)
	c.say("PING\r\n")
	c.wantSilence()
	if n := unacknowledged(t, c); n == 0 {
		t.Error("what was sent into a black hole was acknowledged")
	}
	join(t, b, "other") // is not concerned
	b.Client("a").Heal(t)
	start := time.Now()
	c.want("PONG\r\n") // TCP has sent the PING again
	t.Log("came", time.Since(start), "later")
}
