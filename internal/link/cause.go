package link

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"vigil/heartbeat"
)

// Cause says why a connection, or an attempt at one, ended.
type Cause uint8

// The causes. The seven stale ones come from the heartbeat: the connection
// looked healthy and nobody answered.
const (
	// CauseUnknown is an error of the transport that fits nothing below.
	CauseUnknown Cause = iota
	// CauseClosed: the peer closed the connection (FIN), as a broker does that
	// is stopped or killed.
	CauseClosed
	// CauseReset: the peer's kernel reset the connection (RST), as it does
	// after a reboot.
	CauseReset
	// CauseRefused: nobody listens at that address. Attempts only.
	CauseRefused
	// CauseTimeout: the attempt took longer than AttemptTimeout, or a lame duck
	// did not confirm for as long that it was left.
	CauseTimeout
	// CauseHostGone: what we sent is not even acknowledged. The host is down
	// or the network between us is cut.
	CauseHostGone
	// CauseFrozen: the peer's kernel acknowledges what we send and no process
	// answers. It is stopped, hangs, or sits behind a proxy that lost it.
	CauseFrozen
	// CauseNotReading: the peer's kernel is alive, but its process takes
	// nothing from it any more: the window is zero.
	CauseNotReading
	// CauseUnheard: something comes from the peer, be it what it sends again, but
	// it acknowledges nothing we send: the way to it is cut, and only that one.
	CauseUnheard
	// CauseStalled: bytes come, and wait in our kernel for a segment before them
	// that is lost each time it is sent. So it is where large packets vanish on
	// the way, in an MTU black hole (RFC 2923, section 2.1). It is known within
	// three times the heartbeat's bound: for two of them what comes is life. Found on
	// Linux alone.
	CauseStalled
	// CauseNotDelivering: the broker answers PINGs, and does not deliver what
	// is published to us. Found by Config.RoutedProbe alone.
	CauseNotDelivering
	// CauseStale: nobody answered, and the platform does not tell why.
	CauseStale
	// CauseServerError: the broker said -ERR and closed.
	CauseServerError
	// CauseAuth: the broker does not let us in, or not any longer, or there are
	// no credentials at hand. Loss.Err is an *AuthError.
	CauseAuth
	// CauseTLS: the broker offers no TLS, or we and it do not agree in TLS, on
	// certificates for example. Loss.Err is a *TLSError, or wraps ErrNoTLS.
	CauseTLS
	// CauseProtocol: what came is not the NATS protocol.
	CauseProtocol
	// CauseLameDuck: the broker announced that it will stop, and another one
	// is known.
	CauseLameDuck
	// CauseUser: Close was called.
	CauseUser
)

var causeNames = [...]string{
	CauseUnknown:       "transport error",
	CauseClosed:        "closed by peer",
	CauseReset:         "reset by peer",
	CauseRefused:       "connection refused",
	CauseTimeout:       "no answer",
	CauseHostGone:      "host or network gone",
	CauseFrozen:        "process frozen: its kernel acknowledges, nobody answers",
	CauseNotReading:    "peer not reading, zero window",
	CauseUnheard:       "peer sends and does not hear us",
	CauseStalled:       "stream stalled: what comes waits for a segment that was lost",
	CauseNotDelivering: "broker answers, but does not deliver",
	CauseStale:         "nobody answers",
	CauseServerError:   "server error",
	CauseAuth:          "not authorized",
	CauseTLS:           "TLS failed",
	CauseProtocol:      "protocol violation",
	CauseLameDuck:      "server is about to stop (lame duck)",
	CauseUser:          "closed by the user",
}

// String returns the cause in words.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "Cause(" + strconv.Itoa(int(c)) + ")"
}

// Stale reports whether the heartbeat found it: the connection looked healthy
// and nobody answered.
func (c Cause) Stale() bool {
	switch c {
	case CauseHostGone, CauseFrozen, CauseNotReading, CauseUnheard, CauseStalled, CauseNotDelivering, CauseStale:
		return true
	}
	return false
}

// Loss says why and on what evidence a connection was given up. It is an error
// and satisfies net.Error. It is read-only.
type Loss struct {
	Cause  Cause
	Server string    // URL without credentials
	At     time.Time // when it was known

	// Evidence is what the heartbeat knew: when the last byte was heard, the
	// silence since, the probes unanswered.
	Evidence heartbeat.Evidence
	// TCP is what the kernel knew. Looked at for stale causes only.
	TCP TCPEvidence
	// Answering is the URL of a server that answered on another connection
	// while this one was silent, empty if none did. When it is the same server,
	// it lives, and it was this connection that was lost on the way: forgotten
	// by a NAT or a firewall, for example.
	Answering string

	// PeerHeard is when the broker last heard us, if it says so and that is the
	// reason, else zero.
	PeerHeard time.Time

	// Text is what the broker said in -ERR, without quotes.
	Text string
	// Err is the error of the transport or the parser, nil for stale causes.
	Err error
}

// Error returns the cause and its evidence as one readable sentence, without
// the server:
//
//	stale: host or network gone (last heard 1.80 s ago, 12 probes unanswered)
func (l *Loss) Error() string {
	switch {
	case l.Cause == CauseUnheard && !l.PeerHeard.IsZero():
		return fmt.Sprintf("stale: %v (it says that it last heard us %s ago)", CauseUnheard, seconds(l.At.Sub(l.PeerHeard)))
	case l.Cause == CauseUnheard && l.TCP.Arrived == 0:
		return fmt.Sprintf("stale: %v (%s)", l.Cause, count(int64(l.TCP.Retransmits), "retransmission"))
	case l.Cause == CauseNotDelivering:
		return fmt.Sprintf("stale: %v: %v", l.Cause, l.Err)
	case l.Cause.Stale():
		text := fmt.Sprintf("stale: %v (last heard %s ago, %s unanswered",
			l.Cause, seconds(l.Evidence.Silence), count(int64(l.Evidence.Probes), "probe"))
		if l.Answering != "" {
			text += "; " + l.Answering + " answers on a new connection"
		}
		return text + ")"
	case l.Cause == CauseServerError:
		return "server error: '" + l.Text + "'"
	}
	switch l.Cause {
	case CauseUnknown, CauseProtocol, CauseTimeout, CauseAuth, CauseTLS:
		if l.Err != nil {
			return l.Cause.String() + ": " + l.Err.Error()
		}
	}
	if early, ok := errors.AsType[*endBeforeInfo](l.Err); ok {
		return l.Cause.String() + " " + early.Error()
	}
	return l.Cause.String()
}

// Unwrap returns Err.
func (l *Loss) Unwrap() error { return l.Err }

// Timeout reports whether time ran out: the causes that are stale, and an
// attempt that took too long.
func (l *Loss) Timeout() bool { return l.Cause.Stale() || l.Cause == CauseTimeout }

// Temporary returns true: the link goes on trying.
func (l *Loss) Temporary() bool { return true }

// seconds formats d as people read it: "1.84 s", "380 ms", "2h11m15s".
func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// count formats n with its noun: "1 probe", "3 probes".
func count(n int64, noun string) string {
	text := strconv.FormatInt(n, 10) + " " + noun
	if n != 1 {
		text += "s"
	}
	return text
}
