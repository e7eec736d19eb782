package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/spf13/cobra"

	"vigil/broker"
	"vigil/internal/cli"
	"vigil/internal/control"
	"vigil/internal/embedded"
	"vigil/internal/front"
)

// testBroker is what the flags of test-broker say.
type testBroker struct {
	control     string
	allowRemote bool
	login       front.Login
	tls, drop   bool
	broker      broker.Config
}

func testBrokerCommand() *cobra.Command {
	var b testBroker
	cmd := &cobra.Command{
		Use:   "test-broker",
		Short: "Serve a broker for tests, to which faults are made over HTTP",
		Long: `Serve a broker for tests, to which faults are made over HTTP, on free ports of
127.0.0.1. It prints two lines: the URL that clients connect to, and that of the
control. It ends with SIGINT or SIGTERM.

The control is described by its /openapi.json. Whoever reaches it can do
everything with it. It listens on loopback addresses only, unless told otherwise.

As a lame duck the broker has no grace and goes within a second, unless told
otherwise.`,
		Example: `  vigil test-broker
  vigil test-broker --control 127.0.0.1:8333
  curl -d '{"subject": "orders.>", "count": 1}' 127.0.0.1:8333/v1/await/subscribers
  curl -d '' 127.0.0.1:8333/v1/crash
  curl -d '' 127.0.0.1:8333/v1/restart
  curl -d '{"within": "5s"}' 127.0.0.1:8333/v1/await/reconnect
  curl 127.0.0.1:8333/v1/timeline`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&b.control, "control", "127.0.0.1:0", "host:port of the control; port 0 is any free one")
	flags.BoolVar(&b.allowRemote, "allow_remote_control", false, "let the control listen on other than loopback addresses")
	flags.StringVar(&b.login.User, "user", "", "user that clients must show")
	flags.StringVar(&b.login.Password, "pass", "", "password that clients must show")
	flags.StringVar(&b.login.Token, "auth", "", "token that clients must show")
	flags.BoolVar(&b.tls, "tls", false, "speak TLS, with a certificate made on the fly; its authority is at /v1/ca")
	flags.BoolVar(&b.drop, "drop_packets", false, "have the kernel drop what a crashed host would not get; Linux only")
	limits := limitFlags(&b.broker)
	flags.AddFlagSet(limits)
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { return writeUsage(cmd, limits) })
	return cmd
}

// run serves until the command's context ends.
func (b *testBroker) run(cmd *cobra.Command) (err error) {
	l, err := b.listen(cmd.Context())
	if err != nil {
		return err
	}
	cfg := front.Config{
		Start:       func(addr net.Addr) (front.Backend, error) { return embedded.Start(b.broker, addr) },
		Guard:       b.login != front.Login{},
		Login:       b.login,
		DropPackets: b.drop,
	}
	var ca string
	if b.tls {
		authority, secure, err := front.NewCertificate()
		if err != nil {
			return errors.Join(fmt.Errorf("test-broker: make a certificate: %w", err), l.Close())
		}
		cfg.TLS = secure
		ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}))
	}
	f, err := front.Start(cfg)
	if err != nil {
		if wrong, ok := errors.AsType[*broker.ConfigError](err); ok {
			err = wrongFlags(wrong)
		}
		return errors.Join(err, l.Close())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s\nhttp://%s\n", f.URL(), l.Addr())
	ctx, cancel := context.WithCancel(cmd.Context())
	var serving sync.WaitGroup
	// Owned by this call, which waits; ends with ctx.
	serving.Go(func() {
		err = control.New(f, ca).Serve(ctx, l)
		cancel()
	})
	<-ctx.Done()
	cancel()
	closed := f.Close() // ends the waits that are being served
	serving.Wait()
	return errors.Join(err, closed)
}

// listen listens for the control.
func (b *testBroker) listen(ctx context.Context) (net.Listener, error) {
	host, _, err := net.SplitHostPort(b.control)
	if err != nil {
		return nil, cli.Usagef("control %q: want host:port", b.control)
	}
	if ip := net.ParseIP(host); !b.allowRemote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, cli.Usagef("control %q: whoever reaches it can do everything with it; want a loopback address, or --allow_remote_control", b.control)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", b.control)
	if err != nil {
		return nil, fmt.Errorf("test-broker: listen for the control: %w; choose another port, or 0 for any free one", err)
	}
	return l, nil
}
