package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vigil/broker"
	"vigil/internal/fault"
)

// The brokers that the lab knows.
const (
	Vigil      = "vigil"
	NATSServer = "nats-server"
	// NATSCluster is three nats-servers, each on a host of its own. Only the
	// matrix knows it.
	NATSCluster = "nats-cluster"
)

// Brokers lists those of the incident in the order in which results are shown.
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

// What a lame duck is given.
const (
	lameDuckGrace    = time.Second
	lameDuckDuration = 3 * time.Second
)

// The flags of the serve command that the matrix needs.
const (
	LameDuckFlag = "lame-duck"
	ClusterFlag  = "cluster"
	RoutesFlag   = "routes"

	JetStreamFlag = "jetstream"
)

// ServeOptions are what a served broker may be asked for besides its defaults.
type ServeOptions struct {
	// PingInterval is how long a client is silent before it is pinged. 0 is the
	// broker's default.
	PingInterval time.Duration
	// Cluster is the address on which a nats-server listens for its cluster's
	// routes, and Routes those of the other servers. "" is no cluster.
	Cluster string
	Routes  []string
	// JetStream is the directory in which a nats-server may keep files; with it,
	// it keeps the messages of the lab's feed in a stream, in memory. "" is
	// neither.
	JetStream string
	// LameDuck makes the broker announce its end when it is told to end, and go
	// between lameDuckGrace and lameDuckDuration later.
	LameDuck bool
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
	url, stop, err := listen(name, addr, o)
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

func listen(name, addr string, o ServeOptions) (url string, stop func(), err error) {
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
		if o.Cluster != "" || o.JetStream != "" {
			return "", nil, fmt.Errorf("lab: serve %s: it knows no clusters, nor streams", name)
		}
		b, err := broker.Start(broker.Config{Host: host, Port: port, PingInterval: o.PingInterval,
			LameDuckGrace: lameDuckGrace, LameDuckDuration: lameDuckDuration})
		if err != nil {
			return "", nil, err
		}
		if o.LameDuck {
			return b.URL(), func() { _ = b.LameDuck(context.Background()) }, nil
		}
		return b.URL(), func() { _ = b.Shutdown(context.Background()) }, nil
	case NATSServer:
		return listenNATS(host, port, o)
	}
	return "", nil, fmt.Errorf("lab: serve: unknown broker %q: want %s or %s", name, Vigil, NATSServer)
}

func listenNATS(host string, port int, o ServeOptions) (url string, stop func(), err error) {
	options := &server.Options{Host: host, Port: port, PingInterval: o.PingInterval, NoSigs: true, NoLog: true,
		LameDuckGracePeriod: lameDuckGrace, LameDuckDuration: lameDuckDuration}
	if o.Cluster != "" {
		if err := cluster(options, o); err != nil {
			return "", nil, fmt.Errorf("lab: serve %s: %w", NATSServer, err)
		}
	}
	if o.JetStream != "" {
		options.JetStream, options.StoreDir = true, o.JetStream
	}
	s, err := server.NewServer(options)
	if err != nil {
		return "", nil, fmt.Errorf("lab: serve %s: %w", NATSServer, err)
	}
	// Owned by the server; ends with Shutdown.
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return "", nil, fmt.Errorf("lab: serve %s on %s:%d: not ready within %v; is the port in use?", NATSServer, host, port, startTimeout)
	}
	if o.JetStream != "" {
		if err := addStream(s); err != nil {
			s.Shutdown()
			return "", nil, fmt.Errorf("lab: serve %s: stream: %w", NATSServer, err)
		}
	}
	if o.LameDuck {
		return s.ClientURL(), s.LameDuckShutdown, nil
	}
	return s.ClientURL(), s.Shutdown, nil
}

// addStream adds the stream for the lab's feed.
func addStream(s *server.Server) error {
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: jetStream, Subjects: []string{subject}, Storage: jetstream.MemoryStorage, MaxBytes: streamBytes, Discard: jetstream.DiscardOld,
	})
	return err
}

// streamBytes bounds the stream.
const streamBytes = 64 << 20

// cluster makes a server a member of a cluster.
func cluster(options *server.Options, o ServeOptions) error {
	host, text, err := net.SplitHostPort(o.Cluster)
	if err != nil {
		return fmt.Errorf("cluster address: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("cluster port %q: want a number", text)
	}
	options.Cluster = server.ClusterOpts{Name: "vigil", Host: host, Port: port}
	for _, r := range o.Routes {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats-route", Host: r})
	}
	return nil
}
