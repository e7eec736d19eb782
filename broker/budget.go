package broker

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// ledger keeps the memory that clients can make the broker hold within one
// budget: output that waits, by the capacity of its buffers; input whose rest has
// not come; subscriptions; routes that publishers keep. When the budget is
// exceeded the greediest clients are closed, see greediest.
//
// Clients are charged per batch, per subscription and per queued buffer, never
// per message: two atomic additions. What passes through without waiting is not
// charged.
type ledger struct {
	// Fixed after construction.
	budget  int64 // bytes; math.MaxInt64 is no bound
	clients func() []*client

	// held is what the clients that stay hold together, leaving what those
	// do that must go and have not given it back yet.
	held, leaving atomic.Int64
	// peak is the most that held was since MemoryHeld was called, give or take
	// what was charged in that moment.
	peak atomic.Int64

	// mu lets one caller choose at a time. Broker.mu and outbox.mu are taken
	// behind it.
	mu sync.Mutex
}

// memoryAccount is one client's part of the ledger. A nil one counts nothing.
type memoryAccount struct {
	ledger *ledger
	// share is what the client holds, in bytes; writtenOff once it must go.
	share atomic.Int64
	// lost is the part of ledger.leaving, guarded by ledger.mu.
	lost int64
	// paused is what the share was when the read loop last paused or had no
	// need to; the read loop's own.
	paused int64
}

// writtenOff as account.share: the client is being closed, what it holds is on
// its way back, and nothing counts any more.
const writtenOff = math.MinInt64

// budgetMargin is the part of the budget that is freed beyond what is needed, so
// that not every further byte makes the broker look at all clients again.
const budgetMargin = 8

func newLedger(budget int, clients func() []*client) *ledger {
	l := &ledger{budget: int64(budget), clients: clients}
	if budget < 0 {
		l.budget = math.MaxInt64
	}
	return l
}

// charge counts delta bytes more for the client. The caller may hold locks; it
// calls check when it holds none.
func (a *memoryAccount) charge(delta int) {
	if a == nil || a.ledger == nil || delta == 0 {
		return
	}
	for {
		share := a.share.Load()
		if share == writtenOff {
			return
		}
		if a.share.CompareAndSwap(share, share+int64(delta)) {
			a.ledger.peakIs(a.ledger.held.Add(int64(delta)))
			return
		}
	}
}

// peakIs keeps the most that was held.
func (l *ledger) peakIs(held int64) {
	for peak := l.peak.Load(); held > peak; peak = l.peak.Load() {
		if l.peak.CompareAndSwap(peak, held) {
			return
		}
	}
}

// check closes the greediest clients if the budget is exceeded, the caller's
// among them perhaps. The caller holds no lock.
func (a *memoryAccount) check() {
	if a == nil || a.ledger == nil || a.ledger.held.Load() <= a.ledger.budget {
		return
	}
	for _, c := range a.ledger.writeOff() {
		c.close(memoryBudget)
		c.out.discard()
	}
}

// settle tells that the client has given back everything.
func (a *memoryAccount) settle() {
	if a.ledger == nil || !a.gone() {
		return
	}
	a.ledger.mu.Lock()
	defer a.ledger.mu.Unlock()
	a.ledger.leaving.Add(-a.lost)
	a.lost = 0
}

// leavingTurns is how often, a thousandth of a second apart, a read loop looks
// whether those that must go have given back what they held before it reads on.
const leavingTurns = 10

// mustPause reports whether a client that has taken memory is to wait, for a
// moment, while much is on its way back: reading on, it would take memory faster
// than it comes. Who takes none waits for nobody. The read loop asks.
func (a *memoryAccount) mustPause() bool {
	share := a.share.Load()
	grown := share > a.paused
	a.paused = share
	return grown && a.ledger != nil && a.ledger.muchLeaves()
}

func (l *ledger) muchLeaves() bool { return l.leaving.Load() > l.budget/16 }

// pause waits, for a moment, while much is on its way back. The caller holds no
// claim.
func (a *memoryAccount) pause() {
	for range leavingTurns {
		if a.gone() || !a.ledger.muchLeaves() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// pressed reports whether the ledger is half full: from then on publishers are
// held back earlier, so that consumers which keep up hold little when the
// greediest are looked for.
func (a *memoryAccount) pressed() bool {
	return a != nil && a.ledger != nil && a.ledger.held.Load() > a.ledger.budget/2
}

// gone reports whether the client was written off.
func (a *memoryAccount) gone() bool { return a.share.Load() == writtenOff }

// writeOff chooses who must go, and takes their shares out of the ledger.
func (l *ledger) writeOff() []*client {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held.Load()
	if held <= l.budget {
		return nil
	}
	clients := l.clients()
	list := make([]holding, 0, len(clients))
	now := time.Now()
	for i, c := range clients {
		if share := c.account.share.Load(); share > 0 {
			list = append(list, holding{client: i, id: c.id, share: share, moving: c.moving(now)})
		}
	}
	var gone []*client
	for _, h := range greediest(list, held-(l.budget-l.budget/budgetMargin)) {
		c := clients[h.client]
		if share := c.account.share.Swap(writtenOff); share != writtenOff {
			l.held.Add(-share)
			c.account.lost = share
			l.leaving.Add(share)
			gone = append(gone, c)
		}
	}
	return gone
}

// moving reports whether the client has sent or taken anything lately.
func (c *client) moving(now time.Time) bool {
	heard := c.broker.started.Add(time.Duration(c.heard.Load()))
	return now.Sub(heard) < stuckAfter || c.out.moving(now)
}

// holding is what one client holds.
type holding struct {
	client int // an index that means something to the caller
	id     uint64
	share  int64 // bytes
	moving bool
}

// greed is what holdings are ordered by: the share, of which an eighth counts
// for a client whose connection moves. So a consumer that keeps up goes behind
// one that hoards the same, and still long before one that holds little.
func (h holding) greed() int64 {
	if h.moving {
		return h.share / 8
	}
	return h.share
}

// greedier is the order in which clients go: by greed, then by share, then the
// younger first.
func (h holding) greedier(than holding) bool {
	switch a, b := h.greed(), than.greed(); {
	case a != b:
		return a > b
	case h.share != than.share:
		return h.share > than.share
	}
	return h.id > than.id
}

// greediest returns who must go so that excess bytes are freed: the greediest,
// then the next, until it is enough. It may reorder list.
func greediest(list []holding, excess int64) []holding {
	var gone []holding
	order := byGreed(list)
	heap.Init(&order)
	for excess > 0 && len(order) > 0 {
		h := heap.Pop(&order).(holding)
		gone = append(gone, h)
		excess -= h.share
	}
	return gone
}

// byGreed is a heap of holdings, the greediest first.
type byGreed []holding

func (b byGreed) Len() int           { return len(b) }
func (b byGreed) Less(i, j int) bool { return b[i].greedier(b[j]) }
func (b byGreed) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

// Push implements heap.Interface.
func (b *byGreed) Push(x any) { *b = append(*b, x.(holding)) }

// Pop implements heap.Interface.
func (b *byGreed) Pop() any {
	last := len(*b) - 1
	h := (*b)[last]
	*b = (*b)[:last]
	return h
}

// MemoryBudget returns what all clients together may make the broker hold, in
// bytes: Config.MemoryBudget or its default, negative without a bound.
func (b *Broker) MemoryBudget() int { return b.cfg.MemoryBudget }

// MemoryHeld returns what of the memory budget the clients make the broker hold
// now, and the most that was since the last call, in bytes; also when there is no
// bound. It is what is charged to clients, not what is resident: see "Memory" in
// the package's manual. It is cheap, and meant for one caller, such as a program
// that gives memory back to the system when much has become free.
func (b *Broker) MemoryHeld() (now, peak int64) {
	now = b.ledger.held.Load()
	return now, max(b.ledger.peak.Swap(now), now)
}

// MemoryLimit returns the limit that a program which is nothing but this broker
// gives to debug.SetMemoryLimit, so that garbage and buffers in pools do not come
// on top of the budget: the budget, a fifth of it for those, since a collector
// that has no room never ends, and 8 KiB for each client there is. It is
// math.MaxInt64 without a budget. As clients come and go it changes: it is to be
// given again some times a second.
func (b *Broker) MemoryLimit() int64 {
	budget := int64(b.cfg.MemoryBudget)
	if budget < 0 || budget > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return budget + budget/5 + int64(b.NumClients())<<13
}
