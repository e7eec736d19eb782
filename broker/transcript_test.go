package broker_test

import (
	"net"
	"testing"

	stock "github.com/nats-io/nats-server/v2/server"

	"vigil/broker"
)

// TestTranscripts plays every script against Vigil, over sockets and over the
// plain form of a net.Conn, however its input is cut.
func TestTranscripts(t *testing.T) {
	for _, how := range []style{byLine, byByte, coalesced} {
		t.Run(how.String(), func(t *testing.T) {
			eachScript(t, func(t *testing.T, s *script) {
				s.play(t, start(t, s.vigil()).Addr().String(), "vigil", how)
			})
		})
	}
	t.Run("a byte per read", func(t *testing.T) {
		eachScript(t, func(t *testing.T, s *script) {
			cfg := s.vigil()
			cfg.Listener = plainListener{listenLocal(t), 1}
			s.play(t, start(t, cfg).Addr().String(), "vigil", coalesced)
		})
	})
}

// TestTranscriptsOfStockServer plays the same scripts against nats-server: what
// Vigil is held to is what the reference does.
func TestTranscriptsOfStockServer(t *testing.T) {
	for _, how := range []style{byLine, byByte, coalesced} {
		t.Run(how.String(), func(t *testing.T) {
			eachScript(t, func(t *testing.T, s *script) {
				s.play(t, startStock(t, s), "stock", how)
			})
		})
	}
}

// vigil returns what the script wants of Vigil's configuration.
func (s *script) vigil() broker.Config {
	return broker.Config{
		MaxConnections:   s.config["max_connections"],
		MaxPayload:       s.config["max_payload"],
		MaxSubscriptions: s.config["max_subscriptions"],
		MaxControlLine:   s.config["max_control_line"],
	}
}

// startStock starts nats-server as the script wants it and returns its address.
func startStock(t *testing.T, s *script) string {
	t.Helper()
	srv, err := stock.NewServer(&stock.Options{
		Host: "127.0.0.1", Port: stock.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxConn:        s.config["max_connections"],
		MaxPayload:     int32(s.config["max_payload"]),
		MaxSubs:        s.config["max_subscriptions"],
		MaxControlLine: int32(s.config["max_control_line"]),
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
	return srv.Addr().String()
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// plainListener hides that its connections are sockets, so that the broker
// serves them as it would any other net.Conn, and gives it no more than atOnce
// bytes per read; 0 is as many as there are.
type plainListener struct {
	net.Listener
	atOnce int
}

func (l plainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{conn, l.atOnce}, nil
}

type plainConn struct {
	net.Conn
	atOnce int
}

func (c *plainConn) Read(p []byte) (int, error) {
	if c.atOnce > 0 && len(p) > c.atOnce {
		p = p[:c.atOnce]
	}
	return c.Conn.Read(p)
}

func (c *plainConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}
