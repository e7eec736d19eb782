package bench

import (
	"fmt"
	"sync"
)

// ledger knows which numbered messages ought to come to whom, in what order,
// and which have.
//
// Where everyone receives everything, each member sees every publisher's
// messages in order, without gap or repetition. Where members share, as those
// of a queue group do, each message comes to one of them, and each member sees
// a publisher's messages in rising order.
type ledger struct {
	// Fixed after construction.
	shared bool
	each   int // messages of every publisher

	mu sync.Mutex
	// next holds, for each member and publisher, the lowest number that may
	// come; guarded by mu.
	next [][]int
	// seen holds, for each publisher of a shared ledger, which have come;
	// guarded by mu.
	seen [][]bool
	// left counts the deliveries that are still to come; guarded by mu.
	left int
}

func newLedger(members, publishers, each int, shared bool) *ledger {
	l := &ledger{shared: shared, each: each, next: make([][]int, members), left: members * publishers * each}
	for i := range l.next {
		l.next[i] = make([]int, publishers)
	}
	if shared {
		l.left = publishers * each
		l.seen = make([][]bool, publishers)
		for i := range l.seen {
			l.seen[i] = make([]bool, each)
		}
	}
	return l
}

// see enters that a message has come to a member. The error says what is wrong
// with that.
func (l *ledger) see(member, publisher, sequence int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if publisher >= len(l.next[member]) || sequence >= l.each {
		return fmt.Errorf("message %d of publisher %d was never published", sequence, publisher)
	}
	next := l.next[member][publisher]
	if sequence < next {
		return fmt.Errorf("message %d of publisher %d came again or late: behind message %d", sequence, publisher, next-1)
	}
	switch {
	case !l.shared && sequence > next:
		return fmt.Errorf("messages %d to %d of publisher %d are missing: message %d came", next, sequence-1, publisher, sequence)
	case l.shared && l.seen[publisher][sequence]:
		return fmt.Errorf("message %d of publisher %d came to two members", sequence, publisher)
	case l.shared:
		l.seen[publisher][sequence] = true
	}
	l.next[member][publisher] = sequence + 1
	l.left--
	return nil
}

// missing is how many deliveries have not come.
func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}
