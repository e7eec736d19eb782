package foreign_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

// What the client learns of the broker when it connects.
func TestConnection(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		nc := b.dial(t)
		if !nc.HeadersSupported() || nc.MaxPayload() != 1<<20 || nc.AuthRequired() || nc.TLSRequired() {
			t.Errorf("headers %v, max payload %d, auth %v, TLS %v", nc.HeadersSupported(), nc.MaxPayload(), nc.AuthRequired(), nc.TLSRequired())
		}
		if id := nc.ConnectedServerId(); !regexp.MustCompile(`^N[A-Z2-7]{55}$`).MatchString(id) {
			t.Errorf("server id %q", id)
		}
		if v := nc.ConnectedServerVersion(); !regexp.MustCompile(`^[2-9]\.\d+\.\d+`).MatchString(v) {
			t.Errorf("version %q, want a semantic one from 2 on", v)
		}
		if nc.ConnectedServerName() == "" || len(nc.DiscoveredServers()) != 0 {
			t.Errorf("name %q, discovered %q", nc.ConnectedServerName(), nc.DiscoveredServers())
		}
		ip, err := nc.GetClientIP()
		must(t, err)
		if !ip.Equal(net.IPv4(127, 0, 0, 1)) {
			t.Errorf("client ip %v", ip)
		}
		first, err := nc.GetClientID()
		must(t, err)
		second, err := b.dial(t).GetClientID()
		must(t, err)
		if first == 0 || second <= first {
			t.Errorf("client ids %d, then %d", first, second)
		}
		rtt, err := nc.RTT()
		must(t, err)
		if rtt <= 0 || rtt > patience {
			t.Errorf("round trip %v", rtt)
		}
		must(t, nc.FlushTimeout(patience))
		eventually(t, "the second INFO", func() bool { return nc.RemoteAccount() == "$G" })
	})
}

// Synchronous, asynchronous and channel subscriptions over patterns, each with
// exactly what matches.
func TestSubscriptions(t *testing.T) {
	published := []string{"a", "a.b", "a.b.c", "a.x.c", "x.b.c", "a.b.c.d", "$SYS.a", "å.b.c"}
	matching := map[string][]string{
		"a":     {"a"},
		"a.*":   {"a.b"},
		"a.*.c": {"a.b.c", "a.x.c"},
		"*.b.c": {"a.b.c", "x.b.c", "å.b.c"},
		"a.>":   {"a.b", "a.b.c", "a.x.c", "a.b.c.d"},
		"*.*.>": {"a.b.c", "a.x.c", "x.b.c", "a.b.c.d", "å.b.c"},
		">":     published,
	}
	each(t, func(t *testing.T, b *process) {
		pub, sub := b.dial(t), b.dial(t)
		for pattern, want := range matching {
			synchronous, err := sub.SubscribeSync(pattern)
			must(t, err)
			channel := make(chan *nats.Msg, 100)
			_, err = sub.ChanSubscribe(pattern, channel)
			must(t, err)
			called := make(chan string, 100)
			_, err = sub.Subscribe(pattern, func(m *nats.Msg) { called <- m.Subject })
			must(t, err)
			must(t, sub.Flush())
			for _, s := range published {
				must(t, pub.Publish(s, []byte(s)))
			}
			settle(t, pub, sub)
			if got := drainAll(t, synchronous); !slices.Equal(got, want) {
				t.Errorf("%s, synchronous: got %q, want %q", pattern, got, want)
			}
			if len(channel) != len(want) {
				t.Errorf("%s, channel: got %d, want %d", pattern, len(channel), len(want))
			}
			for k, w := range want {
				if got := await(t, pattern+", channel", channel).Subject; got != w {
					t.Errorf("%s, channel: message %d is %q, want %q", pattern, k, got, w)
				}
				if got := await(t, pattern+", callback", called); got != w {
					t.Errorf("%s, callback: message %d is %q, want %q", pattern, k, got, w)
				}
			}
		}
	})
}

// Headers come as they were sent: several values, order, case, empty ones.
func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		pub, sub := b.dial(t), b.dial(t)
		s, err := sub.SubscribeSync("h")
		must(t, err)
		must(t, sub.Flush())
		header := nats.Header{
			"Several":   {"one", "two", "three"},
			"lower":     {"stays lower"},
			"Empty":     {""},
			"Long":      {string(slices.Repeat([]byte("x"), 3000))},
			"Unicode":   {"größer: ✓"},
			"With-Dash": {"a: b: c"},
		}
		for _, data := range []string{"", "payload", "\r\nMSG h 1 0\r\n\r\n"} {
			must(t, pub.PublishMsg(&nats.Msg{Subject: "h", Reply: "back", Header: header, Data: []byte(data)}))
			m, err := s.NextMsg(patience)
			must(t, err)
			if string(m.Data) != data || m.Reply != "back" || len(m.Header) != len(header) {
				t.Errorf("got %q, reply %q, %d headers", m.Data, m.Reply, len(m.Header))
			}
			for key, values := range header {
				if !slices.Equal(m.Header[key], values) {
					t.Errorf("%s: got %.100q, want %.100q", key, m.Header[key], values)
				}
			}
		}
	})
}

// Payloads of every size up to the limit; one over it is refused.
func TestLargePayloads(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		pub, sub := b.dial(t), b.dial(t)
		s, err := sub.SubscribeSync("large")
		must(t, err)
		must(t, sub.Flush())
		random := rand.NewChaCha8([32]byte{1})
		var sums [][sha256.Size]byte
		for _, size := range []int{0, 1, 4095, 4096, 32<<10 - 1, 64 << 10, 500_000, 1<<20 - 1, 1 << 20, 1 << 20} {
			data := make([]byte, size)
			_, _ = random.Read(data)
			sums = append(sums, sha256.Sum256(data))
			must(t, pub.Publish("large", data))
		}
		for k, want := range sums {
			m, err := s.NextMsg(patience)
			must(t, err)
			if sha256.Sum256(m.Data) != want {
				t.Errorf("payload %d of %d bytes differs", k, len(m.Data))
			}
		}
		if err := pub.Publish("large", make([]byte, 1<<20+1)); !errors.Is(err, nats.ErrMaxPayload) {
			t.Errorf("a byte too many: %v", err)
		}
	})
}

// Each message goes to one member of each queue group, over all patterns, and
// to the plain subscriptions besides.
func TestQueues(t *testing.T) {
	const messages, members = 600, 3
	each(t, func(t *testing.T, b *process) {
		pub := b.dial(t)
		var conns []*nats.Conn
		subscribe := func(pattern, queue string) *nats.Subscription {
			nc := b.dial(t)
			s, err := nc.QueueSubscribeSync(pattern, queue)
			must(t, err)
			must(t, nc.Flush())
			conns = append(conns, nc)
			return s
		}
		groups := map[string][]*nats.Subscription{}
		for k := range members {
			groups["workers"] = append(groups["workers"], subscribe([]string{"work.*", "work.>", "work.a"}[k], "workers"))
			groups["audit"] = append(groups["audit"], subscribe("work.a", "audit"))
		}
		plain := subscribe("work.a", "")
		want := make([]string, messages)
		for n := range messages {
			want[n] = fmt.Sprintf("%04d", n)
			must(t, pub.Publish("work.a", []byte(want[n])))
		}
		settle(t, pub, conns...)
		if got := drainAll(t, plain); !slices.Equal(got, want) {
			t.Errorf("the plain subscription got %d messages, want all %d in order", len(got), messages)
		}
		for name, subs := range groups {
			var all []string
			for k, s := range subs {
				got := drainAll(t, s)
				if len(got) == 0 || !slices.IsSorted(got) {
					t.Errorf("%s: member %d got %d messages, in order: %v", name, k, len(got), slices.IsSorted(got))
				}
				all = append(all, got...)
			}
			if slices.Sort(all); !slices.Equal(all, want) {
				t.Errorf("%s got %d messages, want each of %d once", name, len(all), messages)
			}
		}
	})
}

// A subscription that is told to end after so many messages gets just those.
func TestAutoUnsubscribe(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		pub, sub := b.dial(t), b.dial(t)
		s, err := sub.SubscribeSync("few")
		must(t, err)
		must(t, s.AutoUnsubscribe(7))
		must(t, sub.Flush())
		before := sub.Stats().InMsgs
		for n := range 50 {
			must(t, pub.Publish("few", []byte(strconv.Itoa(n))))
		}
		settle(t, pub, sub)
		if got := sub.Stats().InMsgs - before; got != 7 {
			t.Errorf("%d messages came, want 7", got)
		}
		for n := range 7 {
			m, err := s.NextMsg(patience)
			must(t, err)
			if string(m.Data) != strconv.Itoa(n) {
				t.Errorf("message %d is %q", n, m.Data)
			}
		}
		if _, err := s.NextMsg(patience); !errors.Is(err, nats.ErrMaxMessages) {
			t.Errorf("behind the last: %v", err)
		}
	})
}

// A connection without echo hears others and not itself, plain and in a group.
func TestNoEcho(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		mute, other := b.dial(t, nats.NoEcho()), b.dial(t)
		plain, err := mute.SubscribeSync("e")
		must(t, err)
		mine, err := mute.QueueSubscribeSync("e", "q")
		must(t, err)
		theirs, err := other.QueueSubscribeSync("e", "q")
		must(t, err)
		settle(t, mute, other)
		for range 100 {
			must(t, mute.Publish("e", []byte("mine")))
		}
		settle(t, mute, other, mute)
		if a, b, c := len(drainAll(t, plain)), len(drainAll(t, mine)), len(drainAll(t, theirs)); a != 0 || b != 0 || c != 100 {
			t.Errorf("own messages: plain %d, own member %d, other member %d; want 0, 0, 100", a, b, c)
		}
		must(t, other.Publish("e", []byte("theirs")))
		settle(t, other, mute)
		if got := drainAll(t, plain); !slices.Equal(got, []string{"theirs"}) {
			t.Errorf("got %q from another", got)
		}
	})
}

// A client that is too slow for itself says so, and stays connected.
func TestSlowConsumer(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		told := make(chan error, 100)
		pub := b.dial(t)
		sub := b.dial(t, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))
		entered, release := make(chan struct{}, 100), make(chan struct{})
		s, err := sub.Subscribe("slow", func(*nats.Msg) { entered <- struct{}{}; <-release })
		must(t, err)
		must(t, s.SetPendingLimits(10, -1))
		must(t, sub.Flush())
		must(t, pub.Publish("slow", nil))
		await(t, "the first message", entered)
		for range 50 {
			must(t, pub.Publish("slow", nil))
		}
		settle(t, pub, sub)
		if err := await(t, "the error", told); !errors.Is(err, nats.ErrSlowConsumer) {
			t.Errorf("told %v", err)
		}
		// Ten fit, the one being handled among them.
		if n, err := s.Dropped(); err != nil || n != 41 {
			t.Errorf("%d dropped (error %v), want 41", n, err)
		}
		close(release)
		must(t, sub.Flush())
		if !sub.IsConnected() {
			t.Error("the connection is gone")
		}
	})
}
