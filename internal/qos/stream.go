package qos

import (
	"math/rand/v2"
	"time"
)

// stream is a TCP connection that carries probes one way and answers the other,
// each a segment, over a network that loses packets. What it has of TCP is what
// decides how late an answer comes: order, retransmission by timer, which
// starts at 200 ms and doubles, the tail loss probe before it, selective
// acknowledgements by which a later segment that arrives shows an earlier one to
// be lost (RACK), and a congestion window, which is one segment after a timer.
//
// While all goes well, nothing of that is played: an answer arrives a round
// trip after its probe. That leaves out one thing, the loss of the last
// acknowledgement, which delays no answer.
type stream struct {
	rng  *rand.Rand
	loss float64       // of a packet
	trip time.Duration // there and back
	wait time.Duration // the first retransmission timeout: RFC 6298, with Linux's least of 200 ms

	paused episodes // the peer's process; its kernel goes on
	dead   bool

	quick   flights // answers that nothing delays
	doomed  bool    // the peer's next packet is lost: it was drawn already
	probes  flow    // from us
	answers flow    // from the peer
	packets packets
	sent    []time.Duration // when the probes were sent that the flow carries
	reads   []time.Duration // when a peer that stands still reads what it was sent
}

const (
	minRTO       = 200 * time.Millisecond
	initialCwnd  = 10
	tailPatience = 8 * time.Millisecond
	// delayedAck is what Linux waits with an acknowledgement that no data
	// carries, as ours of the last answer: the peer takes it for round trip.
	delayedAck = 40 * time.Millisecond
)

func newStream(r *rand.Rand, loss float64, trip time.Duration, paused episodes) *stream {
	s := &stream{rng: r, loss: loss, trip: trip, wait: trip + minRTO, paused: paused}
	s.renew(0)
	return s
}

func (s *stream) renew(now time.Duration) {
	s.quick, s.packets, s.sent, s.reads = s.quick[:0], s.packets[:0], s.sent[:0], s.reads[:0]
	s.doomed = false
	s.probes.renew(s.wait)
	s.answers.renew(s.wait + delayedAck)
}

// idle reports whether nothing is unacknowledged or being mended.
func (s *stream) idle() bool {
	return len(s.probes.segments) == 0 && len(s.answers.segments) == 0 && len(s.packets) == 0 && len(s.reads) == 0
}

func (s *stream) send(now time.Duration) {
	if s.idle() && !s.dead {
		there := s.rng.Float64() >= s.loss
		back := there && s.rng.Float64() >= s.loss
		if back {
			said := now + s.trip/2
			if end, paused := s.paused.within(said); paused {
				said = end
			}
			if n := len(s.quick); n > 0 {
				said = max(said, s.quick[n-1].said)
			}
			s.quick.add(flight{at: said + s.trip/2, said: said, sent: now})
			return
		}
		s.sent = append(s.sent, now)
		s.probes.append()
		s.probes.transmitted(now, 0)
		if there {
			s.doomed = true
			s.packets.add(packet{at: now + s.trip/2, seq: s.probes.first, sent: now, next: s.answers.expected})
		}
		s.probes.arm(now, s.trip)
		return
	}
	s.sent = append(s.sent, now)
	s.probes.append()
	s.flush(now, &s.probes)
}

// transmit sends a packet: segment seq of f, or none if that is negative, and
// what has arrived of the other flow.
func (s *stream) transmit(now time.Duration, f *flow, seq int) {
	fromPeer := f == &s.answers
	if fromPeer && s.doomed {
		s.doomed = false
		return
	}
	if s.rng.Float64() < s.loss {
		return
	}
	other := &s.answers
	if fromPeer {
		other = &s.probes
	}
	s.packets.add(packet{at: now + s.trip/2, toUs: fromPeer, seq: seq, sent: now, next: other.expected, beyond: other.beyond})
}

// flush transmits what is lost and what is new, as far as the window reaches.
func (s *stream) flush(now time.Duration, f *flow) (any bool) {
	for {
		i := f.following()
		if i < 0 {
			return any
		}
		f.transmitted(now, i)
		s.transmit(now, f, f.first+i)
		f.arm(now, s.trip)
		any = true
	}
}

func (s *stream) next() time.Duration {
	at := s.quick.next()
	if len(s.packets) > 0 {
		at = min(at, s.packets[0].at)
	}
	if len(s.reads) > 0 {
		at = min(at, s.reads[0])
	}
	if !s.dead {
		at = min(at, s.answers.timer)
	}
	return min(at, s.probes.timer)
}

func (s *stream) advance() (arrival, bool) {
	switch now := s.next(); {
	case now == s.quick.next():
		return s.quick.take()
	case len(s.packets) > 0 && now == s.packets[0].at:
		p := s.packets[0]
		s.packets = append(s.packets[:0], s.packets[1:]...)
		s.receive(now, p)
	case len(s.reads) > 0 && now == s.reads[0]:
		s.reads = append(s.reads[:0], s.reads[1:]...)
		s.answers.append()
		s.flush(now, &s.answers)
	case now == s.probes.timer:
		s.expired(now, &s.probes)
	default:
		s.expired(now, &s.answers)
	}
	return arrival{}, false
}

// expired is a flow's timer: a tail loss probe first, and then, each time,
// everything is taken for lost, the first segment is sent again, and the timeout
// doubles.
func (s *stream) expired(now time.Duration, f *flow) {
	if f.tail {
		f.tail, f.tailed = false, true
		last := len(f.segments) - 1
		for last > 0 && !f.segments[last].sent() {
			last--
		}
		f.timer = now + f.timeout
		f.transmitted(now, last)
		s.transmit(now, f, f.first+last)
		return
	}
	f.collapse()
	f.timer = now + f.timeout
	f.transmitted(now, 0)
	s.transmit(now, f, f.first)
}

// receive is a packet's arrival: what it acknowledges first, then what it
// carries.
func (s *stream) receive(now time.Duration, p packet) {
	mine, its := &s.probes, &s.answers // what the receiver sends, and what it gets
	if !p.toUs {
		mine, its = its, mine
		if s.dead {
			return
		}
	}
	mine.acknowledged(now, p, s.trip)
	told := s.flush(now, mine)
	if p.seq < 0 {
		return
	}
	for range its.arrived(p) {
		if p.toUs {
			s.quick.add(flight{at: now, said: now, sent: s.sent[0]})
			s.sent = append(s.sent[:0], s.sent[1:]...)
			continue
		}
		if n := len(s.reads); n > 0 {
			s.reads = append(s.reads, s.reads[n-1])
			continue
		}
		if end, paused := s.paused.within(now); paused {
			s.reads = append(s.reads, end)
			continue
		}
		mine.append()
		told = s.flush(now, mine) || told
	}
	if !told {
		s.transmit(now, mine, -1)
	}
}

func (s *stream) die(now time.Duration) {
	s.dead = true
	s.quick.die(now)
	s.reads = s.reads[:0]
}

// packet is one under way.
type packet struct {
	at, sent time.Duration
	toUs     bool
	seq      int    // of the segment it carries, or negative
	next     int    // of the other flow: the first segment that is missing
	beyond   uint64 // and which behind that one have arrived
}

// packets are under way, the next to arrive first.
type packets []packet

func (ps *packets) add(p packet) {
	s := append(*ps, p)
	for i := len(s) - 1; i > 0 && s[i].at < s[i-1].at; i-- {
		s[i], s[i-1] = s[i-1], s[i]
	}
	*ps = s
}

// has reports whether p acknowledges segment seq.
func (p packet) has(seq int) bool {
	return seq < p.next || seq > p.next && seq-p.next <= 64 && p.beyond>>(seq-p.next-1)&1 == 1
}
