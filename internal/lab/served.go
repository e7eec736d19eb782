package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/broker"
	"vigil/internal/fault"
)

// The brokers that the lab knows.
const (
	Vigil      = "vigil"
	NATSServer = "nats-server"
)

// Brokers lists them in the order in which results are shown.
func Brokers() []string { return []string{Vigil, NATSServer} }

// startTimeout bounds how long a broker may take to listen.
const startTimeout = 10 * time.Second

// ServeCommand is the hidden command of the lab's own program that serves a
// broker in a child process: its arguments are the broker's name and the
// address to listen on.
const ServeCommand = "serve"

// command starts this program again as the named broker.
func command(name string) fault.Command {
	return fault.Command{Args: []string{ServeCommand, name, fault.AddrPlaceholder}}
}

// ServeOptions are what a served broker may be asked for besides its defaults.
type ServeOptions struct {
	// PingInterval is how long a client is silent before it is pinged. 0 is the
	// broker's default.
	PingInterval time.Duration
	// CPUProfile is the file that a profile of the process is written to when
	// it is told to end. "" is none.
	CPUProfile string
}

// Serve runs the named broker on addr until the process is told to end or loses
// its parent. It writes the broker's URL to out once it listens.
func Serve(name, addr string, o ServeOptions, out io.Writer) (err error) {
	fault.ExitWithParent()
	if o.CPUProfile != "" {
		finish, failed := profile(o.CPUProfile)
		if failed != nil {
			return fmt.Errorf("lab: serve %s: %w", name, failed)
		}
		defer func() { err = errors.Join(err, finish()) }()
	}
	url, stop, err := listen(name, addr, o.PingInterval)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := fmt.Fprintln(out, url); err != nil {
		return fmt.Errorf("lab: serve %s: tell the address: %w", name, err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	<-ended
	return nil
}

// profile begins a profile of the process; finish ends it and writes the file.
func profile(file string) (finish func() error, err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		return nil
	}, nil
}

func listen(name, addr string, pingInterval time.Duration) (url string, stop func(), err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, fmt.Errorf("lab: serve %s: address: %w", name, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", nil, fmt.Errorf("lab: serve %s: port %q: want a number", name, text)
	}
	if port == 0 {
		port = -1 // both brokers' word for any free port
	}
	switch name {
	case Vigil:
		b, err := broker.Start(broker.Config{Host: host, Port: port, PingInterval: pingInterval})
		if err != nil {
			return "", nil, err
		}
		return b.URL(), func() { _ = b.Shutdown(context.Background()) }, nil
	case NATSServer:
		return listenNATS(host, port, pingInterval)
	}
	return "", nil, fmt.Errorf("lab: serve: unknown broker %q: want %s or %s", name, Vigil, NATSServer)
}

func listenNATS(host string, port int, pingInterval time.Duration) (url string, stop func(), err error) {
	s, err := server.NewServer(&server.Options{Host: host, Port: port, PingInterval: pingInterval, NoSigs: true, NoLog: true})
	if err != nil {
		return "", nil, fmt.Errorf("lab: serve %s: %w", NATSServer, err)
	}
	// Owned by the server; ends with Shutdown.
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return "", nil, fmt.Errorf("lab: serve %s on %s:%d: not ready within %v; is the port in use?", NATSServer, host, port, startTimeout)
	}
	return s.ClientURL(), s.Shutdown, nil
}
