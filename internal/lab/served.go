package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
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

// Serve runs the named broker on addr until the process is told to end or loses
// its parent. It writes the broker's URL to out once it listens.
func Serve(name, addr string, out io.Writer) error {
	fault.ExitWithParent()
	url, stop, err := listen(name, addr)
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

func listen(name, addr string) (url string, stop func(), err error) {
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
		b, err := broker.Start(broker.Config{Host: host, Port: port})
		if err != nil {
			return "", nil, err
		}
		return b.URL(), func() { _ = b.Shutdown(context.Background()) }, nil
	case NATSServer:
		return listenNATS(host, port)
	}
	return "", nil, fmt.Errorf("lab: serve: unknown broker %q: want %s or %s", name, Vigil, NATSServer)
}

func listenNATS(host string, port int) (url string, stop func(), err error) {
	s, err := server.NewServer(&server.Options{Host: host, Port: port, NoSigs: true, NoLog: true})
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
