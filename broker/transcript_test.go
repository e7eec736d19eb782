package broker_test

import (
	"net"
	"testing"
)

// TestTranscripts plays every script against Vigil, over sockets and over the
// plain form of a net.Conn, however its input is cut.
func TestTranscripts(t *testing.T) {
	playAll(t, startVigil, byLine, byByte, coalesced)
	t.Run("a byte per read", func(t *testing.T) {
		playAll(t, plainVigil(1), coalesced)
	})
}

// plainVigil starts Vigil over the plain form of a net.Conn, see plainListener.
func plainVigil(atOnce int) func(testing.TB, limits) *rival {
	return func(t testing.TB, l limits) *rival {
		cfg := vigilConfig(l)
		cfg.Listener = plainListener{listenLocal(t), atOnce}
		b := start(t, cfg)
		return &rival{name: "vigil", addr: b.Addr().String(), connected: b.NumClients}
	}
}

// TestTranscriptsOfStockServer plays the same scripts against nats-server: what
// Vigil is held to is what the reference does.
func TestTranscriptsOfStockServer(t *testing.T) {
	playAll(t, startStock, byLine, byByte, coalesced)
}

// minScripts is how many scripts there are at least: the scripts are the
// statement of what Vigil does, so that none may get lost.
const minScripts = 300

func playAll(t *testing.T, start func(testing.TB, limits) *rival, styles ...style) {
	scripts := allScripts(t)
	if len(scripts) < minScripts {
		t.Errorf("%d scripts, want at least %d", len(scripts), minScripts)
	}
	brokers := newStable(t, start)
	t.Run("scripts", func(t *testing.T) { // ends before the brokers do
		for _, s := range scripts {
			for _, how := range styles {
				t.Run(s.name+"/"+how.String(), func(t *testing.T) {
					t.Parallel()
					r := brokers.take(s.config)
					if r.name == "stock" && how == byByte && s.name == "carriage_return_in_arguments" {
						// It takes one at the end of what it has read at once for the
						// line's: what becomes of the next byte depends on the clock.
						check(t, brokers.giveBack(s.config, r))
						t.Skip("SKIP: nats-server takes the same bytes one way or another, as they happen to arrive")
					}
					s.play(t, r, how)
					check(t, brokers.giveBack(s.config, r))
				})
			}
		}
	})
}

func listenLocal(t testing.TB) net.Listener {
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
