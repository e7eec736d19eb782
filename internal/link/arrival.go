package link

import "time"

// arrival says since when the bytes that a read brings may have been on their way
// into the reader's hands. A reader that waits gets them as they come. One that
// was held finds what came meanwhile, and cannot tell when: perhaps all of it at
// once, before the peer died; and what had no room in the socket comes right
// behind it. It is owned by the reader and takes the time.
type arrival struct {
	last  time.Time // when the last read returned, zero before the first
	late  bool      // what is read may have come as early as from
	from  time.Time // when the reader was held
	until time.Time // no earlier than that it has caught up, unless it has to wait
}

const (
	// heldSlack is how long the reader may take for what it read before that
	// counts as a pause of ours; and how long it must wait for more to have read
	// all that there was.
	heldSlack = 50 * time.Millisecond
	// catchUp is how long after a pause bytes that keep coming may have been held
	// up by it.
	catchUp = time.Second
)

// read notes a read that began and ended at these times, and whether it filled
// its buffer, so that more may lie there. It returns the earliest time at which
// its last byte may have come.
func (a *arrival) read(began, ended time.Time, full bool) time.Time {
	switch {
	case ended.Sub(began) >= heldSlack:
		a.late = false
	case !a.last.IsZero() && began.Sub(a.last) > heldSlack:
		if !a.late {
			a.late, a.from = true, a.last
		}
		a.until = began.Add(catchUp)
	}
	a.last = ended
	if !a.late {
		return ended
	}
	a.late = full || ended.Before(a.until)
	return a.from
}
