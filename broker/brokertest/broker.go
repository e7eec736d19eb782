package brokertest

import (
	"context"
	"crypto/x509"
	"net"
	"runtime"
	"testing"
	"time"

	"vigil/internal/embedded"
	"vigil/internal/front"
)

// Broker is a broker under a test's control. Its methods may be called
// concurrently, but for Restart, which is for one caller at a time. Those that take
// a testing.TB fail it with Fatal, so that they belong into its goroutine.
//
// Faults made to a Broker meet all its clients; [Broker.Client] and [Broker.Conn]
// give those of one.
type Broker struct {
	faults
	ca     *x509.Certificate // nil without TLS
	bubble bool              // in memory, in virtual time
}

// Target is one client of a broker, or one connection: where faults can be made. Its
// methods may be called concurrently.
type Target struct{ faults }

// Start starts Vigil's broker for the test, at a free port of 127.0.0.1, and stops
// it with the test. In a testing/synctest bubble it opens no socket: clients come by
// [Broker.InProcessConn] or [Broker.Dial]. At most one Config is looked at.
//
// When the test has failed, what the broker saw and what passed is logged.
func Start(t testing.TB, cfg ...Config) *Broker {
	t.Helper()
	c := one(cfg)
	return start(t, c, c.User != "" || c.Password != "" || c.Token != "", func(addr net.Addr) (Backend, error) {
		return embedded.Start(c.Broker, addr)
	})
}

// StartBackend is Start with a broker of another kind: begin starts it, for Start and
// each Restart, and addr is what clients connect to. The login of the Config is the
// broker's to check; Publish shows it.
func StartBackend(t testing.TB, begin func(addr net.Addr) (Backend, error), cfg ...Config) *Broker {
	t.Helper()
	return start(t, one(cfg), false, begin)
}

func one(cfg []Config) (c Config) {
	if len(cfg) > 0 {
		c = cfg[0]
	}
	return c
}

func start(t testing.TB, cfg Config, guard bool, begin func(net.Addr) (Backend, error)) *Broker {
	t.Helper()
	b := &Broker{bubble: inBubble(t)}
	fc := front.Config{
		Start:       begin,
		InMemory:    b.bubble,
		Guard:       guard,
		Login:       front.Login{User: cfg.User, Password: cfg.Password, Token: cfg.Token},
		DropPackets: cfg.DropPackets,
	}
	if cfg.TLS {
		var err error
		if b.ca, fc.TLS, err = front.NewCertificate(); err != nil {
			t.Fatalf("brokertest: make a certificate: %v", err)
		}
	}
	f, err := front.Start(fc)
	if err != nil {
		t.Fatalf("brokertest: start: %v", err)
	}
	b.faults.f = f
	if b.bubble {
		emptyPools()
	}
	t.Cleanup(func() {
		if b.bubble {
			defer emptyPools()
		}
		if t.Failed() {
			t.Logf("brokertest: %s\nwhat passed, > to the broker, < to the client:\n%s", f.Story(), f.Transcript(""))
		}
		if err := f.Close(); err != nil {
			t.Errorf("brokertest: stop: %v", err)
		}
	})
	return b
}

// inBubble reports whether t is in a testing/synctest bubble, in which a socket would
// stop the clock. The package testing tells by refusing to tell the deadline.
func inBubble(t testing.TB) (in bool) {
	timed, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return false
	}
	defer func() { in = recover() != nil }()
	timed.Deadline()
	return false
}

// emptyPools empties every sync.Pool, which takes two collections. nats.go keeps timers
// in one, and a timer must not leave its bubble, nor come into one.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// URL returns what clients connect to: nats://127.0.0.1:PORT, tls:// with TLS. It
// stays the same.
func (b *Broker) URL() string { return b.f.URL() }

// CA returns the authority that signed the broker's certificate, to be added to a
// client's RootCAs. It is nil without TLS.
func (b *Broker) CA() *x509.Certificate { return b.ca }

// InProcessConn connects a client of the same process over a buffered connection in
// memory, as nats.InProcessServer wants it. All faults work on it but DropPackets.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.f.InProcessConn() }

// Dial is InProcessConn in the form of subscriber.Config.Dial and
// publisher.Config.Dial.
func (b *Broker) Dial(context.Context, string, string) (net.Conn, error) { return b.f.InProcessConn() }

// Client returns the client that calls itself name in CONNECT, "" for those that give no
// name. Lasting faults made to
// it stay with it through its reconnects, and may be made before it connects.
func (b *Broker) Client(name string) *Target {
	return &Target{faults{f: b.f, scope: front.Named(name)}}
}

// Conn returns the connection with that client_id, as nats.go's GetClientID tells it. 0 is
// none.
func (b *Broker) Conn(id uint64) *Target {
	return &Target{faults{f: b.f, scope: front.Numbered(id)}}
}

// Restart starts the broker anew, at the same address and without any memory of its
// clients. It undoes all faults made to the broker, Crash, Kill and LameDuck among
// them, and resets sockets from before, as a host does that has rebooted, but at once and
// not only as an answer to what the client sends next. A broker that runs is killed before.
// Faults made to one client stay.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.f.Restart(); err != nil {
		t.Fatalf("brokertest: %v", err)
	}
}

// LameDuck announces that the broker is about to stop, sends its clients away and
// stops it; dials are refused. It returns when it has begun. Restart undoes it.
func (b *Broker) LameDuck(t testing.TB) {
	t.Helper()
	made(t, b.f.LameDuck())
}

// RefuseConnects has dials refused, with connections left as they are, until Heal.
func (b *Broker) RefuseConnects(t testing.TB) {
	t.Helper()
	made(t, b.f.Refuse())
}

// AcceptAndSayNothing accepts connections and says nothing on them, not even INFO,
// until Heal; then they are served.
func (b *Broker) AcceptAndSayNothing(t testing.TB) {
	t.Helper()
	made(t, b.f.Silence())
}

// Transcript returns what passed on the last 32 connections of clients with that name, of
// all with "": of each the first 32 and the last 224 operations. > is to the broker, < to
// the client. Passwords, tokens and signatures are not shown.
func (b *Broker) Transcript(client string) string { return b.f.Transcript(client) }

// Timeline returns what happened: faults, connects, subscriptions, PINGs, silence.
func (b *Broker) Timeline() string { return b.f.Story() }
