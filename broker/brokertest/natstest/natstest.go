// Package natstest is brokertest over nats-server: the same faults, awaits and
// transcripts in front of a real one, embedded in the test. It is a package of its own
// so that only those who want nats-server link it.
//
//	b := natstest.Start(t)                        // a brokertest.Broker
//	b := natstest.Start(t, natstest.Config{JetStream: true})
//	brokers := natstest.StartCluster(t, 3)        // three, connected by routes
//
// Clients reach the server through the kit. It works in a testing/synctest bubble, too,
// but not as a cluster; there it listens nowhere, so that its lame duck is a plain stop.
package natstest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
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

// StartCluster starts n nats-servers that are connected by routes, at once, and waits
// until all know each other. Each has a Broker of its own, whose faults meet its clients
// and not the routes: a server that has crashed is gone for the others with a FIN. With
// JetStream the servers of a cluster elect leaders; give that time.
func StartCluster(t testing.TB, n int, cfg ...Config) []*brokertest.Broker {
	t.Helper()
	c := one(cfg)
	brokers := make([]*brokertest.Broker, n)
	known := make(members, n)
	servers := make([]*server.Server, n) // the latest
	for i := range n {
		fill := c.options(t)
		brokers[i] = brokertest.StartBackend(t, func(addr net.Addr) (brokertest.Backend, error) {
			b, err := serve(addr, func(o *server.Options) {
				known.join(i, o)
				fill(o)
			})
			if err == nil {
				known[i].Store(b.s.ClusterAddr())
				servers[i] = b.s
			}
			return b, err
		}, c.Config)
	}
	for _, s := range servers {
		awaitRoutes(t, s, n-1)
	}
	return brokers
}

// members are where the servers of a cluster are for each other, nil as long as one was
// never started.
type members []atomic.Pointer[net.TCPAddr]

// join makes a server the member i: at any free port, or where it was before, with
// routes to the others.
func (m members) join(i int, o *server.Options) {
	o.ServerName = fmt.Sprintf("server-%d", i+1)
	o.Cluster = server.ClusterOpts{Name: "brokertest", Host: "127.0.0.1", Port: server.RANDOM_PORT, PoolSize: -1}
	for k := range m {
		other := m[k].Load()
		switch {
		case other == nil:
		case k == i:
			o.Cluster.Port = other.Port
		default:
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: other.String()})
		}
	}
}

// awaitRoutes waits for routes, which announce themselves by nothing but their number.
func awaitRoutes(t testing.TB, s *server.Server, n int) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(readyTimeout); s.NumRoutes() < n; <-look.C {
		if time.Now().After(end) {
			t.Fatalf("natstest: cluster: %s has %d routes after %v, want %d", s.Name(), s.NumRoutes(), readyTimeout, n)
		}
	}
}

// backend is a running nats-server.
type backend struct{ s *server.Server }

// serve starts a nats-server that says it is at addr, and listens for no client.
func serve(addr net.Addr, fill func(*server.Options)) (backend, error) {
	o := &server.Options{LameDuckDuration: time.Second, LameDuckGracePeriod: time.Millisecond}
	fill(o)
	// What it listens on is not what it tells: clients come in process. But without a
	// listener it would know no lame duck.
	_, socket := addr.(*net.TCPAddr)
	o.Host, o.Port, o.ClientAdvertise, o.DontListen = "127.0.0.1", server.RANDOM_PORT, addr.String(), !socket
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	if err != nil {
		return backend{}, err
	}
	s.Start()
	if !s.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		s.WaitForShutdown()
		return backend{}, errors.New("natstest: nats-server is not ready within 10 s; look at Config.Server")
	}
	return backend{s}, nil
}

func (b backend) InProcessConn() (net.Conn, error) { return b.s.InProcessConn() }

// LameDuck is nats-server's own.
func (b backend) LameDuck() {
	b.s.LameDuckShutdown()
	b.Stop() // which it has done, if it listens
}

// Stop ends the server and waits for it.
func (b backend) Stop() {
	b.s.Shutdown()
	b.s.WaitForShutdown()
}
