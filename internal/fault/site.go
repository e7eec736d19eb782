package fault

import (
	"context"
	"fmt"
	"strings"
)

// AddrPlaceholder stands in a Command's Args and Env for the address, host:port,
// on which the broker is to listen; Site.Start fills it in.
const AddrPlaceholder = "{addr}"

// Mode is a way to make a host vanish. Every result names the mode that made
// it, because a proxy shows less.
type Mode string

const (
	// PacketsDropped is a host in a network namespace whose packets are
	// dropped in a switch: what a real host does when its power fails.
	PacketsDropped Mode = "packets-dropped"
	// Proxied is a broker behind a user-space TCP proxy that falls silent, for
	// machines without namespaces.
	Proxied Mode = "proxy"
)

// Limits says in one sentence what the mode cannot show.
func (m Mode) Limits() string {
	switch m {
	case PacketsDropped:
		return "virtual links have no loss, delay or narrowness of their own, and all hosts share the machine's CPUs and clock."
	case Proxied:
		return "the kernel before the proxy goes on acknowledging and accepting, so TCP keep-alive, TCP_USER_TIMEOUT and new dials see a living host, and no RST comes when the host is back."
	}
	return "unknown mode."
}

// Best returns PacketsDropped if this process can make a Switch, otherwise
// Proxied and the reason.
func Best() (Mode, error) {
	site, err := NewSite(PacketsDropped)
	if err != nil {
		return Proxied, err
	}
	if err := site.Close(); err != nil {
		return Proxied, err
	}
	return PacketsDropped, nil
}

// Site is a place where a broker runs, from which it can vanish and to which
// it can return. A site's methods are called one after the other, Close and
// the accessors at any time.
type Site interface {
	// Mode says how this site vanishes.
	Mode() Mode
	// Addr is the host:port that clients dial. It never changes, and in proxy
	// mode it is not the address in the process's URL.
	Addr() string
	// Host is the site's host, for what can go wrong below TCP or with a link
	// that is not cut; only Cut, Vanish and Return may take it away. In proxy
	// mode there is none, and the error is an *UnsupportedError.
	Host() (*Host, error)
	// Start starts the broker process c on this site, with AddrPlaceholder
	// filled in and c.Host ignored, and waits for its URL. One process runs on
	// a site at a time.
	Start(ctx context.Context, c Command) (*Process, error)
	// Cut keeps packets in direction dir from passing, in addition to what is
	// cut already; nobody dies and nobody is told.
	Cut(dir Direction) error
	// Mend ends all cuts; connections go on as if the packets had been late.
	Mend() error
	// Vanish is the incident: first no packet passes any more, then the
	// process gets SIGKILL, so that neither FIN nor RST ever arrives.
	Vanish() error
	// Return brings the host back at the same address, with no memory of old
	// connections and no process on it; the caller then starts one.
	Return() error
	// Close kills the process, takes everything away and waits for it. It may
	// be called again.
	Close() error
}

// NewSite makes a site of the given mode. All sites of mode PacketsDropped in
// a process share one Switch, which comes with the first and goes with the
// last. If this machine cannot do that mode the error is an *UnsupportedError
// with the reason.
func NewSite(mode Mode) (Site, error) {
	switch mode {
	case PacketsDropped:
		return newHostSite()
	case Proxied:
		return newProxySite()
	}
	return nil, fmt.Errorf("fault: new site: unknown mode %q", mode)
}

// at returns c with AddrPlaceholder replaced by addr.
func (c Command) at(addr string) Command {
	fill := func(in []string) []string {
		out := make([]string, len(in))
		for i, s := range in {
			out[i] = strings.ReplaceAll(s, AddrPlaceholder, addr)
		}
		return out
	}
	c.Args, c.Env = fill(c.Args), fill(c.Env)
	return c
}
