package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

const (
	// sitePort is where brokers on hosts of their own listen: the NATS port.
	sitePort = 4222
	// firstHost is the lowest number of a broker's host: 1 is the clients'.
	firstHost = 2
)

// shared is the Switch of all host sites of this process.
var shared struct {
	mu    sync.Mutex // serialises the coming and going of sites
	sw    *Switch    // nil while there is no site
	sites map[int]bool
}

// hostSite is a Site of mode PacketsDropped.
type hostSite struct {
	// Fixed after construction.
	n    int
	host *Host

	mu     sync.Mutex
	proc   *Process // guarded by mu; nil before Start and after Vanish
	gone   bool     // guarded by mu: between Vanish and Return
	closed bool     // guarded by mu
}

// newHostSite takes the lowest free number on the shared switch, on which others
// may have made hosts, too.
func newHostSite() (Site, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.sw == nil {
		sw, err := NewSwitch()
		if err != nil {
			return nil, err
		}
		shared.sw, shared.sites = sw, map[int]bool{}
	}
	n := firstHost
	for shared.sites[n] || shared.sw.has(n) {
		n++
	}
	host, err := shared.sw.NewHost(n)
	if err != nil {
		return nil, errors.Join(err, closeUnusedSwitch())
	}
	shared.sites[n] = true
	return &hostSite{n: n, host: host}, nil
}

// closeUnusedSwitch closes the shared switch if no site uses it. Called under
// shared.mu.
func closeUnusedSwitch() error {
	if len(shared.sites) > 0 {
		return nil
	}
	sw := shared.sw
	shared.sw = nil
	return sw.Close()
}

// Mode implements Site.
func (s *hostSite) Mode() Mode { return PacketsDropped }

// Addr implements Site.
func (s *hostSite) Addr() string {
	return net.JoinHostPort(s.host.Addr().String(), strconv.Itoa(sitePort))
}

// Host implements Site.
func (s *hostSite) Host() (*Host, error) { return s.host, nil }

// Start implements Site.
func (s *hostSite) Start(ctx context.Context, c Command) (*Process, error) {
	s.mu.Lock()
	err := mayStart(s.closed, s.gone, s.proc)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c = c.at(s.Addr())
	c.Host = s.host
	p, err := StartProcess(ctx, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = p // if the site was closed meanwhile, so was the host, which killed p
	return p, nil
}

// mayStart returns why a process cannot be started on a site, or nil.
func mayStart(closed, gone bool, running *Process) error {
	if closed {
		return ErrClosed
	}
	if gone {
		return errors.New("fault: start on site: the host has vanished")
	}
	if running == nil {
		return nil
	}
	select {
	case <-running.Done():
		return nil
	default:
		return fmt.Errorf("fault: start on site: process %d runs there", running.PID())
	}
}

// Cut implements Site.
func (s *hostSite) Cut(dir Direction) error { return s.host.Drop(dir) }

// Mend implements Site.
func (s *hostSite) Mend() error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return errMendGone
	}
	return s.host.Heal()
}

// errMendGone guards the incident: packets of a killed process would leak.
var errMendGone = errors.New("fault: mend site: the host has vanished: it can only return")

// Vanish implements Site.
func (s *hostSite) Vanish() error {
	if err := s.host.Drop(Both); err != nil {
		return err
	}
	s.host.Kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc, s.gone = nil, true
	return nil
}

// Return implements Site.
func (s *hostSite) Return() error {
	if err := s.host.Reboot(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc, s.gone = nil, false
	return nil
}

// Close implements Site.
func (s *hostSite) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	delete(shared.sites, s.n)
	return errors.Join(s.host.Close(), closeUnusedSwitch())
}
