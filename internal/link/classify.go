package link

import (
	"errors"
	"io"
	"syscall"
	"time"

	"vigil/heartbeat"
)

// TCPEvidence is what the kernel knows of a connection (Linux TCP_INFO). Behind
// a proxy it is the proxy's kernel that answers, and speaks for a peer that may
// be long gone.
type TCPEvidence struct {
	// Known is false where the platform or the transport does not tell; then
	// the rest is zero.
	Known bool
	// Unacked counts the segments sent and not acknowledged.
	Unacked int
	// Backoff is how often the retransmission timeout has doubled.
	Backoff int
	// Retransmits counts the retransmissions of the oldest segment under way.
	Retransmits int
	// SinceAck is the time since the last acknowledgement came.
	SinceAck time.Duration
	// ZeroWindow is set when bytes wait and the peer announced that it takes
	// none.
	ZeroWindow bool
	// Probes counts the kernel's window probes in a row that nobody has
	// acknowledged.
	Probes int
	// Arrived counts the segments that came since the heartbeat's first probe:
	// nothing that can be read, if the heartbeat still waits, but acknowledgements,
	// and what the peer sends again because ours do not reach it. 0 in Status.
	Arrived int
	// Unread is the memory, in bytes, of what came and was not read. While we wait
	// for the peer that is what cannot be read, because a segment before it was
	// lost.
	Unread int
	// Unsent counts the bytes that wait in our kernel.
	Unsent int

	// RTT is the kernel's own smoothed round-trip time, that of segments and
	// their acknowledgements: what a PING takes longer is the peer's process and
	// our own.
	RTT time.Duration
	// Sent counts all segments of the connection, Resent those sent again.
	Sent, Resent int

	segments uint32 // received in all
}

// since returns the evidence with Arrived counted from an earlier look.
func (e TCPEvidence) since(earlier TCPEvidence) TCPEvidence {
	if e.Known && earlier.Known {
		e.Arrived = int(e.segments - earlier.segments) // the counter may wrap
	}
	return e
}

// ackSlack is the resolution of the kernel's clock, in which SinceAck is
// measured: one tick at the slowest usual rate of 100 Hz.
const ackSlack = 10 * time.Millisecond

// classify says why nobody answers, from what the heartbeat and the kernel
// know at the moment of the verdict.
func classify(hb heartbeat.Evidence, tcp TCPEvidence) Cause {
	if !tcp.Known {
		return CauseStale
	}
	// An acknowledgement after the first probe is the peer's kernel alive.
	asked := hb.Silence
	if hb.Probes > 0 {
		asked = hb.Silence - hb.FirstProbe.Sub(hb.LastHeard)
	}
	acknowledged := tcp.SinceAck <= asked+ackSlack
	// A window that is closed for longer than a moment, as one is whenever a
	// reader is slower than we are, has been probed: that counts as back-off.
	closed := tcp.ZeroWindow && tcp.Backoff > 0
	switch {
	// A living kernel leaves one window probe in a row unacknowledged at most:
	// Linux acknowledges them twice a second and not more often.
	case closed && tcp.Probes < 2 && tcp.SinceAck+ackSlack < hb.Silence:
		return CauseNotReading
	case acknowledged && !closed && tcp.Unread > 0:
		return CauseStalled
	case tcp.Unacked > 0 && (tcp.Backoff > 0 || tcp.Retransmits > 0):
		if tcp.Arrived > 0 && !acknowledged {
			return CauseUnheard
		}
		return CauseHostGone
	case acknowledged && !closed:
		return CauseFrozen
	case tcp.Unacked > 0 || closed:
		return CauseHostGone
	}
	return CauseStale
}

// causeOf says what an error of the transport means.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return CauseClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return CauseReset
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused
	case isAlert(err):
		return CauseTLS
	}
	return CauseUnknown
}
