package udp

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// limiter bounds how often each source is answered. Sources share slots of a
// table of fixed size, by a hash that nobody can predict, and with a slot its
// rate: a flood of addresses costs no memory, and slows others down at worst.
type limiter struct {
	every time.Duration // between two answers, on average
	ahead time.Duration // how far ahead of that a source may be
	seed  maphash.Seed
	slots [limiterSlots]time.Duration // since start: when the source has used up what it was granted
	start time.Time
}

const limiterSlots = 4096

func newLimiter(rate, burst int, now time.Time) *limiter {
	every := time.Second / time.Duration(rate)
	// A slot that was never used is a long time behind.
	return &limiter{every: every, ahead: every * time.Duration(burst-1), seed: maphash.MakeSeed(), start: now}
}

// allow reports whether a source may be answered at now, and counts it if so
// (the generic cell rate algorithm of ITU-T I.371).
func (l *limiter) allow(source netip.Addr, now time.Time) bool {
	slot := &l.slots[maphash.Comparable(l.seed, source.Unmap().WithZone(""))%limiterSlots]
	at := now.Sub(l.start)
	if *slot-at > l.ahead {
		return false
	}
	*slot = max(*slot, at) + l.every
	return true
}
