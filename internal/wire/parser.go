package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Defaults for the limits of a [Parser].
const (
	// DefaultMaxControlLine bounds what a client may send as one control
	// line, as nats-server does.
	DefaultMaxControlLine = 4096
	// DefaultMaxBrokerLine bounds what a broker may send as one control line.
	// It is more than a client may: MSG adds a sid to what PUB holds, and INFO
	// lists all addresses of a cluster.
	DefaultMaxBrokerLine = 16 * DefaultMaxControlLine
	// DefaultMaxPayload bounds header and payload of a published message, as
	// nats-server does.
	DefaultMaxPayload = 1 << 20
)

// What can be wrong with a stream. The parser's state is undefined after any
// of them: the connection is to be closed.
var (
	// ErrUnknownOperation is a byte that no operation can have in its place,
	// also where a payload's CRLF should be.
	ErrUnknownOperation = errors.New("wire: unknown protocol operation")
	// ErrControlLine is a control line longer than the limit.
	ErrControlLine = errors.New("wire: maximum control line exceeded")
	// ErrMaxPayload is a message whose announced size is over the limit. It
	// is found on the control line, before the payload.
	ErrMaxPayload = errors.New("wire: maximum payload exceeded")
	// ErrArguments is a wrong number of arguments, a bad size, or a carriage
	// return inside an argument.
	ErrArguments = errors.New("wire: bad arguments")
)

// Side says whose stream a [Parser] reads.
type Side uint8

// The two sides of a connection.
const (
	// FromClient parses what clients send: the broker's side.
	FromClient Side = iota
	// FromBroker parses what brokers send: the client's side.
	FromBroker
)

// Parser cuts a stream into operations. The zero value parses what clients
// send, with the default limits. It is not safe for concurrent use.
type Parser struct {
	// Fixed after construction.

	// Side is whose stream this is.
	Side Side
	// MaxControlLine bounds a control line's arguments, and separately the
	// blanks before them, in bytes. 0 is [DefaultMaxControlLine], and
	// [DefaultMaxBrokerLine] for what brokers send.
	MaxControlLine int
	// MaxPayload bounds header and payload of one message, in bytes. 0 is
	// [DefaultMaxPayload]; nothing is over 999 999 999, the most that the
	// protocol can say.
	MaxPayload int

	// Owned by the caller of Next.

	// skipping is the operation whose meaningless rest of line is being
	// passed over, None when the stream is at the start of an operation.
	skipping Kind
}

// rest says what may stand behind an operation's name.
type rest uint8

const (
	restBlank   rest = iota // a blank must follow, then arguments
	restAny                 // arguments follow, with or without a blank
	restIgnored             // anything up to the line's end is passed over
)

type verb struct {
	name string // lower case
	kind Kind
	rest rest
}

var verbs = [...][]verb{
	FromClient: {
		{"pub", Pub, restBlank}, {"hpub", HPub, restBlank},
		{"sub", Sub, restBlank}, {"unsub", Unsub, restBlank},
		{"ping", Ping, restIgnored}, {"pong", Pong, restIgnored},
		{"connect", Connect, restAny}, {"info", Info, restAny},
		{"+ok", OK, restIgnored}, {"-err", Err, restBlank},
	},
	FromBroker: {
		{"msg", Msg, restBlank}, {"hmsg", HMsg, restBlank},
		{"ping", Ping, restIgnored}, {"pong", Pong, restIgnored},
		{"info", Info, restAny},
		{"+ok", OK, restIgnored}, {"-err", Err, restBlank},
	},
}

// Next parses the first operation of buf into op and returns how many bytes it
// took. 0 means that buf holds no complete operation: call again with the same
// bytes and more behind them; what op holds then means nothing. When bytes were
// consumed that complete no operation, op.Kind is None. With an error, the
// number is 0.
func (p *Parser) Next(buf []byte, op *Op) (int, error) {
	if p.skipping != None {
		return p.skipLine(buf, 0, p.skipping, op)
	}
	if c := &common[p.Side]; len(buf) >= 4 && binary.LittleEndian.Uint32(buf)|lower3 == c.verb {
		if n := p.quick(buf, c.kind, op); n > 0 {
			return n, nil
		}
		return p.line(buf, 4, c.kind, op)
	}
	v, err := findVerb(verbs[p.Side], buf)
	if v == nil || err != nil {
		return 0, err
	}
	at := len(v.name)
	switch v.rest {
	case restIgnored:
		return p.skipLine(buf, at, v.kind, op)
	case restBlank:
		if at == len(buf) {
			return 0, nil
		}
		if !isBlank(buf[at]) {
			return 0, ErrUnknownOperation
		}
	}
	return p.line(buf, at, v.kind, op)
}

func (p *Parser) maxControlLine() int {
	switch {
	case p.MaxControlLine != 0:
		return p.MaxControlLine
	case p.Side == FromBroker:
		return DefaultMaxBrokerLine
	}
	return DefaultMaxControlLine
}

func (p *Parser) maxPayload() int {
	if p.MaxPayload != 0 {
		return p.MaxPayload
	}
	return DefaultMaxPayload
}

// findVerb returns the operation whose name buf begins with, nil if buf is too
// short to tell.
func findVerb(table []verb, buf []byte) (*verb, error) {
	if len(buf) == 0 {
		return nil, nil
	}
	possible := false
	for i := range table {
		v := &table[i]
		n := min(len(v.name), len(buf))
		if !foldEqual(v.name[:n], buf[:n]) {
			continue
		}
		if n == len(v.name) {
			return v, nil
		}
		possible = true
	}
	if possible {
		return nil, nil
	}
	return nil, ErrUnknownOperation
}

// foldEqual reports whether b is the lower-case text s in any case.
func foldEqual(s string, b []byte) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipLine passes over buf up to the line's end, from index at on. The line
// may be of any length, so what is passed over is consumed at once.
func (p *Parser) skipLine(buf []byte, at int, kind Kind, op *Op) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	i := bytes.IndexByte(buf[at:], '\n')
	first := p.skipping == None // buf begins with the operation's name
	switch {
	case i < 0 && first && kind == Ping && len(buf) < maxPing:
		return 0, nil
	case i < 0:
		p.skipping, op.Kind = kind, None
		return len(buf), nil
	}
	op.Arg = nil
	if first && kind == Ping && at+i < maxPing {
		op.Arg = bytes.Trim(buf[at:at+i], " \t\r")
	}
	p.skipping, op.Kind = None, kind
	return at + i + 1, nil
}

// maxPing is how long a PING with its rest of line may be for the rest to be
// kept: a name, a blank, a number and the line's end.
const maxPing = 32

// line parses the operation of the given kind whose arguments, or the blanks
// before them, begin at index at.
func (p *Parser) line(buf []byte, at int, kind Kind, op *Op) (int, error) {
	limit := p.maxControlLine()
	start := at
	for start < len(buf) && isBlank(buf[start]) {
		start++
	}
	// One blank separates; limit more are tolerated.
	if start-at > limit+1 {
		return 0, ErrControlLine
	}
	length := bytes.IndexByte(buf[start:], '\n')
	complete := length >= 0
	end := start + length
	if !complete {
		end = len(buf)
	}
	arg := buf[start:end]
	if n := len(arg); n > 0 && arg[n-1] == '\r' {
		arg = arg[:n-1]
	}
	if len(arg) > limit {
		return 0, ErrControlLine
	}
	if !complete {
		return 0, nil
	}
	op.Kind, op.Tail = kind, nil
	var err error
	switch kind {
	case Pub, HPub, Msg, HMsg:
		var size int
		if size, err = parseMessage(kind, arg, op); err == nil {
			return p.payload(buf, end+1, size, op)
		}
	case Sub:
		err = parseSub(arg, op)
	case Unsub:
		err = parseUnsub(arg, op)
	default:
		op.Arg = arg[:len(arg):len(arg)]
	}
	if err != nil {
		return 0, err
	}
	return end + 1, nil
}

// payload takes the frame of the given size that begins at index at.
func (p *Parser) payload(buf []byte, at, size int, op *Op) (int, error) {
	if size > p.maxPayload() {
		return 0, ErrMaxPayload
	}
	end := at + size
	if len(buf) >= end+2 {
		if buf[end] != '\r' || buf[end+1] != '\n' {
			return 0, ErrUnknownOperation
		}
		op.Frame = buf[at : end+2 : end+2]
		return end + 2, nil
	}
	if len(buf) == end+1 && buf[end] != '\r' {
		return 0, ErrUnknownOperation
	}
	return 0, nil
}
