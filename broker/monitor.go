package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// monitor answers questions about the broker over HTTP, with nats-server's
// paths, fields and types, so that tools for it work here. It only reads.
type monitor struct {
	// Fixed after construction.
	broker   *Broker
	listener net.Listener
	server   *http.Server
	// asked counts the requests by path.
	asked map[string]*atomic.Uint64
	usage usage
	// unsent counts the bytes of answers that are being written.
	unsent atomic.Int64

	// work is held while an answer is made that costs time or memory by the
	// number of clients: one at a time.
	work sync.Mutex

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	stopped bool
}

// Bounds of what a monitoring client may cost.
const (
	maxMonitorConns  = 64 // more are closed at once
	maxMonitorHeader = 16 << 10
	monitorRead      = 5 * time.Second  // for a request, header and all
	monitorWrite     = 30 * time.Second // for the answer
	monitorIdle      = 2 * time.Minute  // between requests
	// maxUnsent bounds the answers that are being written to clients that may
	// not read them, in bytes. It is twice the largest.
	maxUnsent = 128 << 20
)

// monitorListener listens for monitoring; nil without a port.
func monitorListener(cfg Config) (net.Listener, error) {
	if cfg.MonitorPort == 0 {
		return nil, nil
	}
	port := max(cfg.MonitorPort, 0) // RandomPort is the system's 0
	l, err := net.Listen("tcp", net.JoinHostPort(cfg.MonitorHost, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("broker: listen for monitoring: %w; choose another port, or %d for any free one", err, RandomPort)
	}
	if err != nil {
		return nil, fmt.Errorf("broker: listen for monitoring: %w", err)
	}
	return l, nil
}

func newMonitor(b *Broker, l net.Listener) *monitor {
	m := &monitor{broker: b, listener: l, asked: make(map[string]*atomic.Uint64), conns: make(map[net.Conn]struct{})}
	m.server = &http.Server{
		Handler:           m.handler(),
		ReadHeaderTimeout: monitorRead,
		ReadTimeout:       monitorRead,
		WriteTimeout:      monitorWrite,
		IdleTimeout:       monitorIdle,
		MaxHeaderBytes:    maxMonitorHeader,
		ConnState:         m.connState,
		ErrorLog:          slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
	return m
}

// serve is the goroutine that takes monitoring connections. It belongs to the
// broker, ends with stop, and Shutdown waits for it. The goroutine of each
// connection belongs to the server, ends when stop closes the connection, and
// Shutdown waits for it, too.
func (m *monitor) serve() {
	if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		m.broker.log.Warn("monitoring has ended", "error", err)
	}
}

// connState follows the life of a connection. It is called for a new one
// before its goroutine starts, and at the end of that.
func (m *monitor) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		m.broker.pumps.Add(1) // serve counts, too: the counter is not 0
		m.mu.Lock()
		refused := m.stopped || len(m.conns) >= maxMonitorConns
		m.conns[conn] = struct{}{}
		m.mu.Unlock()
		if refused {
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		m.mu.Lock()
		delete(m.conns, conn)
		m.mu.Unlock()
		m.broker.pumps.Done()
	}
}

// stop closes the port and every connection.
func (m *monitor) stop() {
	_ = m.server.Close()
	_ = m.listener.Close() // in case Serve has not begun yet
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	for conn := range m.conns {
		_ = conn.Close()
	}
}

// answerer returns what to say to a query, as JSON, or an error in the query.
type answerer func(q url.Values) (status int, answer any, err error)

func (m *monitor) handler() http.Handler {
	b := m.broker
	ok := func(answer any) (int, any, error) { return http.StatusOK, answer, nil }
	subs := func(q url.Values) (int, any, error) {
		o, err := parseSubsz(q)
		if err != nil {
			return 0, nil, err
		}
		return ok(b.subsz(o))
	}
	mux := http.NewServeMux()
	m.asked["/"] = new(atomic.Uint64)
	mux.HandleFunc("/{$}", m.index)
	// The first name is the one that requests are counted by.
	for names, answer := range map[string]answerer{
		"/varz":    func(url.Values) (int, any, error) { return ok(b.varz()) },
		"/healthz": b.healthz,
		"/connz": func(q url.Values) (int, any, error) {
			o, err := parseConnz(q)
			if err != nil {
				return 0, nil, err
			}
			return ok(b.connz(o))
		},
		"/subsz /subscriptionsz": subs,
		"/routez":                func(url.Values) (int, any, error) { return ok(b.routez()) },
		"/gatewayz":              func(url.Values) (int, any, error) { return ok(b.gatewayz()) },
		"/leafz":                 func(url.Values) (int, any, error) { return ok(b.leafz()) },
	} {
		var count atomic.Uint64
		for i, name := range strings.Fields(names) {
			if i == 0 {
				m.asked[name] = &count
			}
			mux.HandleFunc(name, func(w http.ResponseWriter, r *http.Request) { m.answer(w, r, &count, answer) })
		}
	}
	return mux
}

// readOnly refuses what is neither GET nor HEAD.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only GET and HEAD are served", http.StatusMethodNotAllowed)
	return false
}

func (m *monitor) answer(w http.ResponseWriter, r *http.Request, count *atomic.Uint64, answer answerer) {
	if !readOnly(w, r) {
		return
	}
	count.Add(1)
	q, err := url.ParseQuery(r.URL.RawQuery)
	var status int
	var text []byte
	if err == nil {
		status, text, err = m.text(q, answer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer m.unsent.Add(-int64(len(text)))
	if m.unsent.Add(int64(len(text))) > maxUnsent {
		http.Error(w, "too many answers are being read", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // who does not want the answer any more is nobody's concern
}

func (m *monitor) text(q url.Values, answer answerer) (int, []byte, error) {
	m.work.Lock()
	defer m.work.Unlock()
	status, value, err := answer(q)
	if err != nil {
		return 0, nil, err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	return status, text, err
}

// healthz says whether clients can connect.
func (b *Broker) healthz(q url.Values) (int, any, error) {
	p := query{values: q}
	// What is asked about JetStream is in order where there is none.
	for _, name := range []string{"js-enabled", "js-enabled-only", "js-server-only", "js-meta-only", "details"} {
		p.boolean(name)
	}
	if p.err != nil {
		return 0, nil, p.err
	}
	type health struct {
		Status string `json:"status"`
		Error  string `json:"error,omitempty"`
	}
	switch {
	case b.lame.Load():
		return http.StatusInternalServerError, health{"error", "not accepting connections: lame duck mode"}, nil
	case b.isClosing():
		return http.StatusInternalServerError, health{"error", "not accepting connections: shutting down"}, nil
	}
	return http.StatusOK, health{Status: "ok"}, nil
}

const indexPage = `<!DOCTYPE html>
<html lang="en">
<head><title>Vigil</title></head>
<body>
<h1>Vigil</h1>
<ul>
<li><a href="./varz">General</a></li>
<li><a href="./connz">Connections</a></li>
<li><a href="./subsz">Subscriptions</a></li>
<li><a href="./routez">Routes</a></li>
<li><a href="./leafz">Leaf nodes</a></li>
<li><a href="./gatewayz">Gateways</a></li>
<li><a href="./healthz">Health</a></li>
</ul>
</body>
</html>
`

func (m *monitor) index(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	m.asked["/"].Add(1)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(indexPage))
}
