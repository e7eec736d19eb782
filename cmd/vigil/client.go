package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vigil/auth"
	"vigil/heartbeat"
	"vigil/internal/cli"
	"vigil/publisher"
	"vigil/subscriber"
)

// clientFlags are what all clients' commands take.
type clientFlags struct {
	settings
	context string
	within  string
	json    bool // events, and messages where there are any
	console *cli.Console
}

// defaultURL is where a broker is sought when nothing says where.
const defaultURL = "nats://127.0.0.1:4222"

func (f *clientFlags) register(cmd *cobra.Command) {
	f.console = cli.NewConsole(os.Stderr)
	cmd.ValidArgsFunction = cobra.NoFileCompletions // subjects are no files
	flags := cmd.Flags()
	flags.StringVarP(&f.URL, "server", "s", "", "broker's `URL`, or several separated by commas, tls:// for TLS (default $NATS_URL, the context's, or "+defaultURL+")")
	flags.StringVar(&f.context, "context", "", "`name` of a context of the nats tool (default $NATS_CONTEXT, or the one selected there)")
	flags.StringVar(&f.User, "user", "", "user, or a token ($NATS_USER)")
	flags.StringVar(&f.Password, "password", "", "password; every process here can read it: better $NATS_PASSWORD or --creds")
	flags.StringVar(&f.Token, "token", "", "token ($NATS_TOKEN)")
	flags.StringVar(&f.Creds, "creds", "", "`file` with a user's JWT and seed ($NATS_CREDS)")
	flags.StringVar(&f.NKey, "nkey", "", "`file` with a user's seed ($NATS_NKEY)")
	flags.StringVar(&f.Cert, "tlscert", "", "`file` with the client's certificate ($NATS_CERT)")
	flags.StringVar(&f.Key, "tlskey", "", "`file` with its key ($NATS_KEY)")
	flags.StringVar(&f.CA, "tlsca", "", "`file` with the CAs to trust ($NATS_CA)")
	flags.BoolVar(&f.TLSFirst, "tlsfirst", false, "do the TLS handshake before the broker says a word")
	flags.StringVar(&f.InboxPrefix, "inbox-prefix", "", "what the subjects for replies begin with ($NATS_INBOX_PREFIX, default _INBOX)")
	flags.StringVar(&f.within, "within", "2s", `notice a vanished broker within this `+"`time`"+`; "lesson" is the lesson's 10 s + 3 × 3 s`)
	for _, name := range []string{"creds", "nkey", "tlscert", "tlskey", "tlsca"} {
		_ = cmd.MarkFlagFilename(name) // the flag is there
	}
	_ = cmd.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return contextNames(), cobra.ShellCompDirectiveNoFileComp
	})
}

// registerJSON adds the flag for those commands that print more than lines of
// text.
func (f *clientFlags) registerJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.json, "json", "j", false, "print one JSON object a line, also for events on standard error")
}

// connection is what the flags, the environment and a context make together.
type connection struct {
	url       string
	heartbeat heartbeat.Config
	auth      auth.Method
	tls       *tls.Config
	tlsFirst  bool
	inboxes   string // their prefix, empty for the usual one
	onEvent   func(subscriber.Event)
}

// connection puts together how to connect: flags go before the environment, that
// before the context.
func (f *clientFlags) connection() (connection, error) {
	beat, err := f.heartbeat()
	if err != nil {
		return connection{}, err
	}
	chosen, err := loadContext(cmp.Or(f.context, os.Getenv("NATS_CONTEXT")))
	if err != nil {
		return connection{}, err
	}
	s := f.settings.over(environment()).over(chosen)
	c := connection{
		url: cmp.Or(s.URL, defaultURL), heartbeat: beat, auth: s.method(), tlsFirst: s.TLSFirst, inboxes: s.InboxPrefix, onEvent: f.show,
	}
	c.tls, err = s.tlsConfig()
	return c, err
}

// tlsConfig returns how TLS is done, nil if nothing is said of it.
func (s settings) tlsConfig() (*tls.Config, error) {
	if (s.Cert == "") != (s.Key == "") {
		return nil, cli.Usagef("a client's certificate takes both --tlscert and --tlskey")
	}
	if s.Cert == "" && s.CA == "" {
		return nil, nil
	}
	cfg := new(tls.Config)
	if s.CA != "" {
		text, err := readSmall(s.CA)
		if err != nil {
			return nil, fmt.Errorf("CAs: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("CAs: %s: no certificate in PEM", s.CA)
		}
	}
	if s.Cert != "" {
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(s.Cert, s.Key)
			return &cert, err
		}
		if _, err := load(nil); err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		cfg.GetClientCertificate = load // anew each time: it is renewed on disk
	}
	return cfg, nil
}

// subscriber connects.
func (c connection) subscriber(ctx context.Context, name string) (*subscriber.Subscriber, error) {
	s, err := subscriber.Connect(ctx, c.url, subscriber.Config{Name: name, Heartbeat: c.heartbeat, OnEvent: c.onEvent,
		Auth: c.auth, TLS: c.tls, TLSFirst: c.tlsFirst, InboxPrefix: c.inboxes})
	return s, connectError(err)
}

// publisher connects.
func (c connection) publisher(ctx context.Context, name string) (*publisher.Publisher, error) {
	p, err := publisher.Connect(ctx, c.url, publisher.Config{Name: name, Heartbeat: c.heartbeat, OnEvent: c.onEvent,
		Auth: c.auth, TLS: c.tls, TLSFirst: c.tlsFirst, InboxPrefix: c.inboxes})
	return p, connectError(err)
}

// connectError makes a wrong URL a wrong command line.
func connectError(err error) error {
	if wrong, ok := errors.AsType[*subscriber.URLError](err); ok {
		return &cli.UsageError{Err: wrong}
	}
	return err
}

// clock is how a time of day is shown.
const clock = "15:04:05.000"

// show tells an event on standard error as it happens. That the program itself
// closed is no news, unless something was left unsent.
func (f *clientFlags) show(e subscriber.Event) {
	if e.Kind == subscriber.EventClosed && e.Unconfirmed.Messages == 0 {
		return
	}
	if f.json {
		f.console.Println(string(encode(eventOf(e))))
		return
	}
	f.tell(e.At, e.String())
}

// tell tells something on standard error.
func (f *clientFlags) tell(at time.Time, text string) {
	f.console.Println(at.Format(clock) + "  " + text)
}

// heartbeat returns what --within asks for.
func (f *clientFlags) heartbeat() (heartbeat.Config, error) {
	if f.within == "lesson" {
		return heartbeat.Lesson(), nil
	}
	d, err := time.ParseDuration(f.within)
	if err != nil {
		return heartbeat.Config{}, cli.Usagef("--within %q: want a duration such as 2s or 500ms, or lesson", f.within)
	}
	beat := heartbeat.Within(d)
	if err := beat.Validate(); err != nil {
		return heartbeat.Config{}, cli.Usagef("--within %v: %v", d, err)
	}
	return beat, nil
}

// bounded returns a context that ends after d, 0 for never.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
