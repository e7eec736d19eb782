package link

import "time"

// gap finds life in a silence that the network makes. What was lost has to be sent
// again, and on a link that drops what its queue has no room for, that takes longer
// than a silence may last. A silence is taken for such a one if
//
//   - the kernel keeps what came and cannot be read, because a segment before it is
//     missing, or the answers were behind already: bytes had come for a whole bound
//     without the PONG that was due;
//   - and segments still come, be they nothing but acknowledgements, so that it is
//     not the host that has gone.
//
// It is owned by the watcher and takes the time.
type gap struct {
	looked   time.Time // when TCP was looked at last
	segments uint32    // how many had come by then
}

// maxGap is for how many times the heartbeat's bound there is life in a gap. A
// segment that is missing for longer than that is lost each time it is sent, as a
// large one is where the path takes small ones only: then the connection is no
// better than a silent one, and one bound later it is over. A process that freezes
// in such a state is found as late as that.
const maxGap = 2

// look notes what TCP told now. In a gap, if a segment came since the look before,
// it returns when that look was, otherwise zero: the segment came at that time at the
// earliest, and counting from then keeps the bound. read is when the last byte was
// read; a look before it tells nothing. behind says that the answers were behind
// then, and limit is maxGap in time.
func (g *gap) look(tcp TCPEvidence, behind bool, now, read time.Time, limit time.Duration) (came time.Time) {
	open := tcp.Unread > 0 || behind
	if tcp.Known && open && tcp.segments != g.segments && g.looked.After(read) && g.looked.Sub(read) <= limit {
		came = g.looked
	}
	g.looked, g.segments = now, tcp.segments
	return came
}
