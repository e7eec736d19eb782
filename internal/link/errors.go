package link

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors on which callers branch.
var (
	// ErrClosed: Close was called, or the connection ended as it was told to.
	// Then a *GaveUpError or the cause of Config.Context is wrapped beside it.
	ErrClosed = errors.New("link: closed")
	// ErrAwayBufferFull: there is no connection and the buffer for that time
	// is full. The message was not taken.
	ErrAwayBufferFull = errors.New("link: publish: no connection, and the buffer for that time is full")
	// ErrTooOld: messages waited for a connection for longer than AwayAge.
	ErrTooOld = errors.New("no connection for longer than messages may wait")
	// ErrDropped: while the caller waited, messages were dropped, and its own
	// may be among them; an EventDropped says which and why.
	ErrDropped = errors.New("link: publish: messages that waited for a connection were dropped")
	errHeld    = errors.New("link: too much came while moving to another server")
	// ErrNoHeaders: the broker does not support headers.
	ErrNoHeaders = errors.New("link: publish: the broker does not support headers")
)

// ConnectError says why Connect gave up. Its text says what to look at.
type ConnectError struct {
	Servers []string // URLs without credentials, in the order tried
	Errs    []error  // why each failed, most often a *Loss
}

// Error returns one line for one server, and one line each for several.
func (e *ConnectError) Error() string {
	if len(e.Servers) == 1 {
		return "link: connect " + e.Servers[0] + ": " + explain(e.Errs[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "link: connect: none of %s answered", count(int64(len(e.Servers)), "server"))
	for i, s := range e.Servers {
		fmt.Fprintf(&b, "\n\t%s: %s", s, explain(e.Errs[i]))
	}
	return b.String()
}

// Unwrap returns why each server failed.
func (e *ConnectError) Unwrap() []error { return e.Errs }

// explain adds what to do to the causes for which that is known.
func explain(err error) string {
	var loss *Loss
	if !errors.As(err, &loss) {
		return err.Error()
	}
	switch loss.Cause {
	case CauseRefused:
		return "connection refused; is a broker listening there?"
	case CauseProtocol:
		return loss.Error() + "; is that a NATS broker?"
	}
	return loss.Error()
}

// GaveUpError says that no broker was found for as long as Config.GiveUpAfter.
type GaveUpError struct {
	After    time.Duration // since the loss
	Attempts int           // made since then
	Last     error         // why the last of them failed, nil if none did
}

// Error returns the numbers and the last reason.
func (e *GaveUpError) Error() string {
	text := fmt.Sprintf("no broker found for %s (%s)", seconds(e.After), count(int64(e.Attempts), "attempt"))
	if e.Last != nil {
		text += "; the last: " + explain(e.Last)
	}
	return text
}

// Unwrap returns Last.
func (e *GaveUpError) Unwrap() error { return e.Last }

// PayloadError says that a message is larger than the broker takes. It was not
// sent.
type PayloadError struct {
	Size int64 // header and payload, in bytes
	Max  int64 // the broker's max_payload, in bytes
}

// Error returns both sizes.
func (e *PayloadError) Error() string {
	return fmt.Sprintf("link: publish: %d bytes are over the broker's max_payload of %d; send less at once, or raise the limit there", e.Size, e.Max)
}

// ServerError is what a broker said with -ERR while it kept the connection.
type ServerError struct {
	Text string // without quotes
}

// Error returns the text.
func (e *ServerError) Error() string { return "server error: '" + e.Text + "'" }

// UnsentError says what Close left behind.
type UnsentError struct {
	Queued      Tally // never handed to a connection
	Unconfirmed Tally // handed over, and not confirmed
}

// Error returns both numbers.
func (e *UnsentError) Error() string {
	return fmt.Sprintf("link: close: %v not sent, %v not confirmed", e.Queued, e.Unconfirmed)
}

// InterruptedError says that a Flush was overtaken by the loss of its
// connection: whether what came before it arrived is unknown.
type InterruptedError struct {
	Loss *Loss
}

// Error returns why the connection was lost.
func (e *InterruptedError) Error() string {
	return "link: flush: the connection was lost: " + e.Loss.Error()
}

// Unwrap returns the loss.
func (e *InterruptedError) Unwrap() error { return e.Loss }
