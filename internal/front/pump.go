package front

import (
	"errors"
	"net"
	"os"
	"time"

	"vigil/internal/wire"
)

// This file is how bytes pass: a fill and a drain each way, with a path between them.

// fillBuffer is what is read at once, in bytes.
const fillBuffer = 16 << 10

// condition returns what is wrong with the connection, under mu.
func (c *conn) condition() condition {
	all := c.f.all.with(c.own)
	if c.rec.introduced {
		all = all.with(c.f.named[c.rec.name])
	}
	return all
}

// lane returns the condition of one direction, under mu.
func (c *conn) lane(d Direction) lane { return c.condition().lane(d) }

func (c *conn) path(d Direction) *path {
	if d == ToBroker {
		return &c.to
	}
	return &c.from
}

// fill reads one direction until it ends.
func (c *conn) fill(d Direction, src net.Conn) {
	buf := make([]byte, fillBuffer)
	for {
		room := c.awaitRoom(d)
		if room == 0 {
			return
		}
		n, err := src.Read(buf[:min(room, len(buf))])
		c.arrived(d, buf[:n], err)
		if err != nil {
			return
		}
	}
}

// awaitRoom waits until more may be read, and returns how much: 0 is never again.
func (c *conn) awaitRoom(d Direction) int {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	for {
		switch {
		case c.state == stateOver, c.settling, d == FromBroker && c.state != stateOpen:
			return 0
		case c.state == stateClosing: // read, and thrown away
			return fillBuffer
		}
		if room := c.path(d).room(c.lane(d)); room > 0 {
			return room
		}
		c.cond.Wait()
	}
}

// arrived takes in what was read.
func (c *conn) arrived(d Direction, data []byte, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	now := time.Now()
	p := c.path(d)
	if c.state != stateClosing {
		p.put(now, data, c.lane(d).delay)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return // it is not the client that has ended: see orphanLocked and settle
	}
	if err != nil {
		p.ended = true
		if d == ToBroker && c.state != stateOver {
			c.rec.left = now
			c.f.note(c.rec, "closed its connection%s", c.rec.silence(now))
			if c.state != stateOpen {
				c.closeLocked()
			}
		}
		c.f.changedLocked()
	}
	c.cond.Broadcast()
}

// drain carries one direction on until it ends.
func (c *conn) drain(d Direction, dst net.Conn, t *tap) {
	for {
		do, data := c.await(d)
		switch do {
		case stepPass:
			if !c.pass(d, dst, t, data) {
				return
			}
		case stepCut:
			c.finish("was cut off by CutAt")
			return
		case stepEnd:
			if d == FromBroker {
				c.finish("its connection was closed by the broker")
			} else {
				_ = dst.Close()
			}
			return
		default:
			return
		}
	}
}

// await waits until there is something to do. stepWait is that there never will be.
func (c *conn) await(d Direction) (step, []byte) {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for c.state == stateOpen {
		do, data, wait := c.path(d).next(time.Now(), c.lane(d))
		if do != stepWait {
			return do, data
		}
		if wait == 0 {
			c.cond.Wait()
			continue
		}
		timer := time.AfterFunc(wait, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			c.cond.Broadcast()
		})
		c.cond.Wait()
		timer.Stop()
	}
	return stepWait, nil
}

// pass hands data over. It reports whether the direction goes on.
func (c *conn) pass(d Direction, dst net.Conn, t *tap, data []byte) bool {
	entries := t.feed(data)
	if d == ToBroker && !c.permitted(entries) {
		return false
	}
	handed := c.write(d, entries)
	_, err := dst.Write(data)
	if err == nil && d == ToBroker && needsProof(entries) {
		// An empty write to a pipe returns when the broker reads again: behind all
		// that it had read before.
		_, err = dst.Write(nil)
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.cond.Broadcast() // there is room
	if err != nil {
		for _, id := range handed {
			c.f.messages.failed(id)
		}
		c.brokeLocked(d)
		return false
	}
	if d == ToBroker {
		c.rec.heard = time.Now()
	}
	for i := range entries {
		c.rec.apply(d, &entries[i])
	}
	if len(entries) > 0 {
		c.f.changedLocked()
	}
	return true
}

// write records what is about to pass, and returns the numbers of the messages in it: who
// receives one may ask about it at once.
func (c *conn) write(d Direction, entries []entry) (handed []int) {
	if len(entries) == 0 {
		return nil
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	now := time.Now()
	for i := range entries {
		c.rec.write(now, d, &entries[i])
		if text := telling(d, &entries[i]); text != "" {
			c.f.timeline.add(now, c.rec, text)
		}
		if id := c.f.messages.passing(d, &entries[i]); id != 0 {
			handed = append(handed, id)
		}
	}
	return handed
}

// needsProof reports whether operations are among them whose effect somebody may
// await.
func needsProof(entries []entry) bool {
	for i := range entries {
		switch entries[i].kind {
		case wire.Sub, wire.Unsub, wire.Connect:
			return true
		}
	}
	return false
}

// brokeLocked notes that a direction takes nothing more.
func (c *conn) brokeLocked(d Direction) {
	if c.state != stateOpen {
		return
	}
	if d == FromBroker { // the client has gone: the broker is to see it
		c.to.ended = true
		_ = c.backend.Close()
	}
	c.path(d).ended = true
	c.cond.Broadcast()
}
