package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vigil/internal/wire"
)

// Version is what the broker calls itself in INFO: a semantic version, on which
// clients gate features. It names the nats-server whose core protocol is
// spoken.
const Version = "2.15.2"

// Broker is a running broker. Its methods may be called concurrently.
type Broker struct {
	// Fixed after Start.
	cfg      Config
	info     wire.InfoLine
	listener net.Listener
	started  time.Time
	log      *slog.Logger
	routes   *routing
	liveness *liveness
	ledger   *ledger
	monitor  *monitor // nil without a monitoring port

	// lives counts the clients, pumps the goroutines; Shutdown waits for both.
	lives, pumps sync.WaitGroup
	pollers
	// accepting is closed when the accept loop has ended, stopped when every
	// goroutine has.
	accepting, stopped chan struct{}
	closeListener      sync.Once
	lastID             atomic.Uint64
	// lame is set for good by LameDuck.
	lame atomic.Bool

	mu sync.Mutex
	// clients holds every connection, also those that are being turned away.
	clients map[uint64]*client
	// rejects counts those that are.
	rejects int
	gone    goneClients
	closing bool
	// emptied is closed when the last client of a lame duck has gone; nil for
	// any other broker.
	emptied chan struct{}
}

// Start starts a broker. It listens when Start returns. The error says which
// address could not be had; it is a [*ConfigError] if a field of cfg is wrong.
func Start(cfg Config) (*Broker, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.validate(); err != nil {
		return nil, &ConfigError{err}
	}
	listener := cfg.Listener
	if listener == nil {
		var err error
		if listener, err = listen(cfg); err != nil {
			return nil, err
		}
	}
	watched, err := monitorListener(cfg)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	started := time.Now()
	b := &Broker{
		cfg:      cfg,
		listener: listener,
		started:  started,
		log:      cfg.Logger,
		routes:   newRouting(),
		liveness: newLiveness(cfg, started),
		clients:  make(map[uint64]*client),

		accepting: make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	b.ledger = newLedger(cfg.MemoryBudget, b.snapshot)
	b.info = b.describe()
	b.pumps.Go(b.liveness.sweep)
	b.pumps.Go(b.accept)
	if watched != nil {
		b.monitor = newMonitor(b, watched)
		b.pumps.Go(b.monitor.serve)
	}
	b.log.Info("broker listening", "url", b.URL(), "id", b.info.ServerID)
	return b, nil
}

func listen(cfg Config) (net.Listener, error) {
	port := max(cfg.Port, 0) // RandomPort is the system's 0
	// Clients are watched by PINGs; TCP keep-alive would only add packets.
	lc := net.ListenConfig{KeepAlive: -1}
	l, err := lc.Listen(context.Background(), "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("broker: listen: %w; is another broker running? choose another port, or %d for any free one", err, RandomPort)
	}
	if err != nil {
		return nil, fmt.Errorf("broker: listen: %w", err)
	}
	return listenForSockets(l), nil
}

// describe returns what INFO says to every client.
func (b *Broker) describe() wire.InfoLine {
	id := newServerID()
	info := wire.InfoLine{
		ServerID:   id,
		ServerName: orDefault(b.cfg.Name, id),
		Version:    Version,
		Proto:      1,
		Go:         runtime.Version(),
		Host:       b.cfg.Host,
		Port:       b.cfg.Port,
		Headers:    true,
		MaxPayload: int64(b.cfg.MaxPayload),
		Mutual:     true,

		ConnectURLs: b.cfg.ConnectURLs,
	}
	if host, port, err := net.SplitHostPort(b.listener.Addr().String()); err == nil {
		info.Host = host
		info.Port, _ = strconv.Atoi(port)
	}
	return info
}

// infoFor returns the INFO that greets a client.
func (b *Broker) infoFor(c *client) *wire.InfoLine {
	info := b.info
	info.ClientID = c.id
	info.ClientIP, _ = c.address()
	if b.lame.Load() {
		info.LameDuck = true
		info.ConnectURLs = b.othersURLs()
	}
	return &info
}

// welcomeFor returns the INFO that follows a client's first PONG.
func (b *Broker) welcomeFor(c *client) *wire.InfoLine {
	info := b.infoFor(c)
	info.ConnectInfo = true
	info.RemoteAccount = "$G"
	return info
}

// URL returns the address that clients connect to, such as
// nats://127.0.0.1:4222.
func (b *Broker) URL() string { return "nats://" + b.Addr().String() }

// Addr returns the address that the broker listens on.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// ID returns the server_id that INFO shows.
func (b *Broker) ID() string { return b.info.ServerID }

// Retry delays after a failed accept: the process may be out of descriptors,
// and the next try would fail as fast.
const (
	acceptRetryFirst = 5 * time.Millisecond
	acceptRetryLast  = time.Second
)

// accept is the goroutine that takes new connections. It belongs to the broker,
// ends when the listener is closed, and Shutdown waits for it.
func (b *Broker) accept() {
	defer close(b.accepting)
	retry := acceptRetryFirst
	for {
		c, err := b.nextClient()
		if err == nil {
			retry = acceptRetryFirst
			b.welcome(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) || b.lame.Load() || b.isClosing() {
			return
		}
		b.log.Warn("accept failed", "error", err, "retry", retry)
		select {
		case <-time.After(retry):
		case <-b.liveness.done:
			return
		}
		retry = min(2*retry, acceptRetryLast)
	}
}

// acceptConn waits for the next connection and makes a client of it.
func (b *Broker) acceptConn() (*client, error) {
	conn, err := b.listener.Accept()
	if err != nil {
		return nil, err
	}
	return newClient(b, b.lastID.Add(1), conn), nil
}

// welcome lets a new client in, or turns it away.
func (b *Broker) welcome(c *client) {
	if !b.admit(c) {
		_ = c.stream.close()
		return
	}
	c.start()
}

// admit makes c one of the broker's clients, or one that is being turned away. It
// reports false if there is no room for that either.
func (b *Broker) admit(c *client) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing || b.lame.Load() {
		return false
	}
	if len(b.clients)-b.rejects >= b.cfg.MaxConnections {
		if b.rejects >= maxRejects {
			return false
		}
		c.rejected = true
		b.rejects++
	}
	b.clients[c.id] = c
	b.lives.Add(1) // under the lock, so that Shutdown cannot begin to wait in between
	return true
}

// remove forgets a client that has ended, but for what is remembered of those.
func (b *Broker) remove(c *client) {
	record := c.record()
	b.mu.Lock()
	delete(b.clients, c.id)
	if c.rejected {
		b.rejects--
	}
	b.gone.add(record, c.traffic())
	b.toldEmptyLocked()
	b.mu.Unlock()
	b.lives.Done()
}

// maxRejects bounds the clients that are being turned away at once; more are
// closed without a word. Each keeps a descriptor until it has read why.
const maxRejects = 256

// start lets a client live. Its goroutine, if it has one, ends with its stream,
// and Shutdown waits for it.
func (c *client) start() {
	stream, plain := c.stream.(*plainTransport)
	switch {
	case c.rejected:
		c.broker.pumps.Go(c.turnAway)
	case plain:
		c.begin()
		c.broker.pumps.Go(func() { c.readLoop(stream) })
	default:
		c.begin()
	}
	c.startPolling()
}

// turnAway tells a client that there is no room for it.
func (c *client) turnAway() {
	c.reasonIs(tooManyClients)
	b := wire.AppendInfo(getBuffer(minBuffer), c.broker.infoFor(c))
	c.sendNow(wire.AppendErr(b, textMaxConnections))
	c.end(true)
	c.broker.remove(c)
}

func (b *Broker) isClosing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closing
}

// Shutdown stops listening, closes every client and waits until all of the
// broker's goroutines have ended or ctx has; the error is then ctx's. Clients
// see the end of their stream. It may be called more than once.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	first := !b.closing
	b.closing = true
	b.mu.Unlock()
	if first {
		b.stopListening()
		b.liveness.stop()
		if b.monitor != nil {
			b.monitor.stop()
		}
		for _, c := range b.snapshot() {
			c.close(serverShutdown)
		}
		b.log.Info("broker stopped")
		// Belongs to the broker, ends when clients and pumps have, which closing
		// their streams makes sure of; whoever waits for stopped waits for it.
		go func() {
			b.lives.Wait()
			b.stopPolling()
			b.pumps.Wait()
			b.closePoller()
			close(b.stopped)
		}()
	}
	select {
	case <-b.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("broker: shutdown: %w", ctx.Err())
	}
}

func (b *Broker) stopListening() {
	b.closeListener.Do(func() { _ = b.listener.Close() })
}

func (b *Broker) snapshot() []*client {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*client, 0, len(b.clients))
	for _, c := range b.clients {
		list = append(list, c)
	}
	return list
}
