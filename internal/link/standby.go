package link

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// standby is a second opinion on a suspected peer: other connections, to the
// same server and to the next one, greeted up to the PONG but with no
// subscription. One that is answered says that its server lives, which connect
// alone does not: the kernel of a stopped process accepts. If the suspected
// connection is then given up, it takes over at once; if that one is heard
// again, it is closed and nobody is told.
type standby struct {
	cancel context.CancelFunc
	dials  sync.WaitGroup

	mu   sync.Mutex
	kept *conn // the first that was answered
}

// Second opinions must not become a herd: a broker that was merely slow would
// get all its clients twice.
const (
	// standbyJitter is the share of the heartbeat's bound over which the clients
	// of one broker spread them. A third of the bound is left from a suspicion
	// to the verdict.
	standbyJitter = 6
	// maxStandbys bounds those of one process at a time. With more connections
	// under suspicion the trouble is not one connection's, and may be our own.
	maxStandbys = 64
)

// standbys counts the standbys of the process.
var standbys atomic.Int64

// seekOpinion starts a standby for c, unless the process has many; then it
// returns nil.
func (l *Link) seekOpinion(c *conn) *standby {
	if standbys.Add(1) > maxStandbys {
		standbys.Add(-1)
		return nil
	}
	ctx, cancel := context.WithCancel(l.ctx)
	s := &standby{cancel: cancel}
	l.mu.Lock()
	servers := []server{c.server}
	if others := l.pool.others(c.server.address); len(others) > 0 {
		servers = append(servers, others[0])
	}
	l.mu.Unlock()
	wait := rand.N(l.cfg.Heartbeat.Bound()/standbyJitter + 1)
	for _, to := range servers {
		// Owned by the standby. Ends with its attempt, at the latest with
		// cancel; leave waits for it.
		s.dials.Go(func() {
			if pause(ctx, wait) != nil {
				return
			}
			spare, err := l.dial(ctx, to, false)
			if err != nil {
				return
			}
			url := spare.server.String()
			c.answering.CompareAndSwap(nil, &url)
			s.keep(spare)
		})
	}
	return s
}

// keep keeps the first connection that was answered and closes another.
func (s *standby) keep(c *conn) {
	s.mu.Lock()
	first := s.kept == nil
	if first {
		s.kept = c
	}
	s.mu.Unlock()
	if !first {
		c.dismiss()
	}
}

// leave ends the standby and returns the connection that was answered, nil if
// none was. A nil standby has none.
func (s *standby) leave() *conn {
	if s == nil {
		return nil
	}
	s.cancel()
	s.dials.Wait()
	standbys.Add(-1)
	return s.kept
}

// dismiss ends a connection that is not needed.
func (c *conn) dismiss() {
	if c == nil {
		return
	}
	c.giveUp(&Loss{Cause: CauseUser, Err: errDismissed})
	c.wg.Wait()
}

var errDismissed = fmt.Errorf("not needed: %w", ErrClosed)

// takeOver makes the standby's connection the one to use: it restores the
// subscriptions, which takes one round trip. It returns nil if there is none or
// it has died as well.
func (l *Link) takeOver(spare *conn) *conn {
	if spare == nil || l.ctx.Err() != nil {
		spare.dismiss()
		return nil
	}
	if !l.converse(l.ctx, spare, l.restore(spare, nil)) {
		return nil
	}
	return spare
}

// converse says something and a PING on a connection that has no writer yet,
// and reports whether the PONG came in time. If not, the connection is over.
func (l *Link) converse(ctx context.Context, c *conn, words []byte) bool {
	attempt, cancel := context.WithTimeout(ctx, l.cfg.AttemptTimeout)
	defer cancel()
	// Owned by this call, which waits for it when it has begun.
	stop := context.AfterFunc(attempt, func() { c.giveUp(l.overdue(ctx, "no PONG")) })
	err := c.greet(words)
	if !stop() {
		<-c.gone
	}
	if err == nil && !c.isGone() {
		return true
	}
	c.fail(err)
	c.wg.Wait()
	l.forgetHello()
	return false
}
