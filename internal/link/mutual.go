package link

import (
	"context"
	"math"
	"time"

	"vigil/internal/wire"
)

// Mutual hearing, with a broker that offers it in INFO: see package wire.

// introduce returns the CONNECT for c.
func (l *Link) introduce(ctx context.Context, c *conn) ([]byte, error) {
	connect := wire.ConnectLine{
		Echo: !l.cfg.NoEcho, Headers: c.info.Headers, NoResponders: c.info.Headers, Protocol: 1,
		Lang: "go", Version: version, Name: l.cfg.Name,
	}
	if err := l.identify(ctx, c, &connect); err != nil {
		return nil, err
	}
	if c.info.Mutual {
		// Twice what lies between two PINGs of ours at most, so that one which
		// is late is no reason.
		connect.Mutual = (2 * l.askAtLeast()).Milliseconds()
		l.mu.Lock()
		connect.Was = l.was
		l.mu.Unlock()
	}
	return wire.AppendConnect(nil, &connect), nil
}

// askAtLeast is the longest time between two PINGs on a connection that is
// established, also while bytes keep coming.
func (l *Link) askAtLeast() time.Duration { return max(minAskAtLeast, l.cfg.Heartbeat.Bound()) }

// minAskAtLeast bounds askAtLeast for a fast heartbeat.
const minAskAtLeast = time.Second

// remember notes c as the connection that the next one takes the place of. mu
// is held.
func (l *Link) remember(c *conn) {
	l.was = &wire.Was{ServerID: c.info.ServerID, ClientID: c.info.ClientID}
}

// appendProbe appends a PING, with what a broker that takes part shall know.
func (c *conn) appendProbe(dst []byte, now time.Time) []byte {
	if !c.info.Mutual {
		return append(dst, wire.PingLine...)
	}
	return wire.AppendPing(dst, now.Sub(c.lastHeard()))
}

// toldUnheard acts on a PING in which the broker says for how long it has not
// heard us. If that silence began before our oldest unanswered PING was sent,
// and that one has been under way for longer than a silence may last, the way to
// the broker is cut.
//
// The word itself may be old: on a congested link it waits behind seconds of
// messages, and the PONG for longer, since a broker puts its PINGs first. The
// silence did not begin before a PING that was answered was sent, which says how
// early the word can have been given; by then ours must have been under way for
// long enough as well.
func (c *conn) toldUnheard(arg []byte, now time.Time) {
	age, ok := wire.ParsePing(arg)
	if !ok || !c.info.Mutual {
		return
	}
	l := c.link
	l.mu.Lock()
	oldest, reached := c.ledger.oldest(), c.ledger.reached
	l.mu.Unlock()
	if oldest.IsZero() {
		return
	}
	underWay, then := now.Sub(oldest), reached.Add(age).Sub(oldest)
	if underWay >= l.cfg.Heartbeat.Bound() && age > underWay && then >= l.askAtLeast()/2 {
		c.giveUp(&Loss{Cause: CauseUnheard, At: now, PeerHeard: now.Add(-age)})
	}
}

// toldWasHeard notes how long ago the broker of a new connection last heard the
// one before, in milliseconds. It says so before the PONG of the greeting, which
// the greeter awaits. What makes no sense is passed over. mu is held.
func (c *conn) toldWasHeard(ago *int64, now time.Time) {
	if ago != nil && *ago >= 0 && *ago <= math.MaxInt64/int64(time.Millisecond) {
		c.wasHeard = now.Add(-time.Duration(*ago) * time.Millisecond)
	}
}

// peerHeard returns when the broker of a new connection last heard the one
// before, by our clock; zero if it does not say.
func (c *conn) peerHeard() time.Time {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.wasHeard
}
