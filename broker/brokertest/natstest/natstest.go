// Package natstest is brokertest over nats-server: the same faults, awaits and
// transcripts in front of a real one, embedded in the test. It is a package of its own
// so that only those who want nats-server link it.
//
//	b := natstest.Start(t)                        // a brokertest.Broker
//	b := natstest.Start(t, natstest.Config{JetStream: true})
//	brokers := natstest.StartCluster(t, 3)        // three, connected by routes
//
// Clients reach the server through the kit alone; it listens on no client port of its
// own. It works in a testing/synctest bubble, too, but not as a cluster.
package natstest

import (
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/broker/brokertest"
)

// readyTimeout bounds the start of a server.
const readyTimeout = 10 * time.Second

// Config says what server a test gets. The zero value is nats-server with its defaults.
type Config struct {
	// Config is the kit's part: login, TLS, DropPackets. The login is checked by
	// nats-server. Config.Broker is not looked at.
	brokertest.Config
	// JetStream keeps streams in a directory of the test's, which outlives Crash and
	// Restart as a disk does.
	JetStream bool
	// Server changes nats-server's options before each start: limits, permissions,
	// accounts. Its client port, TLS and signal handling are the kit's. nil changes
	// nothing.
	Server func(*server.Options)
}

// Start starts a nats-server for the test and stops it with the test. At most one
// Config is looked at.
func Start(t testing.TB, cfg ...Config) *brokertest.Broker {
	t.Helper()
	c := one(cfg)
	return start(t, c, c.options(t))
}

func one(cfg []Config) (c Config) {
	if len(cfg) > 0 {
		c = cfg[0]
	}
	return c
}

// options returns how to fill the options for each start.
func (c Config) options(t testing.TB) func(*server.Options) {
	var dir string
	if c.JetStream {
		dir = t.TempDir()
	}
	return func(o *server.Options) {
		o.Username, o.Password, o.Authorization = c.User, c.Password, c.Token
		o.JetStream, o.StoreDir = c.JetStream, dir
		if c.Server != nil {
			c.Server(o)
		}
	}
}

func start(t testing.TB, c Config, fill func(*server.Options)) *brokertest.Broker {
	t.Helper()
	return brokertest.StartBackend(t, func(addr net.Addr) (brokertest.Backend, error) {
		return serve(addr, fill)
	}, c.Config)
}

// backend is a running nats-server.
type backend struct{ s *server.Server }

// serve starts a nats-server that says it is at addr, and listens for no client.
func serve(addr net.Addr, fill func(*server.Options)) (brokertest.Backend, error) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil, err
	}
	o := &server.Options{LameDuckDuration: time.Second, LameDuckGracePeriod: time.Millisecond}
	fill(o)
	o.Host, o.ClientAdvertise = host, addr.String()
	if o.Port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	o.DontListen, o.NoSigs, o.NoLog = true, true, true
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("natstest: nats-server is not ready within 10 s; look at Config.Server")
	}
	return backend{s}, nil
}

func (b backend) InProcessConn() (net.Conn, error) { return b.s.InProcessConn() }

// LameDuck is nats-server's own.
func (b backend) LameDuck() { b.s.LameDuckShutdown() }

// Stop ends the server and waits for it.
func (b backend) Stop() {
	b.s.Shutdown()
	b.s.WaitForShutdown()
}
