package link

import "time"

// gap finds life in what came and cannot be read yet: behind a segment that was
// lost the kernel keeps what comes until that one has been sent again. On a link
// that drops what its queue has no room for, that may take longer than a silence
// may last, while bytes come all the time.
//
// It is owned by the watcher and takes the time.
type gap struct {
	looked time.Time // when TCP was looked at last
	count  uint32    // segments that had come out of order by then, of the connection in all
	base   uint32    // the same at the first look since a byte was read
}

// maxGap is for how many times the heartbeat's bound there is life in a gap. A
// segment that is missing for longer than that is lost each time it is sent, as a
// large one is where the path takes small ones only: then the connection is no
// better than a silent one, and one bound later it is over.
const maxGap = 2

// look notes what TCP told now. If more has come out of order since the look
// before, it returns when that was, otherwise zero: the bytes came at that time at
// the earliest, and counting from then keeps the bound. read is when the last byte
// was read; a look before it tells nothing. limit is maxGap in time.
func (g *gap) look(tcp TCPEvidence, now, read time.Time, limit time.Duration) (came time.Time) {
	switch {
	case !tcp.Known: // of another system, or of a socket that was closed meanwhile
		tcp.outOfOrder = g.count
	case !g.looked.After(read):
		g.base = tcp.outOfOrder
	case tcp.outOfOrder != g.count && g.looked.Sub(read) <= limit:
		came = g.looked
	}
	g.looked, g.count = now, tcp.outOfOrder
	return came
}

// since returns the evidence with Ahead counted from the first look since a byte
// was read.
func (g *gap) since(tcp TCPEvidence) TCPEvidence {
	if tcp.Known {
		tcp.Ahead = int(tcp.outOfOrder - g.base) // the counter may wrap
	}
	return tcp
}
