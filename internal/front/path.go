package front

import "time"

// maxPass bounds what passes at once, in bytes.
const maxPass = 32 << 10

// path is one direction of a connection: what has come and not yet passed. It is
// told the time. The zero value is empty and open.
type path struct {
	queue []segment
	size  int       // bytes in queue
	due   time.Time // of the last segment
	free  time.Time // when what passed last has gone, at the lane's rate
	ended bool      // nothing more will come

	cutting bool  // the stream is cut when cutAt more bytes have passed
	cutAt   int64 // at least 0
}

// segment is bytes that may pass from a time on.
type segment struct {
	data []byte
	due  time.Time
}

// step is what is to be done with a path.
type step uint8

const (
	stepWait step = iota // for a time, or until something changes
	stepPass             // hand bytes over
	stepEnd              // all has passed, and nothing more will come
	stepCut              // here the stream is to be cut
)

// put appends a copy of data.
func (p *path) put(now time.Time, data []byte, delay time.Duration) {
	if len(data) == 0 {
		return
	}
	due := now.Add(delay)
	if due.Before(p.due) {
		due = p.due // the order stays
	}
	p.due = due
	p.queue = append(p.queue, segment{append([]byte(nil), data...), due})
	p.size += len(data)
}

// room returns how many bytes may come.
func (p *path) room(l lane) int { return max(0, l.limit-p.size) }

// cut has the stream cut when n more bytes have passed.
func (p *path) cut(n int64) { p.cutting, p.cutAt = true, max(0, n) }

// next takes what may pass now. With stepWait, wait is how long there is nothing
// to do; 0 is until something changes.
func (p *path) next(now time.Time, l lane) (do step, data []byte, wait time.Duration) {
	switch {
	case l.held:
		return stepWait, nil, 0
	case p.cutting && p.cutAt == 0:
		return stepCut, nil, 0
	case len(p.queue) == 0 && p.ended:
		return stepEnd, nil, 0
	case len(p.queue) == 0:
		return stepWait, nil, 0
	}
	first := &p.queue[0]
	if wait = first.due.Sub(now); wait > 0 {
		return stepWait, nil, wait
	}
	most := maxPass
	if l.rate > 0 {
		if wait = p.free.Sub(now); wait > 0 {
			return stepWait, nil, wait
		}
		most = min(most, max(1, l.rate/100)) // in steps of 10 ms
	}
	if p.cutting {
		most = int(min(int64(most), p.cutAt))
	}
	data = first.data[:min(most, len(first.data))]
	if first.data = first.data[len(data):]; len(first.data) == 0 {
		p.queue = p.queue[1:]
	}
	p.size -= len(data)
	if p.cutting {
		p.cutAt -= int64(len(data))
	}
	if l.rate > 0 {
		p.free = now.Add(time.Duration(len(data)) * time.Second / time.Duration(l.rate))
	}
	return stepPass, data, 0
}
