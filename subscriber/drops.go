package subscriber

import (
	"sync"
	"time"
)

// drops tells of messages dropped for want of room: of the first at once, of
// more no more often than each tellEvery, so that the events are not flooded;
// and of none never.
type drops struct {
	// Fixed after construction. Called with how many were dropped since it was
	// called last; must not wait.
	tell func(n int64)

	mu sync.Mutex

	// Guarded by mu.
	untold int64
	timer  *time.Timer // runs for tellEvery after an event, nil else
	ended  bool
}

const tellEvery = time.Second

// note counts n messages dropped.
func (d *drops) note(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.untold += int64(n)
	if d.ended {
		d.tellNow()
	} else if d.timer == nil {
		d.tellNow()
		// Owned by d. Ends with end, or when nothing was dropped for a while.
		d.timer = time.AfterFunc(tellEvery, d.due)
	}
}

// due tells what was dropped since the last event.
func (d *drops) due() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || d.untold == 0 {
		d.timer = nil
		return
	}
	d.tellNow()
	d.timer.Reset(tellEvery)
}

// end tells what was not told yet.
func (d *drops) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.tellNow()
}

// tellNow tells what is untold, if anything. mu is held.
func (d *drops) tellNow() {
	if d.untold > 0 {
		n := d.untold
		d.untold = 0
		d.tell(n)
	}
}
