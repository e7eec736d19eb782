package broker

import (
	"math"
	"strings"
	"time"
)

const (
	// maxClosed bounds the closed connections that are remembered.
	maxClosed = 10000
	// maxSubsLeft, maxSubsText and maxAbout bound what is remembered of each:
	// so many subscriptions, with so many bytes of subject, queue and sid for
	// all of them, and so many bytes of name, language, version and user each.
	// All of them together take some 45 MB at most (computed).
	maxSubsLeft = 16
	maxSubsText = 1024
	maxAbout    = 256
)

// goneClients is what is known of connections that have ended. It is guarded by
// Broker.mu.
type goneClients struct {
	ring  []*connInfo // the last maxClosed; next is the oldest once it is full
	next  int
	total traffic
	slow  uint64
	stale uint64
}

// add remembers a client that is being removed. t is its traffic now, which may
// be more than what the record says: what is counted never becomes less.
func (g *goneClients) add(record *connInfo, t traffic) {
	if len(g.ring) < maxClosed {
		g.ring = append(g.ring, record)
	} else {
		g.ring[g.next] = record
		g.next = (g.next + 1) % maxClosed
	}
	g.total.add(t)
	switch closeReason(record.Reason) {
	case slowPending, slowDeadline:
		g.slow++
	case staleConnection:
		g.stale++
	}
}

// maxLookBack bounds how many of the last clients to end are looked at when one
// comes back.
const maxLookBack = 1024

// find returns the record of the client with this number, nil if it is not
// among those that ended lately.
func (g *goneClients) find(id uint64) *connInfo {
	for i := range min(len(g.ring), maxLookBack) {
		at := g.next - 1 - i
		if at < 0 {
			at += len(g.ring)
		}
		if g.ring[at].CID == id {
			return g.ring[at]
		}
	}
	return nil
}

// record tells about a client that has ended.
func (c *client) record() *connInfo {
	now := time.Now().UTC()
	info := c.describe(now)
	info.client, info.Pending = nil, 0
	info.Stop, info.Reason = &now, string(c.reason)
	info.left = c.left
	info.NumSubs = uint32(min(c.left.number, math.MaxUint32))
	for _, text := range []*string{&info.Name, &info.Lang, &info.Version, &info.user} {
		*text = strings.Clone((*text)[:min(len(*text), maxAbout)])
	}
	return info
}
