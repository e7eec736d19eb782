package subscriber_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"vigil/auth"
	"vigil/broker"
	"vigil/internal/pki"
	"vigil/publisher"
	"vigil/subscriber"
)

// The secrets of these tests. None may show anywhere.
const (
	password = "s3cret-password"
	wrong    = "s3cret-but-wrong"
)

// startSecure starts a nats-server with these options; port 0 picks one.
func startSecure(t testing.TB, port int, opts server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", port, true, true
	if port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { stopNATS(s) })
	return s
}

// operator is who vouches for the users of a nats-server with JWTs.
type operator struct {
	t       testing.TB
	account nkeys.KeyPair
	opts    server.Options
}

func newOperator(t testing.TB) *operator {
	t.Helper()
	key, _ := nkeys.CreateOperator()
	account, _ := nkeys.CreateAccount()
	keyPublic, _ := key.PublicKey()
	public, _ := account.PublicKey()
	claims := jwt.NewOperatorClaims(keyPublic)
	text, err := claims.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err = jwt.DecodeOperatorClaims(text); err != nil {
		t.Fatal(err)
	}
	accountText, err := jwt.NewAccountClaims(public).Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	resolver := new(server.MemAccResolver)
	if err := resolver.Store(public, accountText); err != nil {
		t.Fatal(err)
	}
	return &operator{t, account, server.Options{TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: resolver}}
}

// user returns a .creds file for a new user, and its seed.
func (o *operator) user(expires time.Time) (creds, seed string) {
	o.t.Helper()
	key, _ := nkeys.CreateUser()
	public, _ := key.PublicKey()
	raw, _ := key.Seed()
	claims := jwt.NewUserClaims(public)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	text, err := claims.Encode(o.account)
	if err != nil {
		o.t.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(text, raw)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(file), string(raw)
}

func writeFile(t testing.TB, path, text string) string {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "secret")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secure is a nats-server that lets some in, and how to be let in.
type secure struct {
	name   string
	opts   server.Options
	scheme string // of the URL
	user   string // in the URL, with the @
	cfg    subscriber.Config
	// bad are configurations that are refused, by what the error says.
	bad map[string]bad
}

type bad struct {
	user string
	cfg  subscriber.Config
	auth bool // *AuthError, else *TLSError
	none bool // neither of them
}

func secureServers(t *testing.T) []secure {
	ca, stranger := pki.New(t), pki.New(t)
	key, _ := nkeys.CreateUser()
	public, _ := key.PublicKey()
	seed, _ := key.Seed()
	other, _ := nkeys.CreateUser()
	otherSeed, _ := other.Seed()
	op, otherOp := newOperator(t), newOperator(t)
	creds, _ := op.user(time.Time{})
	otherCreds, _ := otherOp.user(time.Time{})
	expired, _ := op.user(time.Now().Add(-time.Hour))
	users := server.Options{Username: "joe", Password: password}
	withTLS := func(o server.Options, change func(*server.Options, *tls.Config)) server.Options {
		o.TLS, o.TLSConfig = true, ca.Server("127.0.0.1")
		if change != nil {
			change(&o, o.TLSConfig)
		}
		return o
	}
	verify := func(_ *server.Options, c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	}
	first := func(o *server.Options, _ *tls.Config) { o.TLSHandshakeFirst = true }
	trusting := subscriber.Config{TLS: ca.Client()}
	with := func(method auth.Method) subscriber.Config { return subscriber.Config{Auth: method} }
	certified := func(by *pki.Authority) subscriber.Config {
		return subscriber.Config{TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{by.Issue("joe")}}}
	}
	return []secure{
		{name: "password in the URL", opts: users, user: "joe:" + password + "@", bad: map[string]bad{
			"wants credentials and got none": {auth: true},
			"check the user and password in": {auth: true, user: "joe:" + wrong + "@"},
			"check the token in the URL":     {auth: true, user: wrong + "@"},
		}},
		{name: "password", opts: users, cfg: with(auth.Password("joe", password)), bad: map[string]bad{
			`check the password of user "joe"`: {auth: true, cfg: with(auth.Password("joe", wrong))},
		}},
		{name: "token in the URL", opts: server.Options{Authorization: password}, user: password + "@"},
		{name: "token", opts: server.Options{Authorization: password}, cfg: with(auth.Token(password)), bad: map[string]bad{
			"check the token": {auth: true, cfg: with(auth.Token(wrong))},
		}},
		{name: "nkey", opts: server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}},
			cfg: with(auth.NKey(writeFile(t, "", string(seed)))), bad: map[string]bad{
				"check the seed file /":            {auth: true, cfg: with(auth.NKey(writeFile(t, "", string(otherSeed))))},
				"cannot use the seed file /nowher": {auth: true, cfg: with(auth.NKey("/nowhere"))},
				"no seed of a user's key":          {auth: true, cfg: with(auth.NKey(writeFile(t, "", "rubbish")))},
			}},
		{name: "creds", opts: op.opts, cfg: with(auth.Credentials(writeFile(t, "", creds))), bad: map[string]bad{
			"check the credentials file /": {auth: true, cfg: with(auth.Credentials(writeFile(t, "", otherCreds)))},
			"whose JWT expired at":         {auth: true, cfg: with(auth.Credentials(writeFile(t, "", expired)))},
			"no credentials; want a .cred": {auth: true, cfg: with(auth.Credentials(writeFile(t, "", creds[:100])))},
		}},
		{name: "TLS by URL", opts: withTLS(server.Options{}, nil), scheme: "tls", cfg: trusting, bad: map[string]bad{
			"is the CA that signed":              {},
			"is the CA that signed the broker's": {cfg: subscriber.Config{TLS: stranger.Client()}},
		}},
		{name: "TLS by the server", opts: withTLS(server.Options{}, nil), cfg: trusting},
		{name: "TLS allowed", opts: withTLS(server.Options{}, func(o *server.Options, _ *tls.Config) { o.AllowNonTLS = true }), scheme: "tls", cfg: trusting},
		{name: "client certificate", opts: withTLS(server.Options{}, verify), scheme: "tls", cfg: certified(ca), bad: map[string]bad{
			"the broker may want a client certificate": {cfg: trusting},
			"certificate, or another one":              {cfg: certified(stranger)},
		}},
		{name: "client certificate, TLS 1.2", scheme: "tls", cfg: certified(ca), opts: withTLS(server.Options{}, func(o *server.Options, c *tls.Config) {
			verify(o, c)
			c.MaxVersion = tls.VersionTLS12
		}), bad: map[string]bad{"the broker may want a client certificate": {cfg: trusting}}},
		{name: "handshake first", opts: withTLS(server.Options{}, first), scheme: "tls",
			cfg: subscriber.Config{TLS: ca.Client(), TLSFirst: true}, bad: map[string]bad{
				"as with a broker that wants TLS first": {cfg: trusting, none: true},
			}},
		{name: "handshake first, or not", scheme: "tls", cfg: trusting, opts: withTLS(server.Options{}, func(o *server.Options, _ *tls.Config) {
			o.TLSHandshakeFirst, o.TLSHandshakeFirstFallback = true, 50*time.Millisecond
		})},
		{name: "TLS and creds", opts: withTLS(op.opts, nil), scheme: "tls",
			cfg: subscriber.Config{TLS: ca.Client(), Auth: auth.Credentials(writeFile(t, "", creds))}, bad: map[string]bad{
				"wants credentials and got none": {auth: true, cfg: trusting},
			}},
	}
}

// Each way to be let in works on the first connection and on the next one, for
// messages both ways; each that is wrong ends with an error that says what to
// look at; and nothing that is told holds a secret.
func TestSecureServers(t *testing.T) {
	for _, tc := range secureServers(t) {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startSecure(t, 0, tc.opts)
			port := portOf(s)
			scheme := tc.scheme
			if scheme == "" {
				scheme = "nats"
			}
			url := func(user string) string { return scheme + "://" + user + "127.0.0.1:" + strconv.Itoa(port) }
			var told lockedBuffer
			ev := newEvents()
			cfg := tc.cfg
			cfg.OnEvent, cfg.Logger = ev.on, slog.New(slog.NewTextHandler(&told, nil))
			sub := connect(t, url(tc.user), cfg)
			pub := connectPublisher(t, url(tc.user), publisher.Config{Auth: cfg.Auth, TLS: cfg.TLS, TLSFirst: cfg.TLSFirst})
			all, err := sub.Subscribe("a.>")
			if err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				flush(t, sub)
				if err := pub.Publish(within(t), "a.b", []byte("hello")); err != nil {
					t.Fatal(err)
				}
				if m := take(t, all, 1)[0]; string(m.Data) != "hello" {
					t.Fatalf("%q", m.Data)
				}
				if version := sub.Status().TLS; (version != "") != (tc.cfg.TLS != nil) {
					t.Errorf("status tells of TLS %q", version)
				}
				if tcp := sub.Status().TCP; runtime.GOOS == "linux" && (!tcp.Known || tcp.RTT <= 0 || tcp.Sent <= 0) {
					t.Errorf("TCP is not looked at: %+v", tcp)
				}
			}
			check()
			stopNATS(s)
			startSecure(t, port, tc.opts)
			ev.wait(t, subscriber.EventResumed)
			check()
			for want, b := range tc.bad {
				user := b.user
				if user == "" && !b.auth {
					user = tc.user
				}
				b.cfg.Logger = cfg.Logger
				_, err := subscriber.Connect(within(t), url(user), b.cfg)
				if err == nil {
					t.Errorf("%s: let in", want)
					continue
				}
				fmt.Fprintf(&told, "%v %+v %#v", err, err, err)
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
				_, isAuth := errors.AsType[*subscriber.AuthError](err)
				_, isTLS := errors.AsType[*subscriber.TLSError](err)
				if isAuth != b.auth || isTLS == (b.auth || b.none) {
					t.Errorf("%s: AuthError %v, TLSError %v", want, isAuth, isTLS)
				}
			}
			fmt.Fprintf(&told, "%v %+v %+v %+v", sub.Status(), sub.Status(), cfg, sub.Stats())
			sub.Close()
			for _, secret := range []string{"s3cret", "SUA", "eyJ"} {
				if i := strings.Index(told.String(), secret); i >= 0 {
					t.Errorf("told: …%.200s", told.String()[max(0, i-100):])
				}
			}
		})
	}
}

// Credentials that are renewed on disk are used by the next connection, and a
// user whose JWT expires while it is connected is told so.
func TestExpiredCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	op := newOperator(t)
	creds, _ := op.user(time.Now().Add(5 * time.Second))
	path := writeFile(t, "", creds)
	s := startSecure(t, 0, op.opts)
	ev := newEvents()
	sub := connect(t, urlOf(s), subscriber.Config{Auth: auth.Credentials(path), OnEvent: ev.on})
	flush(t, sub)
	lost := ev.wait(t, subscriber.EventLost)
	want := "the broker says 'User Authentication Expired'; check the credentials file " + path
	if lost.Loss.Cause != subscriber.CauseAuth || !strings.Contains(lost.Loss.Error(), want) {
		t.Errorf("%v, want %s", lost, want)
	}
	for {
		retry := ev.wait(t, subscriber.EventRetrying)
		if e, ok := errors.AsType[*subscriber.AuthError](retry.Err); ok {
			if !strings.Contains(e.Error(), "whose JWT expired at ") {
				t.Error(e)
			}
			break
		}
	}
	creds, _ = op.user(time.Time{})
	writeFile(t, path, creds)
	ev.wait(t, subscriber.EventResumed)
	flush(t, sub)
}

// Vigil's broker has no authentication and no TLS: who brings credentials is let
// in without giving any away that were not asked for, and who demands TLS is not.
func TestSecureClientOfVigil(t *testing.T) {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(within(t)); err != nil {
			t.Error(err)
		}
	})
	creds, _ := newOperator(t).user(time.Time{})
	for _, method := range []auth.Method{auth.Password("joe", password), auth.Token(password), auth.Credentials(writeFile(t, "", creds))} {
		sub := connect(t, b.URL(), subscriber.Config{Auth: method})
		flush(t, sub)
	}
	for _, tc := range []struct {
		url string
		cfg subscriber.Config
	}{
		{strings.Replace(b.URL(), "nats://", "tls://joe:"+password+"@", 1), subscriber.Config{}},
		{b.URL(), subscriber.Config{TLS: new(tls.Config)}},
	} {
		if _, err := subscriber.Connect(within(t), tc.url, tc.cfg); !errors.Is(err, subscriber.ErrNoTLS) {
			t.Errorf("%v", err)
		}
	}
	if _, err := subscriber.Connect(within(t), b.URL(), subscriber.Config{TLSFirst: true}); err == nil || !strings.Contains(err.Error(), "TLS first is for") {
		t.Errorf("%v", err)
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A cluster's other servers are learned under TLS and used under TLS, with the
// same credentials. They are announced by IP address; the certificate is for the
// name in the URL.
func TestDiscoveredServersAreSecure(t *testing.T) {
	t.Parallel()
	ca := pki.New(t)
	opts := func(name string, routes []*url.URL) server.Options {
		return server.Options{ServerName: name, Username: "joe", Password: password, TLS: true, TLSConfig: ca.Server("localhost"),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT}, Routes: routes}
	}
	one := startSecure(t, 0, opts("one", nil))
	two := startSecure(t, 0, opts("two", []*url.URL{{Scheme: "nats", Host: one.ClusterAddr().String()}}))
	for deadline := time.Now().Add(10 * time.Second); one.NumRoutes() == 0 || two.NumRoutes() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no cluster")
		}
		runtime.Gosched()
	}
	ev := newEvents()
	sub := connect(t, "tls://localhost:"+strconv.Itoa(portOf(one)), subscriber.Config{
		Auth: auth.Password("joe", password), TLS: ca.Client(), OnEvent: ev.on, RetryCap: 100 * time.Millisecond})
	flush(t, sub)
	stopNATS(one)
	if e := ev.wait(t, subscriber.EventResumed); e.Server != "tls://127.0.0.1:"+strconv.Itoa(portOf(two)) {
		t.Errorf("resumed with %s", e.Server)
	}
	flush(t, sub)
	if version := sub.Status().TLS; version == "" {
		t.Error("in plain text")
	}
}

// TLS that Dial puts over a socket hides nothing of TCP.
func TestTLSByDial(t *testing.T) {
	t.Parallel()
	ca := pki.New(t)
	s := startSecure(t, 0, server.Options{TLS: true, TLSConfig: ca.Server("127.0.0.1"), TLSHandshakeFirst: true})
	sub := connect(t, "tls"+strings.TrimPrefix(urlOf(s), "nats"), subscriber.Config{Dial: (&tls.Dialer{Config: ca.Client()}).DialContext})
	flush(t, sub)
	if status := sub.Status(); status.TLS == "" || runtime.GOOS == "linux" && !status.TCP.Known {
		t.Errorf("%+v", status)
	}
}
