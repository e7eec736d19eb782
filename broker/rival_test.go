package broker_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	stock "github.com/nats-io/nats-server/v2/server"

	"vigil/broker"
)

// rival is one of the two brokers that are compared, running.
type rival struct {
	name string // "vigil" or "stock"
	addr string
	// connected returns how many clients the broker serves; those that it does
	// not count have no subscriptions left either.
	connected func() int
	// alter, when set, changes what is sent to the broker and what comes from
	// it: how the tests themselves are tested.
	alterSent, alterReceived func(string) string
}

// limits are a broker's configuration, in nats-server's words.
type limits map[string]int

func (l limits) String() string { return fmt.Sprint(map[string]int(l)) } // in the order of the keys

// startVigil starts Vigil.
func startVigil(t testing.TB, l limits) *rival {
	t.Helper()
	b := start(t, vigilConfig(l))
	return &rival{name: "vigil", addr: b.Addr().String(), connected: b.NumClients}
}

func vigilConfig(l limits) broker.Config {
	return broker.Config{
		MaxConnections:   l["max_connections"],
		MaxPayload:       l["max_payload"],
		MaxSubscriptions: l["max_subscriptions"],
		MaxSubTokens:     l["max_sub_tokens"],
		MaxControlLine:   l["max_control_line"],
	}
}

// startStock starts nats-server.
func startStock(t testing.TB, l limits) *rival {
	t.Helper()
	srv, err := stock.NewServer(&stock.Options{
		Host: "127.0.0.1", Port: stock.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxConn:        l["max_connections"],
		MaxPayload:     int32(l["max_payload"]),
		MaxSubs:        l["max_subscriptions"],
		MaxSubTokens:   uint8(l["max_sub_tokens"]),
		MaxControlLine: int32(l["max_control_line"]),
	})
	check(t, err)
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(patience) {
		t.Fatal("nats-server does not start")
	}
	return &rival{
		name: "stock", addr: srv.Addr().String(),
		// The account lets go of a client last, when its subscriptions are gone.
		connected: func() int { return srv.GlobalAccount().NumLocalConnections() },
	}
}

// dial connects to the broker.
func (r *rival) dial() (net.Conn, error) {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil || r.alterSent == nil && r.alterReceived == nil {
		return conn, err
	}
	return &alteredConn{conn, r}, nil
}

// await waits until the broker serves want clients.
func (r *rival) await(want int) error {
	if r.connected() == want {
		return nil
	}
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		select {
		case <-tick.C:
			if r.connected() == want {
				return nil
			}
		case <-late:
			return fmt.Errorf("%s serves %d clients, want %d", r.name, r.connected(), want)
		}
	}
}

// alteredConn is a stream with a fault.
type alteredConn struct {
	net.Conn
	by *rival
}

func (c *alteredConn) Write(p []byte) (int, error) {
	text := string(p)
	if c.by.alterSent != nil {
		text = c.by.alterSent(text)
	}
	_, err := c.Conn.Write([]byte(text))
	return len(p), err
}

func (c *alteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:len(p)/2]) // room for what grows
	if c.by.alterReceived != nil && n > 0 {
		n = copy(p, c.by.alterReceived(string(p[:n])))
	}
	return n, err
}

func (c *alteredConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }

// stable keeps brokers that are running and serve nobody, so that a script does
// not have to start its own.
type stable struct {
	t     testing.TB
	start func(t testing.TB, l limits) *rival

	mu   sync.Mutex
	idle map[string][]*rival // by limits
}

func newStable(t testing.TB, start func(t testing.TB, l limits) *rival) *stable {
	return &stable{t: t, start: start, idle: make(map[string][]*rival)}
}

// take returns a broker with the limits that nobody else uses.
func (s *stable) take(l limits) *rival {
	key := l.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle[key])
	if n == 0 {
		return s.start(s.t, l)
	}
	r := s.idle[key][n-1]
	s.idle[key] = s.idle[key][:n-1]
	return r
}

// giveBack returns a broker whose clients have gone or will go now.
func (s *stable) giveBack(l limits, r *rival) error {
	if err := r.await(0); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle[l.String()] = append(s.idle[l.String()], r)
	return nil
}
