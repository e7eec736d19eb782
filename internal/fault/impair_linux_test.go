package fault

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// datagramPort is where the tests' datagram sockets listen.
const datagramPort = 7000

// endpoint is a datagram socket. Its buffer holds some 500 small datagrams.
type endpoint struct {
	*net.UDPConn
	addr netip.AddrPort // of its host
}

// endpoints opens one socket on the clients' host and one on h.
func endpoints(t *testing.T, h *Host) (here, there endpoint) {
	t.Helper()
	return listenDatagrams(t, nil, hostAddr(1)), listenDatagrams(t, h, h.Addr())
}

// listenDatagrams opens a datagram socket on a host, or here if it is nil.
func listenDatagrams(t *testing.T, h *Host, addr netip.Addr) endpoint {
	t.Helper()
	listen := func() (conn *net.UDPConn, err error) {
		return net.ListenUDP("udp4", &net.UDPAddr{Port: datagramPort})
	}
	conn, err := listenAt(h, listen)
	do(t, err)
	t.Cleanup(func() { conn.Close() })
	do(t, conn.SetReadBuffer(212992)) // what any user may have
	return endpoint{conn, netip.AddrPortFrom(addr, datagramPort)}
}

// listenAt runs listen in the namespace of h, or here if it is nil.
func listenAt[C any](h *Host, listen func() (C, error)) (conn C, err error) {
	if h == nil {
		return listen()
	}
	err = within(h.ns, func() (err error) {
		conn, err = listen()
		return err
	})
	return conn, err
}

// stamp is the payload of the tests' datagrams: a number and a time.
type stamp struct {
	number uint64
	sent   time.Time
	took   time.Duration // set by the receiver
}

// send sends n datagrams of size bytes, 16 at least.
func (e endpoint) send(t *testing.T, to endpoint, n, size int) {
	t.Helper()
	for i := range n {
		b := make([]byte, size)
		binary.BigEndian.PutUint64(b, uint64(i))
		binary.BigEndian.PutUint64(b[8:], uint64(time.Since(origin)))
		if _, err := e.WriteToUDPAddrPort(b, to.addr); err != nil {
			t.Fatal(err)
		}
	}
}

// origin is what the times of stamps count from.
var origin = time.Now()

// flow sends n datagrams of size bytes and returns how many of them arrive.
func (e endpoint) flow(t *testing.T, to endpoint, n, size int) (arrived int) {
	t.Helper()
	const batch = 200 // what the buffer holds
	for left := n; left > 0; left -= batch {
		e.send(t, to, min(left, batch), size)
		arrived += len(to.receiveFor(t, n, time.Millisecond))
	}
	return arrived + len(to.receive(t, n-arrived))
}

// receive reads datagrams until n have come, or none comes for a while.
func (e endpoint) receive(t *testing.T, n int) (got []stamp) {
	t.Helper()
	return e.receiveFor(t, n, silence)
}

// receiveFor reads datagrams until n have come, or none comes for wait.
func (e endpoint) receiveFor(t *testing.T, n int, wait time.Duration) (got []stamp) {
	t.Helper()
	b := make([]byte, 2048)
	for len(got) < n {
		e.SetReadDeadline(time.Now().Add(wait))
		_, err := e.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		}
		do(t, err)
		s := stamp{number: binary.BigEndian.Uint64(b), sent: origin.Add(time.Duration(binary.BigEndian.Uint64(b[8:])))}
		s.took = time.Since(s.sent)
		got = append(got, s)
	}
	return got
}

func TestLossIsTheShareAskedFor(t *testing.T) {
	const n = 10000
	h := newHost(t, needSwitch(t), 2)
	here, there := endpoints(t, h)
	for _, share := range []float64{0.01, 0.05, 0.1, 0.2, 0.3, 1} {
		for _, dir := range []Direction{ToHost, FromHost} {
			lossy, good := [2]endpoint{here, there}, [2]endpoint{there, here}
			if dir == FromHost {
				lossy, good = good, lossy
			}
			do(t, h.Impair(dir, Impairment{Loss: share}))
			before, err := h.Dropped()
			do(t, err)
			got := lossy[0].flow(t, lossy[1], n, 16)
			after, err := h.Dropped()
			do(t, err)
			if int(after-before)+got != n {
				t.Errorf("%v %v: %d sent, %d arrived, %d counted as lost", share, dir, n, got, after-before)
			}
			// Six standard deviations: once in 500 million.
			if lost, sigma := n-got, math.Sqrt(n*share*(1-share)); math.Abs(float64(lost)-n*share) > 6*sigma {
				t.Errorf("%v %v: %d of %d lost", share, dir, lost, n)
			} else {
				t.Logf("%v %v: %d of %d lost", share, dir, lost, n)
			}
			if share == 1 {
				if got := good[0].flow(t, good[1], n, 16); got != n {
					t.Errorf("%v %v: %d of %d arrived in the good direction", share, dir, got, n)
				}
			}
			do(t, h.Impair(dir, Impairment{}))
		}
	}
	if got := here.flow(t, there, n, 16); got != n {
		t.Errorf("%d of %d arrived on the repaired link", got, n)
	}
	if lossRules, err := h.cable.sw.filter.count("p2-"); lossRules != 0 || err != nil {
		t.Errorf("rules are left that counted %d, %v", lossRules, err)
	}
}

// What is longer than the path takes vanishes, in the direction asked for, and
// nothing else does.
func TestLongFramesVanish(t *testing.T) {
	const headers = 20 + 8 // of IP and UDP
	h := newHost(t, needSwitch(t), 2)
	here, there := endpoints(t, h)
	for _, mtu := range []int{minMTU, 576, 1400} {
		for _, dir := range []Direction{ToHost, FromHost} {
			narrow, wide := [2]endpoint{here, there}, [2]endpoint{there, here}
			if dir == FromHost {
				narrow, wide = wide, narrow
			}
			do(t, h.Impair(dir, Impairment{MTU: mtu}))
			before, err := h.Dropped()
			do(t, err)
			if got := narrow[0].flow(t, narrow[1], 10, mtu-headers); got != 10 {
				t.Errorf("%d %v: %d of 10 that fit arrived", mtu, dir, got)
			}
			if got := narrow[0].flow(t, narrow[1], 10, mtu-headers+1); got != 0 {
				t.Errorf("%d %v: %d of 10 that are one byte too long arrived", mtu, dir, got)
			}
			if got := wide[0].flow(t, wide[1], 10, mtu-headers+1); got != 10 {
				t.Errorf("%d %v: %d of 10 arrived in the other direction", mtu, dir, got)
			}
			if after, err := h.Dropped(); after-before != 10 || err != nil {
				t.Errorf("%d %v: %d dropped, %v", mtu, dir, after-before, err)
			}
			do(t, h.Impair(dir, Impairment{}))
		}
	}
}

// Where frames are lost, and only there, they are single frames and not 64 KiB
// at a time.
func TestLossIsOfSingleFrames(t *testing.T) {
	const (
		size   = 4 << 20
		single = size / 1460
	)
	h := newHost(t, needSwitch(t), 2)
	for _, dir := range []Direction{ToHost, FromHost} {
		for _, im := range []Impairment{{}, {Loss: 1e-12}, {Loss: 1e-12, Delay: 1}, {Delay: 1}, {}} {
			do(t, h.Impair(dir, im))
			before, _, err := h.Traffic()
			do(t, err)
			took := transfer(t, h, dir, size)
			after, _, err := h.Traffic()
			do(t, err)
			frames := after - before
			t.Logf("%v, %+v: 4 MiB in %d frames, %.0f Mbit/s", dir, im, frames, 8*size/took.Seconds()/1e6)
			if impaired := im != (Impairment{}); impaired != (frames >= single) {
				t.Errorf("%v, %+v: 4 MiB passed in %d frames; %d are single", dir, im, frames, single)
			}
		}
	}
}

func TestRateIsWhatABulkTransferGets(t *testing.T) {
	const (
		rate = 8e6
		size = 1 << 20
	)
	s := needSwitch(t)
	h := newHost(t, s, 2)
	for _, dir := range []Direction{ToHost, FromHost} {
		t.Run(dir.String(), func(t *testing.T) {
			do(t, h.Impair(dir, Impairment{Rate: rate}))
			took := transfer(t, h, dir, size)
			got := 8 * size / took.Seconds()
			t.Logf("%.2f Mbit/s of payload on a link of %.0f Mbit/s", got/1e6, rate/1e6)
			if got > rate || got < 0.6*rate {
				t.Errorf("a link of %.0f bit/s brought %.0f", rate, got)
			}
			do(t, h.Impair(dir, Impairment{}))
			took = transfer(t, h, dir, size)
			if got := 8 * size / took.Seconds(); got < 2*rate {
				t.Errorf("the repaired link brought %.0f bit/s", got)
			}
		})
	}
}

// transfer sends size bytes in a direction through a new connection, and
// returns how long the receiver took from the first byte to the last.
func transfer(t *testing.T, h *Host, dir Direction, size int) time.Duration {
	t.Helper()
	ln, err := listenAt(h, func() (net.Listener, error) { return net.Listen("tcp4", ":0") })
	do(t, err)
	defer ln.Close()
	port := uint16(ln.Addr().(*net.TCPAddr).Port)
	near := dial(t, netip.AddrPortFrom(h.Addr(), port).String())
	far, err := ln.Accept()
	do(t, err)
	defer far.Close()
	from, to := net.Conn(near), far
	if dir == FromHost {
		from, to = far, near
	}
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, size))
		sent <- err
	}()
	to.SetReadDeadline(time.Now().Add(bound))
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	first := time.Now()
	_, err = io.CopyN(io.Discard, to, int64(size-1))
	took := time.Since(first)
	do(t, errors.Join(err, <-sent))
	return took
}

// A queue that is full drops what comes on top.
func TestQueueIsBounded(t *testing.T) {
	const (
		n     = 200
		size  = 1000 - 42 // with the headers a frame of 1000 bytes
		queue = 20000
	)
	h := newHost(t, needSwitch(t), 2)
	here, there := endpoints(t, h)
	do(t, h.Impair(ToHost, Impairment{Rate: 1e6, Queue: queue}))
	here.send(t, there, n, size)
	got := there.receive(t, n)
	// A burst of two large frames, the queue, and what left it meanwhile.
	if len(got) < queue/1000 || len(got) > 2*queue/1000 {
		t.Errorf("%d of %d datagrams arrived, want %d and a few", len(got), n, queue/1000)
	}
	if last := got[len(got)-1].took; last < 100*time.Millisecond {
		t.Errorf("the last came after %v: it did not wait for 20 others on a link of 1 Mbit/s", last)
	}
	t.Logf("%d of %d datagrams arrived, the last after %v", len(got), n, got[len(got)-1].took)
}

func TestDelayIsWhatARoundTripTakes(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	here, there := endpoints(t, h)
	roundTrip := func(rounds int) (least, median time.Duration) {
		took := make([]time.Duration, rounds)
		for i := range took {
			start := time.Now()
			here.send(t, there, 1, 16)
			there.receive(t, 1)
			there.send(t, here, 1, 16)
			if len(here.receive(t, 1)) != 1 {
				t.Fatal("a datagram was lost")
			}
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		return took[0], took[rounds/2]
	}
	_, perfect := roundTrip(100)
	for _, c := range []struct{ to, from time.Duration }{
		{1, 1}, // next to nothing: the floor of the relay
		{20 * time.Millisecond, 0},
		{0, 20 * time.Millisecond},
		{20 * time.Millisecond, 40 * time.Millisecond},
	} {
		do(t, h.Impair(ToHost, Impairment{Delay: c.to}))
		do(t, h.Impair(FromHost, Impairment{Delay: c.from}))
		least, median := roundTrip(20)
		t.Logf("delays %v and %v: round trip %v at least, median %v; %v on a perfect link", c.to, c.from, least, median, perfect)
		// On a busy machine single frames, and the median, come later.
		if want := c.to + c.from; least < want || least > want+10*time.Millisecond {
			t.Errorf("delays %v and %v: round trip %v at least, median %v", c.to, c.from, least, median)
		}
	}
	do(t, h.Impair(Both, Impairment{}))
	expectPlainPort(t, h)
	if least, _ := roundTrip(20); least > 10*time.Millisecond {
		t.Errorf("round trip of %v on the repaired link", least)
	}
}

// expectPlainPort checks that a host's link in the switch is a port of the
// bridge again, alone, and without a queue of its own.
func expectPlainPort(t *testing.T, h *Host) {
	t.Helper()
	do(t, withNetlink(h.sw.ns, func(nl *netlink.Handle) error {
		bridge, err := nl.LinkByName(bridgeName)
		do(t, err)
		port, err := nl.LinkByName(hostPort(h.n))
		do(t, err)
		if port.Attrs().MasterIndex != bridge.Attrs().Index {
			t.Error("the host's link is no port of the bridge")
		}
		for _, name := range []string{nearPort(h.n), farPort(h.n)} {
			if _, err := nl.LinkByName(name); err == nil {
				t.Errorf("link %s is left", name)
			}
		}
		queues, err := nl.QdiscList(port)
		for _, q := range queues {
			if q.Type() == "tbf" {
				t.Error("a queue is left")
			}
		}
		return err
	}))
}

func TestJitterSpreadsAndKeepsTheOrder(t *testing.T) {
	const (
		n      = 400
		delay  = 40 * time.Millisecond
		jitter = 30 * time.Millisecond
	)
	h := newHost(t, needSwitch(t), 2)
	here, there := endpoints(t, h)
	for _, reorder := range []bool{false, true} {
		do(t, h.Impair(ToHost, Impairment{Delay: delay, Jitter: jitter, Reorder: reorder}))
		here.send(t, there, n, 16)
		got := there.receive(t, n)
		if len(got) != n {
			t.Fatalf("%d of %d arrived", len(got), n)
		}
		least, most, overtaken := got[0].took, got[0].took, 0
		for i, s := range got[1:] {
			least, most = min(least, s.took), max(most, s.took)
			if s.number < got[i].number {
				overtaken++
			}
		}
		t.Logf("reorder %v: %v to %v, %d overtaken", reorder, least, most, overtaken)
		if least < delay-jitter {
			t.Errorf("reorder %v: a datagram took %v", reorder, least)
		}
		if reorder != (overtaken > 0) {
			t.Errorf("reorder %v: %d overtaken", reorder, overtaken)
		}
		if reorder && most-least < jitter {
			t.Errorf("delays from %v to %v: no spread", least, most)
		}
	}
}

// What passes through the relay is what was sent, and the connection lives
// through the beginning and the end of the delay, of cuts and of all at once.
func TestConnectionLivesThroughImpairments(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	_, addr := startOn(t, h)
	conn := dial(t, addr)
	expectEcho(t, conn, "before")
	all := Impairment{Loss: 0.05, Rate: 20e6, Delay: 5 * time.Millisecond, Jitter: 2 * time.Millisecond}
	for _, im := range []Impairment{{Delay: 10 * time.Millisecond}, all, {Loss: 0.1}, {}, all} {
		do(t, h.Impair(Both, im))
		expectEcho(t, conn, "impaired")
		pattern := make([]byte, 100_000)
		for i := range pattern {
			pattern[i] = byte(i * i >> 5)
		}
		expectEcho(t, conn, string(pattern))
		do(t, h.Drop(Both))
		_, err := io.WriteString(conn, "cut")
		do(t, err)
		expectSilence(t, conn)
		do(t, h.Heal())
		expectBytes(t, conn, "cut")
	}
	// The impairments are the link's: a new host finds them.
	do(t, h.Impair(Both, Impairment{Delay: 20 * time.Millisecond, Rate: 20e6}))
	do(t, h.Reboot())
	if err := expectEndAfter(t, conn, "old"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the reboot: %v, want ECONNRESET", err)
	}
	_, addr = startOn(t, h)
	start := time.Now()
	expectEcho(t, dial(t, addr), "new life")
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Errorf("a dial and an echo took %v on a link with a round trip of 40 ms", took)
	}
	do(t, h.Impair(Both, Impairment{}))
	expectPlainPort(t, h)
}

// What a killed host still had on a slow and delayed link, its FIN above all,
// never arrives, however soon the host is back.
func TestNothingLeaksFromADelayedLink(t *testing.T) {
	s := needSwitch(t)
	for name, h := range map[string]*Host{"in the switch": newHost(t, s, 2), "behind a router": newRouted(t, s, 3)} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, nil, h)
			expectPassing(t, client, server)
			do(t, h.Impair(FromHost, Impairment{Rate: 1e6, Delay: 2 * silence}))
			_, err := server.Write(make([]byte, 20_000)) // 160 ms
			do(t, err)
			if _, err := io.ReadFull(client, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			do(t, h.Drop(Both))
			do(t, server.Close())
			readUntilSilence(t, client) // it has acknowledged all that came
			do(t, h.Reboot())
			// The client sends nothing, so that the new host is not asked.
			readUntilSilence(t, client)
			expectEstablished(t, client)
		})
	}
}

// readUntilSilence reads what has arrived; an end of the stream fails the test.
func readUntilSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.SetReadDeadline(time.Time{})
	for {
		conn.SetReadDeadline(time.Now().Add(silence))
		_, err := conn.Read(make([]byte, 4096))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		do(t, err)
	}
}

// expectEndAfter writes word and waits for the end of the stream.
func expectEndAfter(t *testing.T, conn net.Conn, word string) error {
	t.Helper()
	_, err := io.WriteString(conn, word)
	do(t, err)
	return expectEnd(t, conn)
}

func TestFlagsDropped(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	p, addr := startOn(t, h)
	conn := dial(t, addr)
	expectEcho(t, conn, "hello")

	// The FIN is lost, and the host is alive: it answers the next packet.
	do(t, h.DropFlags(FromHost, FIN))
	p.Kill()
	expectSilence(t, conn)
	expectEstablished(t, conn)
	if err := expectEndAfter(t, conn, "anybody?"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("ended with %v, want ECONNRESET", err)
	}

	// FIN and RST are lost: silence, although all else passes.
	do(t, h.Heal())
	p, addr = startOn(t, h)
	conn = dial(t, addr)
	expectEcho(t, conn, "hello")
	do(t, h.DropFlags(FromHost, FIN|RST))
	expectEcho(t, conn, "data passes")
	p.Kill()
	_, err := io.WriteString(conn, "anybody?")
	do(t, err)
	expectSilence(t, conn)
	if info := expectEstablished(t, conn); info.Unacked == 0 {
		t.Error("somebody acknowledged what was sent to a dead process")
	}
	if n, err := h.Dropped(); n < 2 || err != nil {
		t.Errorf("%d packets dropped, %v; want a FIN and a RST at least", n, err)
	}

	// It can be undone: the retransmission is answered.
	do(t, h.Heal())
	if err := expectEnd(t, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after Heal: %v, want ECONNRESET", err)
	}
	_, addr = startOn(t, h)
	conn = dial(t, addr)
	expectEcho(t, conn, "old")
	do(t, h.DropFlags(ToHost, SYN))
	expectEcho(t, conn, "an open connection lives")
	if _, err := net.DialTimeout("tcp4", addr, silence); !isTimeout(err) {
		t.Errorf("a new one without SYN: %v", err)
	}
	do(t, h.DropFlags(ToHost, 0))
	expectEcho(t, dial(t, addr), "new")
}

// isTimeout reports whether err is that of a dial that nobody answered.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestImpairmentsThatAreNone(t *testing.T) {
	h := newHost(t, needSwitch(t), 2)
	for _, im := range []Impairment{
		{Loss: -0.1}, {Loss: 1.1}, {Loss: math.NaN()}, {Rate: -1}, {Rate: 1}, {Rate: math.MaxInt64},
		{MTU: -1}, {MTU: minMTU - 1}, {MTU: maxMTU + 1}, {Queue: -1}, {Queue: math.MaxInt}, {Delay: -1}, {Delay: MaxDelay + 1}, {Jitter: 1}, {Delay: 1, Jitter: -1},
	} {
		if err := h.Impair(Both, im); err == nil {
			t.Errorf("%+v was accepted", im)
		}
	}
	_, addr := startOn(t, h)
	conn := dial(t, addr)
	for _, im := range []Impairment{{Rate: minRate}, {Rate: maxRate}, {Rate: 1e6, Queue: maxQueue}, {Loss: 1e-12}, {MTU: maxMTU}} {
		do(t, h.Impair(Both, im))
		expectEcho(t, conn, "the extremes work")
	}
	do(t, h.Impair(Both, Impairment{Delay: MaxDelay}))
	_, err := io.WriteString(conn, "for a minute")
	do(t, err)
	expectSilence(t, conn)
	do(t, h.Impair(Both, Impairment{})) // what is held passes
	expectBytes(t, conn, "for a minute")
}
