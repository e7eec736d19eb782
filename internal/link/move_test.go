package link

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

// cluster is two peers that hand every message sent with send to the
// subscribers of both.
type cluster struct {
	*rig
	other *peer

	mu  sync.Mutex
	got []string // guarded by mu
}

func (c *cluster) received() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func (c *cluster) send(n int) {
	for _, p := range []*peer{c.peer, c.other} {
		for i := range p.count() {
			pc := p.conn(i)
			pc.mu.Lock()
			if sid, ok := pc.subs["s"]; ok {
				text := fmt.Sprint(n)
				fmt.Fprintf(pc.nc, "MSG s %s %d\r\n%s\r\n", sid, len(text), text)
			}
			pc.mu.Unlock()
		}
	}
}

func inCluster(t *testing.T, cfg Config, test func(c *cluster)) {
	t.Helper()
	pairOfBrokers(t, cfg, func(r *rig, other *peer) {
		c := &cluster{rig: r, other: other}
		if _, err := r.link.Subscribe("s", "", func(op *wire.Op) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.got = append(c.got, string(op.Payload()))
		}); err != nil {
			t.Fatal(err)
		}
		r.flush()
		test(c)
	})
}

func TestLameDuckIsLeftWithoutADeafWindow(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.net.Delay(address, 7*time.Millisecond)
		c.net.Delay("other:4222", 11*time.Millisecond)
		n := 0
		feed := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); n++ {
				c.send(n)
				time.Sleep(time.Millisecond)
			}
		}
		feed(50 * time.Millisecond)
		flushed := make(chan error, 1)
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true,"connect_urls":["broker:4222","other:4222"]}` + "\r\n")
		feed(60 * time.Millisecond)
		go func() { flushed <- c.link.Flush(c.t.Context()) }()
		feed(400 * time.Millisecond)
		time.Sleep(time.Second)

		c.wantKinds("left in order", "connected, lame duck, lost, resumed")
		if e := c.last(EventResumed); e.Deaf() != 0 || !strings.HasSuffix(e.String(), ": never deaf") {
			t.Errorf("event %v", e)
		}
		if err := <-flushed; err != nil {
			t.Errorf("a Flush amid the move: %v", err)
		}
		if len(c.received()) != n {
			t.Errorf("%d messages, want %d", len(c.received()), n)
		}
		for i, m := range c.received() {
			if m != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, m)
			}
		}
		ops := c.peer.conn(0).told()
		if last := ops[len(ops)-1]; last != "UNSUB 1 0" {
			t.Errorf("the lame duck was told %q last", last)
		}
	})
}

// moving makes the broker a lame duck that answers no PING from now on.
func (c *cluster) moving() {
	c.peer.conn(0).set(true, false)
	c.peer.conn(0).send(`INFO {"headers":true,"ldm":true,"connect_urls":["broker:4222","other:4222"]}` + "\r\n")
	time.Sleep(time.Second) // left, not yet gone
}

// A lame duck that lives, but neither delivers nor confirms, holds nobody up for
// longer than an attempt may take; and then it is not said that nothing was missed.
func TestLameDuckThatNeverConfirms(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		began := time.Now()
		c.moving()
		c.publish("x")
		flushed := make(chan error, 1)
		start := time.Now()
		go func() {
			err := c.link.Flush(c.t.Context())
			if took := time.Since(start); took > DefaultAttemptTimeout {
				t.Errorf("flushed after %v", took)
			}
			flushed <- err
		}()
		for range 20 {
			c.peer.conn(0).send("+OK\r\n")
			time.Sleep(200 * time.Millisecond)
		}
		if _, interrupted := errors.AsType[*InterruptedError](<-flushed); !interrupted {
			t.Error("a Flush was confirmed by nobody")
		}
		if got, err := c.other.conn(0).payloads(); err != nil || !slices.Equal(got, []string{"x"}) {
			t.Errorf("the other server got %q, %v", got, err)
		}
		c.wantKinds("left at last", "connected, lame duck, lost, resumed")
		lost, resumed := c.last(EventLost), c.last(EventResumed)
		if lost.Loss.Cause != CauseTimeout || !strings.Contains(lost.String(), "a lame duck, told that it is left, and no PONG for ") {
			t.Errorf("event %v", lost)
		}
		// What it took for us behind its last PONG may be lost.
		if resumed.DeafFrom.After(began) || !resumed.DeafTo.Equal(lost.At) {
			t.Errorf("event %v, the last PONG came before %v", resumed, began)
		}
	})
}

// A lame duck that has much for us is waited for as long as that comes, so that
// none of it is lost.
func TestLameDuckWithABacklog(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.moving()
		const messages = 100
		for n := range messages {
			c.peer.conn(0).send(fmt.Sprintf("MSG s 1 3\r\n%03d\r\n", n))
			time.Sleep(100 * time.Millisecond)
		}
		for range c.peer.conn(0).told() { // as many as there can be PINGs
			c.peer.conn(0).send("PONG\r\n")
		}
		time.Sleep(time.Second)
		got := c.received()
		for n := range messages {
			if n >= len(got) || got[n] != fmt.Sprintf("%03d", n) {
				t.Fatalf("%d of %d messages came: %q", len(got), messages, got)
			}
		}
		c.wantKinds("left in order", "connected, lame duck, lost, resumed")
		if e := c.last(EventResumed); e.Deaf() != 0 {
			t.Errorf("event %v", e)
		}
	})
}

// Subscriptions made and ended while moving are in effect afterwards.
func TestSubscribeWhileMoving(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.net.Delay("other:4222", 50*time.Millisecond)
		first := ""
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		for i := range 30 {
			sid, err := c.link.Subscribe(fmt.Sprint("x", i), "", func(*wire.Op) {})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = sid
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err := c.link.Unsubscribe(first, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.flush()
		told := strings.Join(c.other.conn(0).told(), ",") + ","
		for i := range 30 {
			if k := strings.Count(told, fmt.Sprintf("SUB x%d ", i)); k != 1 {
				t.Errorf("the other broker was told %d times of x%d", k, i)
			}
		}
		if !strings.Contains(told, ",UNSUB "+first+" 0,") {
			t.Errorf("told %s", told)
		}
	})
}

// A lame duck that dies amid the move is lost like any other broker.
func TestLameDuckDiesWhileMoving(t *testing.T) {
	for after := time.Duration(0); after < 100*time.Millisecond; after += 3 * time.Millisecond {
		inCluster(t, Config{}, func(c *cluster) {
			c.net.Delay("other:4222", 10*time.Millisecond)
			c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
			time.Sleep(after)
			c.peer.conn(0).nc.Close()
			time.Sleep(5 * time.Second)
			if s := c.link.Status(); s.State != StateConnected || s.Server != "nats://other:4222" {
				t.Errorf("after %v: %+v", after, s)
			}
			c.send(1)
			time.Sleep(time.Second)
			if len(c.received()) != 1 {
				t.Errorf("after %v: got %q", after, c.received())
			}
			if n := c.other.open(); n != 1 {
				t.Errorf("after %v: %d connections", after, n)
			}
		})
	}
}

// The other server dies while the lame duck's last PONG is awaited: what it had
// brought is delivered, and the deaf window begins there, not at that PONG.
func TestOtherServerDiesWhileMoving(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.net.Delay("other:4222", 10*time.Millisecond)
		duck := c.peer.conn(0)
		duck.set(true, false)
		duck.send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(overlap + 200*time.Millisecond)
		if ops := duck.told(); ops[len(ops)-1] != "UNSUB 1 0" {
			t.Fatalf("the lame duck was told %q", ops)
		}
		duck.mu.Lock()
		delete(duck.subs, "s")
		duck.mu.Unlock()
		c.send(1)
		time.Sleep(100 * time.Millisecond)
		died := time.Now()
		c.other.conn(0).nc.Close()
		time.Sleep(100 * time.Millisecond)
		c.send(2) // to nobody
		time.Sleep(100 * time.Millisecond)
		duck.send("PONG\r\n")
		time.Sleep(5 * time.Second)
		if e := c.last(EventResumed); e.DeafFrom.After(died) || e.Deaf() == 0 {
			t.Errorf("event %v, want it to say deaf from %v at the latest", e, died.Format(clock))
		}
		if got := c.received(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("received %q", got)
		}
	})
}

// Equal messages are neither lost nor delivered twice, however often they come.
func TestMovingAmidEqualMessages(t *testing.T) {
	for _, period := range []time.Duration{1, 7, 30, 100, 249, 260, 300, 350} {
		period *= time.Millisecond
		for at := time.Duration(0); at < min(period, 60*time.Millisecond); at += 3 * time.Millisecond {
			inCluster(t, Config{}, func(c *cluster) {
				c.net.Delay(address, 10*time.Millisecond)
				c.net.Delay("other:4222", 10*time.Millisecond)
				time.Sleep(time.Second)
				c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
				time.Sleep(at)
				messages := int(time.Second / period)
				for range messages {
					c.send(7)
					time.Sleep(period)
				}
				time.Sleep(time.Second)
				if n := len(c.received()); n != messages {
					t.Errorf("each %v from %v on: got %d of %d", period, at, n, messages)
				}
			})
		}
	}
}

// The jobs of a queue group have no copies, and those of the lame duck and of the
// other server may be equal.
func TestMovingWithAQueueGroup(t *testing.T) {
	pairOfBrokers(t, Config{}, func(r *rig, other *peer) {
		got := 0
		sid, err := r.link.Subscribe("jobs", "group", func(*wire.Op) { got++ })
		if err != nil {
			t.Fatal(err)
		}
		r.flush()
		r.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(DefaultRetryBase + overlap/4)
		job := "MSG jobs " + sid + " 0\r\n\r\n"
		for range 4 {
			r.peer.conn(0).send(job)
			other.conn(0).send(job)
			time.Sleep(overlap / 8)
		}
		time.Sleep(time.Second)
		r.link.Close()
		if got != 8 {
			t.Errorf("%d jobs of 8", got)
		}
	})
}

// A cluster learns of the subscriptions a while after the server that was asked.
func TestMovingAheadOfTheRoutes(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		send := func(n int, late bool) {
			peers := []*peer{c.peer, c.other}
			if late {
				peers = peers[:1] // the publisher's server does not know of the other yet
			}
			for _, p := range peers {
				for i := range p.count() {
					pc := p.conn(i)
					pc.mu.Lock()
					if sid, ok := pc.subs["s"]; ok {
						text := fmt.Sprint(n)
						fmt.Fprintf(pc.nc, "MSG s %s %d\r\n%s\r\n", sid, len(text), text)
					}
					pc.mu.Unlock()
				}
			}
		}
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		var since time.Time // when the other server was subscribed
		var want []string
		for n := range 500 {
			if since.IsZero() && c.other.count() > 0 && len(c.other.conn(0).told()) > 1 {
				since = time.Now()
			}
			if ops := c.peer.conn(0).told(); ops[len(ops)-1] == "UNSUB 1 0" {
				c.peer.conn(0).mu.Lock()
				delete(c.peer.conn(0).subs, "s")
				c.peer.conn(0).mu.Unlock()
			}
			send(n, since.IsZero() || time.Since(since) < 50*time.Millisecond)
			want = append(want, fmt.Sprint(n))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if got := c.received(); !slices.Equal(got, want) {
			t.Errorf("received %q", got)
		}
	})
}

// A lame duck whose subscriptions were ended brings no message to ourselves back,
// which is no reason to condemn it, and the PINGs behind them must not keep it.
func TestRoutedProbeWhileMoving(t *testing.T) {
	inCluster(t, Config{RoutedProbe: minRoutedProbe}, func(c *cluster) {
		c.net.Delay(address, 50*time.Millisecond)
		c.net.Delay("other:4222", 10*time.Millisecond)
		time.Sleep(time.Second)
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(time.Second)
		c.wantKinds("afterwards", "connected, lame duck, lost, resumed")
		if e := c.last(EventResumed); e.Loss.Cause != CauseLameDuck || e.Deaf() != 0 {
			t.Errorf("event %v for %v", e, e.Loss)
		}
	})
}

// Servers that all announce their end do not send a client round and round.
func TestLameDucksAllTheWay(t *testing.T) {
	pairOfBrokers(t, Config{}, func(r *rig, other *peer) {
		const duck = `INFO {"headers":true,"ldm":true}` + "\r\n"
		script := func(c *peerConn) {
			c.send(string(wire.AppendInfo(nil, &c.peer.info)))
			time.AfterFunc(5*time.Millisecond, func() { c.send(duck) })
			c.read()
		}
		r.peer.script, other.script = script, script
		r.net.Delay(address, time.Millisecond)
		r.net.Delay("other:4222", time.Millisecond)
		r.peer.conn(0).send(duck)
		const length = 20 * time.Second
		time.Sleep(length)
		n := r.peer.count() + other.count()
		if most := int(5 * length / DefaultRetryCap); n < 3 || n > most {
			t.Errorf("%d connections in %v, want no more than %d", n, length, most)
		}
	})
}

// A server that is subscribed when the lame duck dies takes over at once.
func TestLameDuckDiesInTheOverlap(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.net.Delay("other:4222", 10*time.Millisecond)
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(DefaultRetryBase + 100*time.Millisecond)
		c.send(1)
		time.Sleep(20 * time.Millisecond)
		c.peer.conn(0).nc.Close()
		synctest.Wait()
		c.send(2)
		time.Sleep(time.Second)
		if got := c.received(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("received %q", got)
		}
		// No PONG says that it had nothing more for us.
		if e, lost := c.last(EventResumed), c.last(EventLost); !e.DeafTo.Equal(lost.At) || e.Deaf() <= 0 || e.Deaf() > time.Second || e.Attempt != 0 {
			t.Errorf("event %v, attempt %d", e, e.Attempt)
		}
		if n := c.other.count(); n != 1 {
			t.Errorf("%d connections to the other server", n)
		}
	})
}

// A server that dies in the overlap is no reason to end the subscriptions.
func TestOtherServerDiesInTheOverlap(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(DefaultRetryBase + 10*time.Millisecond)
		c.other.conn(0).nc.Close()
		time.Sleep(time.Second)
		c.send(1)
		time.Sleep(time.Second)
		c.wantKinds("still there", "connected, lame duck")
		if got := c.received(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("received %q", got)
		}
		if _, err := c.link.Subscribe("x", "", func(*wire.Op) {}); err != nil {
			t.Fatal(err)
		}
		c.link.mu.Lock()
		defer c.link.mu.Unlock()
		if c.link.hello != nil || c.link.toldHello != nil {
			t.Error("the server that died is still the next one")
		}
	})
}

// A subscription made amid the move, and confirmed by a Flush, misses nothing.
func TestSubscribedInTheOverlap(t *testing.T) {
	inCluster(t, Config{}, func(c *cluster) {
		c.net.Delay(address, 10*time.Millisecond)
		c.net.Delay("other:4222", 10*time.Millisecond)
		c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
		time.Sleep(DefaultRetryBase + 150*time.Millisecond)
		var got, want []string
		sid, err := c.link.Subscribe("x", "", func(op *wire.Op) { got = append(got, string(op.Payload())) })
		if err != nil {
			t.Fatal(err)
		}
		c.flush()
		for n := range 400 {
			for _, p := range []*peer{c.peer, c.other} {
				for i := range p.count() {
					pc := p.conn(i)
					ended := slices.Contains(pc.told(), "UNSUB "+sid+" 0")
					pc.mu.Lock()
					if pc.subs["x"] != "" && !ended {
						fmt.Fprintf(pc.nc, "MSG x %s 3\r\n%03d\r\n", sid, n)
					}
					pc.mu.Unlock()
				}
			}
			want = append(want, fmt.Sprintf("%03d", n))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		c.wantKinds("left in order", "connected, lame duck, lost, resumed")
		c.link.Close()
		if !slices.Equal(got, want) {
			t.Errorf("got %d of %d", len(got), len(want))
		}
	})
}

func TestCloseWhileMoving(t *testing.T) {
	for after := time.Duration(0); after < 120*time.Millisecond; after += 2 * time.Millisecond {
		inCluster(t, Config{}, func(c *cluster) {
			c.net.Delay(address, 10*time.Millisecond)
			c.net.Delay("other:4222", 10*time.Millisecond)
			c.peer.conn(0).send(`INFO {"headers":true,"ldm":true}` + "\r\n")
			answered := make(chan error, 200)
			flushes := 0
			for end := time.Now().Add(after); time.Now().Before(end); flushes++ {
				go func() { answered <- c.link.Flush(c.t.Context()) }()
				time.Sleep(time.Millisecond)
			}
			if err := c.link.Close(); err != nil {
				t.Errorf("after %v: %v", after, err)
			}
			synctest.Wait()
			if n := len(answered); n != flushes {
				t.Fatalf("after %v: %d of %d Flushes were answered", after, n, flushes)
			}
		})
	}
}
