package link

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// pool is the list of servers, in the order in which they will be tried. It
// decides and does nothing else.
type pool struct {
	entries []poolEntry
	// first is the first server given, whose credentials go to those announced
	// as well: brokers announce addresses alone.
	first server
	// tls says that every connection is encrypted. It is never taken back.
	tls bool
}

type poolEntry struct {
	server
	discovered bool // announced by a broker, not given by the user
	failures   int  // attempts in a row that failed
}

// forgetAfter is how often in a row a discovered server may fail before it is
// forgotten. Those that the user gave never are.
const forgetAfter = 8

func newPool(servers []server) pool {
	p := pool{first: servers[0], tls: anyTLS(servers)}
	for _, s := range servers {
		p.entries = append(p.entries, poolEntry{server: s})
	}
	return p
}

// next returns the server to try now.
func (p *pool) next() server { return p.entries[0].server }

// others returns the servers that are not at this address, in order.
func (p *pool) others(address string) []server {
	var others []server
	for _, e := range p.entries {
		if e.address != address {
			others = append(others, e.server)
		}
	}
	return others
}

// len returns how many servers there are, at least one.
func (p *pool) len() int { return len(p.entries) }

// failed demotes a server that did not answer: all others go before it.
func (p *pool) failed(address string) {
	i := p.index(address)
	if i < 0 {
		return
	}
	e := p.entries[i]
	e.failures++
	p.entries = slices.Delete(p.entries, i, i+1)
	if e.discovered && e.failures >= forgetAfter {
		return
	}
	p.entries = append(p.entries, e)
}

// lost demotes a server whose connection was lost. It is no failure: it did
// answer before.
func (p *pool) lost(address string) {
	if i := p.index(address); i >= 0 {
		e := p.entries[i]
		p.entries = append(slices.Delete(p.entries, i, i+1), e)
	}
}

// answered clears the failures of a server.
func (p *pool) answered(address string) {
	if i := p.index(address); i >= 0 {
		p.entries[i].failures = 0
	}
}

// discover adds the addresses that a broker announced, in random order, so
// that clients which learn of them together do not all turn to the same one.
// Bad ones are passed over, and so are those beyond maxServers. Discovered ones
// that are not announced any more are forgotten, unless it is the one in use;
// no announcement at all says nothing.
func (p *pool) discover(addresses []string, inUse string, rng *rand.Rand) {
	if len(addresses) == 0 {
		return
	}
	announced := make(map[string]bool, len(addresses))
	for _, a := range addresses {
		if s, err := parseServer(a); err == nil {
			announced[s.address] = true
		}
	}
	p.entries = slices.DeleteFunc(p.entries, func(e poolEntry) bool {
		return e.discovered && e.address != inUse && !announced[e.address]
	})
	order := rng.Perm(len(addresses))
	for _, i := range order {
		if len(p.entries) >= maxServers {
			return
		}
		s, err := parseServer(addresses[i])
		if err != nil || p.index(s.address) >= 0 {
			continue
		}
		s.user, s.pass, s.token = p.first.user, p.first.pass, p.first.token
		p.vouch(&s, inUse)
		p.entries = append(p.entries, poolEntry{server: s, discovered: true})
	}
}

// vouch makes a server that was announced by the one at the address from as
// secret as that: its certificate must be for its own name or, when an IP
// address is all that is known of it, for the name of the one that announced it.
func (p *pool) vouch(s *server, from string) {
	if !p.tls {
		return
	}
	s.scheme = schemeTLS
	if _, err := netip.ParseAddr(s.name); err != nil {
		return
	}
	s.name = p.first.name
	if i := p.index(from); i >= 0 {
		s.name = p.entries[i].name
	}
}

func (p *pool) index(address string) int {
	return slices.IndexFunc(p.entries, func(e poolEntry) bool { return e.address == address })
}
