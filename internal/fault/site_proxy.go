package fault

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
)

// anyLocalAddr is where a broker behind a proxy listens.
const anyLocalAddr = "127.0.0.1:0"

// errNoBroker is why a proxy without a process behind it refuses.
var errNoBroker = errors.New("fault: proxy site: no process runs")

// proxySite is a Site of mode Proxied.
type proxySite struct {
	proxy *Proxy // fixed after construction

	mu      sync.Mutex
	proc    *Process // guarded by mu; nil before Start and after Vanish
	backend string   // guarded by mu: host:port of proc
	gone    bool     // guarded by mu: between Vanish and Return
	closed  bool     // guarded by mu
}

// newProxySite starts the proxy.
func newProxySite() (Site, error) {
	s := &proxySite{}
	proxy, err := NewProxy(s.target)
	if err != nil {
		return nil, err
	}
	s.proxy = proxy
	return s, nil
}

// target is the backend of the proxy.
func (s *proxySite) target() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return "", errNoBroker
	}
	return s.backend, nil
}

// Mode implements Site.
func (s *proxySite) Mode() Mode { return Proxied }

// Addr implements Site.
func (s *proxySite) Addr() string { return s.proxy.Addr() }

// errNoHost is why a proxy has no faults below TCP.
var errNoHost = &UnsupportedError{"a host of its own", errors.New("the broker is behind a proxy, on this machine's host")}

// Host implements Site.
func (s *proxySite) Host() (*Host, error) { return nil, errNoHost }

// Start implements Site.
func (s *proxySite) Start(ctx context.Context, c Command) (*Process, error) {
	s.mu.Lock()
	err := mayStart(s.closed, s.gone, s.proc)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c = c.at(anyLocalAddr)
	c.Host = nil
	p, err := StartProcess(ctx, c)
	if err != nil {
		return nil, err
	}
	backend, err := dialAddr(p.URL())
	if err != nil {
		p.Kill()
		return nil, err
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.proc, s.backend = p, backend
	}
	s.mu.Unlock()
	if closed {
		p.Kill()
		return nil, ErrClosed
	}
	return p, nil
}

// dialAddr returns the host:port of text, a URL or already a host:port.
func dialAddr(text string) (string, error) {
	if !strings.Contains(text, "://") {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Port() == "" {
		return "", fmt.Errorf("fault: proxy site: the process printed %q, not a URL with a port", text)
	}
	return u.Host, nil
}

// Cut implements Site.
func (s *proxySite) Cut(dir Direction) error { return s.proxy.Cut(dir) }

// Mend implements Site.
func (s *proxySite) Mend() error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return errMendGone
	}
	return s.proxy.Mend()
}

// Vanish implements Site.
func (s *proxySite) Vanish() error {
	if err := s.proxy.Vanish(); err != nil {
		return err
	}
	s.mu.Lock()
	p := s.proc
	s.proc, s.gone = nil, true
	s.mu.Unlock()
	if p != nil {
		p.Kill()
	}
	return nil
}

// Return implements Site. Before it, the process is killed if Vanish has not
// done so.
func (s *proxySite) Return() error {
	if err := s.Vanish(); err != nil {
		return err
	}
	if err := s.proxy.Restore(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = false
	return nil
}

// Close implements Site.
func (s *proxySite) Close() error {
	s.mu.Lock()
	p := s.proc
	s.proc, s.closed = nil, true
	s.mu.Unlock()
	if p != nil {
		p.Kill()
	}
	return s.proxy.Close()
}
