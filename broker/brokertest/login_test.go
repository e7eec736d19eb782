package brokertest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
)

// secured are brokers of both kinds with a Config.
func secured(t *testing.T, cfg brokertest.Config, f func(t *testing.T, b *brokertest.Broker)) {
	t.Parallel()
	t.Run("vigil", func(t *testing.T) {
		t.Parallel()
		f(t, brokertest.Start(t, cfg))
	})
	t.Run("nats-server", func(t *testing.T) {
		t.Parallel()
		f(t, natstest.Start(t, natstest.Config{Config: cfg}))
	})
}

func TestLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg brokertest.Config
		opt nats.Option
	}{
		"user":  {brokertest.Config{User: "ann", Password: "secret1"}, nats.UserInfo("ann", "secret1")},
		"token": {brokertest.Config{Token: "secret2"}, nats.Token("secret2")},
	} {
		t.Run(name, func(t *testing.T) {
			secured(t, tc.cfg, func(t *testing.T, b *brokertest.Broker) {
				for _, wrong := range []nats.Option{nats.Name("none"), nats.UserInfo("ann", "wrong"), nats.Token("wrong")} {
					nc, err := nats.Connect(b.URL(), wrong)
					if !errors.Is(err, nats.ErrAuthorization) {
						t.Errorf("a wrong login: %v", err)
					}
					if err == nil {
						nc.Close()
					}
				}
				nc, err := nats.Connect(b.URL(), tc.opt)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				sub, err := nc.SubscribeSync("a")
				if err != nil {
					t.Fatal(err)
				}
				b.AwaitSubscribers(t, "a", 1)
				b.Publish(t, "a", []byte("x"))
				if _, err := sub.NextMsg(patience); err != nil {
					t.Error(err)
				}
				if text := b.Transcript(""); strings.Contains(text, "secret") || !strings.Contains(text, "***") {
					t.Errorf("the transcript tells the password:\n%s", text)
				}
			})
		})
	}
}

func TestTLS(t *testing.T) {
	secured(t, brokertest.Config{TLS: true}, func(t *testing.T, b *brokertest.Broker) {
		roots := x509.NewCertPool()
		roots.AddCert(b.CA())
		nc, err := nats.Connect(b.URL(), nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nats.Name("safe"),
			nats.ReconnectWait(0), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		sub, err := nc.SubscribeSync("a")
		if err != nil {
			t.Fatal(err)
		}
		b.AwaitSubscribers(t, "a", 1)
		b.Crash(t)
		b.Restart(t)
		b.AwaitReconnect(t)
		b.Publish(t, "a", []byte("x"))
		if _, err := sub.NextMsg(patience); err != nil {
			t.Error(err)
		}
		if !strings.Contains(b.Transcript("safe"), "SUB a 1") {
			t.Error("the transcript is not in clear")
		}
		if nc, err := nats.Connect(b.URL()); err == nil { // unknown authority
			nc.Close()
			t.Error("connected to a broker with an unknown certificate")
		}
	})
}

// A crash meets clients in the middle of a TLS handshake, too.
func TestCrashDuringAHandshake(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.Config{TLS: true})
	c := dialRaw(t, b)
	c.wantPrefix("INFO {")
	b.Crash(t)
	c.wantSilence()
	b.Restart(t)
	c.wantReset()
}
