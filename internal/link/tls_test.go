package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vigil/auth"
	"vigil/internal/memnet"
	"vigil/internal/pki"
	"vigil/internal/wire"
)

// tlsPeer makes p demand TLS, as nats-server does: INFO in plain text, then the
// handshake, then everything else.
func tlsPeer(p *peer, cfg *tls.Config) {
	p.info.TLSRequired = true
	p.script = func(c *peerConn) {
		c.send(string(wire.AppendInfo(nil, &p.info)))
		c.underTLS(cfg)
	}
}

// underTLS goes on under TLS as a peer does.
func (c *peerConn) underTLS(cfg *tls.Config) {
	over := tls.Server(c.nc, cfg)
	if over.Handshake() != nil {
		return
	}
	c.mu.Lock()
	c.nc = over
	c.mu.Unlock()
	c.read()
}

// connectLines returns the CONNECTs that a connection was told.
func (c *peerConn) connects() (lines []string) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range c.ops {
		if line, ok := strings.CutPrefix(op, "CONNECT "); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// However TLS came to be demanded, messages flow and the connection comes back
// under TLS.
func TestTLS(t *testing.T) {
	for name, tc := range map[string]struct {
		url   string
		first bool // the peer does the handshake first
		cfg   Config
	}{
		"by the URL":           {url: "tls://broker:4222"},
		"by the broker":        {url: "nats://broker:4222"},
		"before INFO":          {url: "tls://broker:4222", first: true, cfg: Config{TLSFirst: true}},
		"before INFO, no name": {url: "broker", first: true, cfg: Config{TLSFirst: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := pki.New(t)
				r := newRig(t)
				tlsPeer(r.peer, ca.Server("broker"))
				if tc.first {
					r.peer.script = func(c *peerConn) {
						over := tls.Server(c.nc, ca.Server("broker"))
						if over.Handshake() != nil {
							return
						}
						c.nc = over
						c.send(string(wire.AppendInfo(nil, &r.peer.info)))
						c.read()
					}
				}
				r.peer.start()
				tc.cfg.TLS = ca.Client()
				l, err := Connect(t.Context(), tc.url, r.config(tc.cfg))
				if err != nil {
					t.Fatal(err)
				}
				r.link = l
				for i := range 3 {
					r.publish("hello")
					r.flush()
					if got, _ := r.peer.conn(i).payloads(); len(got) != 1 {
						t.Fatalf("connection %d got %q", i, got)
					}
					if s := l.Status(); s.TLS != "TLS 1.3" {
						t.Errorf("status tells of TLS %q", s.TLS)
					}
					r.peer.conn(i).nc.Close()
					time.Sleep(5 * time.Second)
				}
				r.wantKinds("three losses", "connected, lost, resumed, lost, resumed, lost, resumed")
				r.end()
			})
		})
	}
}

// After TLS was demanded nothing is ever said in plain text, not even hello,
// whoever answers at the address and however he got there.
func TestNoPlainTextAfterTLS(t *testing.T) {
	const secret = "s3cret"
	plain := func(p *peer) { p.script = nil }
	for name, tc := range map[string]struct {
		url     string
		cfg     func(*pki.Authority) Config
		connect bool // before the peer falls back to plain text
		want    error
	}{
		"tls URL":                    {url: "tls://u:s3cret@broker:4222", want: ErrNoTLS},
		"tls URL, elsewhere in list": {url: "u:s3cret@broker:4222,tls://nowhere:1", want: ErrNoTLS},
		"Config.TLS":                 {url: "u:s3cret@broker:4222", cfg: func(ca *pki.Authority) Config { return Config{TLS: ca.Client()} }, want: ErrNoTLS},
		"tls URL, on reconnect":      {url: "tls://u:s3cret@broker:4222", connect: true, want: ErrNoTLS},
		"demanded, on reconnect":     {url: "nats://u:s3cret@broker:4222", connect: true, want: ErrNoTLS},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := pki.New(t)
				r := newRig(t)
				cfg := Config{TLS: nil}
				if tc.cfg != nil {
					cfg = tc.cfg(ca)
				}
				if tc.connect {
					tlsPeer(r.peer, ca.Server("broker"))
					// By the system's means, as a user has it who sets nothing.
					cfg.TLS = nil
				}
				r.peer.start()
				cfg.Dial = r.net.DialContext
				if !tc.connect {
					_, err := Connect(t.Context(), tc.url, r.config(cfg))
					if !errors.Is(err, tc.want) {
						t.Errorf("%v, want %v", err, tc.want)
					}
					checkSilence(t, r, 0)
					r.peer.stop()
					return
				}
				l := connectTrusting(t, r, tc.url, ca, cfg)
				r.link = l
				r.peer.stop()
				plain(r.peer)
				r.peer.info.TLSRequired = false
				before := r.peer.count()
				r.peer.start()
				time.Sleep(time.Minute)
				if s := l.Status(); s.State != StateReconnecting {
					t.Errorf("state %v", s.State)
				}
				if e := r.last(EventRetrying); !errors.Is(e.Err, tc.want) {
					t.Errorf("%v, want %v", e.Err, tc.want)
				}
				checkSilence(t, r, before)
				r.end()
				for _, e := range r.all() {
					if strings.Contains(e.String(), secret) {
						t.Errorf("%v", e)
					}
				}
			})
		})
	}
}

// connectTrusting connects with TLS demanded by no more than the URL or the
// broker, and the CA trusted all the same.
func connectTrusting(t *testing.T, r *rig, url string, ca *pki.Authority, cfg Config) *Link {
	t.Helper()
	servers, err := parseServers(url)
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(servers, r.config(cfg).withDefaults())
	l.cfg.TLS = ca.Client() // after newLink: it demands nothing
	c, err := l.connectFirst(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.attach(c, Event{Kind: EventConnected, At: c.confirmedAt, Server: c.server.String()})
	go l.supervise(c)
	return l
}

// checkSilence checks that the connections from this one on were told nothing.
func checkSilence(t *testing.T, r *rig, from int) {
	t.Helper()
	if n := r.peer.count(); n == from {
		t.Fatal("nobody connected")
	}
	for i := from; i < r.peer.count(); i++ {
		if told := r.peer.conn(i).told(); len(told) > 0 {
			t.Errorf("connection %d was told %q", i, told)
		}
	}
}

// An announced server is used under TLS, when its certificate is for the name of
// the one that announced it, and not at all in plain text. What is announced in
// plain text, before TLS, is not believed.
func TestDiscoveryUnderTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		tlsPeer(r.peer, ca.Server("broker"))
		r.peer.info.ConnectURLs = []string{"evil:4222"}
		r.peer.start()
		evil, plain, good := newPeer(t, r.net), newPeer(t, r.net), newPeer(t, r.net)
		evil.addr, plain.addr, good.addr = "evil:4222", "10.0.0.1:4222", "10.0.0.2:4222"
		tlsPeer(evil, ca.Server("evil"))
		tlsPeer(good, ca.Server("broker"))
		evil.start()
		plain.start()
		good.start()
		l, err := Connect(t.Context(), "tls://u:s3cret@broker:4222", r.config(Config{TLS: ca.Client(), Auth: auth.Token("unused")}))
		if err != nil {
			t.Fatal(err)
		}
		r.link = l
		synctest.Wait()
		r.peer.stop()
		time.Sleep(time.Minute)
		r.peer.start()
		time.Sleep(time.Minute)
		if evil.count() > 0 {
			t.Error("somebody on the way pointed the client to his server")
		}
		r.wantKinds("one loss", "connected, lost, resumed")
		r.peer.conn(1).send(`INFO {"connect_urls":["10.0.0.1:4222","10.0.0.2:4222"]}` + "\r\n")
		synctest.Wait()
		r.peer.stop()
		time.Sleep(time.Minute)
		if s := l.Status(); s.Server != "tls://10.0.0.2:4222" || s.State != StateConnected {
			t.Errorf("%v to %s", s.State, s.Server)
		}
		if lines := good.conn(0).connects(); len(lines) != 1 || !strings.Contains(lines[0], `"user":"u","pass":"s3cret"`) {
			t.Errorf("%q", lines)
		}
		for i := range plain.count() {
			if told := plain.conn(i).told(); len(told) > 0 {
				t.Errorf("told in plain text: %q", told)
			}
		}
		for _, p := range []*peer{evil, plain, good} {
			p.stop()
		}
		r.peer.start()
		r.end()
	})
}

// A server that is announced with tls:// is not used in plain text, not even by a
// link that is.
func TestAnnouncedWithTLS(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		other := newPeer(t, r.net)
		other.addr = "other:4222"
		other.start()
		r.peer.conn(0).send(`INFO {"connect_urls":["tls://other:4222"]}` + "\r\n")
		synctest.Wait()
		r.peer.stop()
		time.Sleep(10 * time.Second)
		if n := other.count(); n == 0 {
			t.Error("it is not tried")
		}
		for i := range other.count() {
			if told := other.conn(i).told(); len(told) > 0 {
				t.Errorf("told in plain text: %q", told)
			}
		}
		other.stop()
		r.peer.start()
	})
}

// What stands between INFO and the handshake was put there by somebody on the
// way.
func TestNothingBetweenInfoAndTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		r.peer.script = func(c *peerConn) {
			c.send("INFO {\"tls_required\":true}\r\nMSG a 1 2\r\nhi\r\nPONG\r\n")
			c.underTLS(ca.Server("broker"))
		}
		r.peer.start()
		_, err := Connect(t.Context(), address, r.config(Config{TLS: ca.Client()}))
		if err == nil || !strings.Contains(err.Error(), "the broker goes on in plain text before TLS") {
			t.Error(err)
		}
		r.peer.stop()
	})
}

// What is wrong with TLS is said, with what to look at.
func TestTLSErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		server func(ca *pki.Authority) *tls.Config
		client func(ca *pki.Authority) Config
		want   string
	}{
		"unknown CA": {
			client: func(*pki.Authority) Config { return Config{} },
			want:   "unknown authority; is the CA that signed the broker's certificate among those trusted?"},
		"another name": {
			server: func(ca *pki.Authority) *tls.Config { return ca.Server("other") },
			want:   "valid for other, not broker; put the name into the URL that the certificate is for"},
		"another name that is asked for": {
			server: func(ca *pki.Authority) *tls.Config { return ca.Server("other") },
			client: func(ca *pki.Authority) Config {
				return Config{TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: "other"}}
			}},
		"no client certificate": {
			server: func(ca *pki.Authority) *tls.Config {
				cfg := ca.Server("broker")
				cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
				return cfg
			},
			want: "the broker may want a client certificate"},
		"a client certificate": {
			server: func(ca *pki.Authority) *tls.Config {
				cfg := ca.Server("broker")
				cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
				return cfg
			},
			client: func(ca *pki.Authority) Config {
				return Config{TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Issue("me")}}}
			}},
		"INFO where the handshake should be": {
			client: func(ca *pki.Authority) Config { return Config{TLS: ca.Client(), TLSFirst: true} },
			want:   "TLS first is for brokers with handshake_first alone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := pki.New(t)
				if tc.server == nil {
					tc.server = func(ca *pki.Authority) *tls.Config { return ca.Server("broker") }
				}
				if tc.client == nil {
					tc.client = func(ca *pki.Authority) Config { return Config{TLS: ca.Client()} }
				}
				r := newRig(t)
				tlsPeer(r.peer, tc.server(ca))
				r.peer.start()
				l, err := Connect(t.Context(), "tls://"+address, r.config(tc.client(ca)))
				if err == nil {
					l.Close()
				}
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%v, want %q", err, tc.want)
				}
				if err != nil {
					loss, _ := errors.AsType[*Loss](err)
					if _, ok := errors.AsType[*TLSError](err); !ok || loss.Cause != CauseTLS {
						t.Errorf("%#v is no TLSError", err)
					}
				}
				r.peer.stop()
			})
		})
	}
}

// A broker that waits for the handshake, as we wait for its INFO, is said to,
// whoever gives up first.
func TestBrokerWantsTLSFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		patience time.Duration // of the broker
		want     string
	}{
		"we give up":  {time.Minute, "no answer: connected, but no INFO came, as with a broker that wants TLS first, within 2.00 s"},
		"it gives up": {time.Second, "closed by peer before any INFO, as with a broker that wants TLS first"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.peer.script = func(c *peerConn) {
					c.nc.SetDeadline(time.Now().Add(tc.patience))
					tls.Server(c.nc, pki.New(t).Server("broker")).Handshake()
				}
				r.peer.start()
				_, err := Connect(t.Context(), "tls://"+address, r.config(Config{}))
				if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
					t.Errorf("%v\nwant %s", err, tc.want)
				}
				r.peer.stop()
			})
		})
	}
}

// The heartbeat keeps its promise under TLS while the writer is stuck in a full
// socket, and giving up does not wait for it.
func TestFrozenUnderTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		tlsPeer(r.peer, ca.Server("broker"))
		r.peer.start()
		r.connect(Config{TLS: ca.Client()})
		r.flush()
		frozen := time.Now()
		r.net.Freeze(address)
		ctx, cancel := context.WithCancel(t.Context())
		published := make(chan struct{})
		go func() {
			defer close(published)
			payload := make([]byte, 32<<10)
			for r.link.Publish(ctx, "s", "", nil, payload) == nil {
			}
		}()
		time.Sleep(3 * time.Second)
		e := r.last(EventLost)
		if took := e.At.Sub(frozen); !e.Loss.Cause.Stale() || took > 2*time.Second {
			t.Errorf("%v after %v", e, took)
		}
		if w := e.Unconfirmed; w.Messages == 0 {
			t.Error("the socket took nothing, so nobody was stuck in it")
		}
		cancel()
		<-published
		r.net.Thaw(address)
		time.Sleep(10 * time.Second)
		r.wantKinds("thawed", "connected, suspect, lost, resumed")
		r.flush()
		r.end()
	})
}

// A record of TLS that comes so slowly that it is not complete for seconds is
// life all the same.
func TestSlowRecordIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		r.peer.script = func(c *peerConn) {
			c.send("INFO {\"tls_required\":true}\r\n")
			slow := &slowConn{Conn: c.nc}
			over := tls.Server(slow, ca.Server("broker"))
			if over.Handshake() != nil {
				return
			}
			c.nc = over
			greeting := ""
			for buf := make([]byte, 4096); !strings.HasSuffix(greeting, "PING\r\n"); {
				n, err := over.Read(buf)
				if err != nil {
					return
				}
				greeting += string(buf[:n])
			}
			c.send("PONG\r\n")
			slow.pace = 500 * time.Millisecond
			c.send("MSG none 1 8000\r\n" + strings.Repeat("x", 8000) + "\r\n")
			slow.pace = 0
			c.read()
		}
		r.peer.start()
		r.connect(Config{TLS: ca.Client(), NoStandby: true})
		time.Sleep(30 * time.Second)
		if got := r.link.Stats().Unknown; got != 1 {
			t.Errorf("%d messages", got)
		}
		r.wantKinds("a record of eight seconds", "connected")
		r.end()
	})
}

// slowConn writes 500 bytes at a time with pauses between them.
type slowConn struct {
	net.Conn
	pace time.Duration
}

func (c *slowConn) Write(b []byte) (int, error) {
	if c.pace == 0 {
		return c.Conn.Write(b)
	}
	for i := 0; i < len(b); i += 500 {
		if n, err := c.Conn.Write(b[i:min(i+500, len(b))]); err != nil {
			return i + n, err
		}
		time.Sleep(c.pace)
	}
	return len(b), nil
}

// Credentials are asked for at each attempt. When they cannot be had, or are
// refused, the error says which, and the link goes on trying.
func TestAuthIsAskedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.info.Nonce = "n0nce"
		r.peer.start()
		asked := 0
		r.connect(Config{Auth: func(_ context.Context, nonce string) (auth.Identity, error) {
			asked++
			id := auth.Identity{Token: "s3cret", JWT: nonce, Source: "the vault"}
			if asked == 2 {
				return id, errors.New("sealed")
			}
			return id, nil
		}})
		r.peer.conn(0).send("-ERR 'User Authentication Expired'\r\n")
		r.peer.conn(0).nc.Close()
		time.Sleep(10 * time.Second)
		want := "not authorized: the broker says 'User Authentication Expired'; check the vault"
		if e := r.last(EventLost); e.Loss.Cause != CauseAuth || e.Loss.Error() != want {
			t.Errorf("%v, want %s", e.Loss, want)
		}
		if e := r.last(EventRetrying); e.Err == nil || e.Err.Error() != "not authorized: cannot use the vault: sealed" {
			t.Errorf("%v", e)
		}
		r.wantKinds("the vault is open again", "connected, server error, lost, resumed")
		if lines := r.peer.conn(2).connects(); asked != 3 || len(lines) != 1 || !strings.Contains(lines[0], `"auth_token":"s3cret","jwt":"n0nce"`) {
			t.Errorf("asked %d times, said %q", asked, lines)
		}
		r.end()
	})
}

// TLS that Config.Dial puts over the socket hides neither TCP_INFO nor Close, and
// is spared hints.
func TestBelow(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	twice := tls.Client(tls.Client(a, new(tls.Config)), new(tls.Config))
	if below(twice) != a || below(a) != a || !layered(twice) || layered(a) {
		t.Error("the transport at the bottom is not found")
	}
}

// A TLS connection that Config.Dial made is used as it is.
func TestTLSByDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		r.peer.info.TLSRequired = true
		r.peer.script = func(c *peerConn) {
			over := tls.Server(c.nc, ca.Server("broker"))
			if over.Handshake() != nil {
				return
			}
			c.nc = over
			c.send(string(wire.AppendInfo(nil, &r.peer.info)))
			c.read()
		}
		r.peer.start()
		cfg := r.config(Config{TLSFirst: true})
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := r.net.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			trust := ca.Client()
			trust.ServerName = "broker"
			return tls.Client(nc, trust), nil
		}
		l, err := Connect(t.Context(), "tls://"+address, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.link = l
		r.flush()
		if s := l.Status(); s.TLS != "TLS 1.3" {
			t.Errorf("status tells of TLS %q", s.TLS)
		}
		r.end()
	})
}

// The second opinion on a silent broker is asked for under TLS, and takes over.
func TestStandbyUnderTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		r := newRig(t)
		tlsPeer(r.peer, ca.Server("broker"))
		r.peer.start()
		r.connect(Config{TLS: ca.Client()})
		r.flush()
		r.peer.conn(0).set(true, true)
		time.Sleep(10 * time.Second)
		r.wantKinds("one silent connection", "connected, suspect, lost, resumed")
		if e := r.last(EventResumed); e.Attempt != 0 || e.Loss.Answering != "nats://"+address {
			t.Errorf("%+v: no standby took over", e)
		}
		r.flush()
		if s := r.link.Status(); s.TLS != "TLS 1.3" {
			t.Errorf("status tells of TLS %q", s.TLS)
		}
		r.end()
	})
}

// hinting is a transport that reports the peer unreachable before each read, and
// in the middle of each write.
type hinting struct {
	net.Conn
	reads, writes int
}

func (c *hinting) Read(b []byte) (int, error) {
	if c.reads++; c.reads%2 == 1 {
		return 0, &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.EHOSTUNREACH)}
	}
	return c.Conn.Read(b)
}

func (c *hinting) Write(b []byte) (int, error) {
	if c.writes++; c.writes%2 == 0 {
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:len(b)/2])
	if err == nil {
		err = &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EHOSTUNREACH)}
	}
	return n, err
}

// What the network reports does not end TLS, which would not go on after an
// error: it ends below, and is a hint for the watcher.
func TestHintsEndBelowTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the network's reports are heard on Linux only")
	}
	synctest.Test(t, func(t *testing.T) {
		ca := pki.New(t)
		n := memnet.New()
		listener, err := n.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		served := make(chan error, 1)
		go func() {
			nc, err := listener.Accept()
			if err != nil {
				served <- err
				return
			}
			defer nc.Close()
			over := tls.Server(nc, ca.Server("broker"))
			_, err = io.CopyN(over, over, 5)
			served <- err
		}()
		nc, err := n.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := newConn(&Link{base: time.Now()}, &hinting{Conn: nc}, server{name: "broker"})
		c.hints = true
		trust := ca.Client()
		trust.ServerName = "broker"
		over := tls.Client(c.stream.(*socket), trust)
		if _, err := over.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(io.LimitReader(over, 5)); err != nil || string(back) != "hello" {
			t.Errorf("%q, %v", back, err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if !c.hinted.Load() {
			t.Error("the watcher has no hint")
		}
	})
}

// polite is a transport over another one that says goodbye as long as it can.
type polite struct {
	net.Conn
	below *closing
}

func (c *polite) NetConn() net.Conn { return c.below }

func (c *polite) Close() error {
	<-c.below.closed
	return nil
}

type closing struct {
	net.Conn
	closed chan struct{}
}

func (c *closing) Close() error {
	close(c.closed)
	return nil
}

// Giving up does not wait for a goodbye that nobody reads.
func TestGivingUpSaysNoGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConn(&Link{base: time.Now()}, &polite{below: &closing{closed: make(chan struct{})}}, server{})
		c.giveUp(&Loss{Cause: CauseHostGone})
	})
}
