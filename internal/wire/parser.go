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
	// ErrArguments is a wrong number of arguments or a bad size.
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
	// Side is whose stream this is.
	Side Side
	// MaxControlLine bounds a control line's arguments, and separately the
	// blanks before them, in bytes. 0 is [DefaultMaxControlLine].
	MaxControlLine int
	// MaxPayload bounds header and payload of one message, in bytes. 0 is
	// [DefaultMaxPayload].
	MaxPayload int

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

// The two operations that make up nearly all traffic, as the little-endian
// value of their first four bytes in lower case.
const (
	pubBlank = uint32('p') | 'u'<<8 | 'b'<<16 | ' '<<24
	msgBlank = uint32('m') | 's'<<8 | 'g'<<16 | ' '<<24
	lower3   = 0x00202020
)

// Next parses the first operation of buf into op and returns how many bytes it
// took. 0 means that buf holds no complete operation: call again with the same
// bytes and more behind them. When bytes were consumed that complete no
// operation, op.Kind is None.
func (p *Parser) Next(buf []byte, op *Op) (int, error) {
	if p.skipping != None {
		kind := p.skipping
		return p.skipLine(buf, 0, kind, op)
	}
	if len(buf) >= 4 {
		switch binary.LittleEndian.Uint32(buf) | lower3 {
		case pubBlank:
			if p.Side == FromClient {
				return p.line(buf, 4, Pub, op)
			}
		case msgBlank:
			if p.Side == FromBroker {
				return p.line(buf, 4, Msg, op)
			}
		}
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

// skipLine passes over buf up to the line's end, from index at on. The line
// may be of any length, so what is passed over is consumed at once.
func (p *Parser) skipLine(buf []byte, at int, kind Kind, op *Op) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	i := bytes.IndexByte(buf[at:], '\n')
	if i < 0 {
		p.skipping, op.Kind = kind, None
		return len(buf), nil
	}
	p.skipping, op.Kind = None, kind
	return at + i + 1, nil
}

// line parses the operation of the given kind whose arguments, or the blanks
// before them, begin at index at.
func (p *Parser) line(buf []byte, at int, kind Kind, op *Op) (int, error) {
	limit := p.MaxControlLine
	if limit == 0 {
		limit = DefaultMaxControlLine
	}
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
	op.Kind = kind
	switch kind {
	case Pub, HPub, Msg, HMsg:
		if err := parseMessage(kind, arg, op); err != nil {
			return 0, err
		}
		return p.payload(buf, end+1, op)
	case Sub:
		return end + 1, parseSub(arg, op)
	case Unsub:
		return end + 1, parseUnsub(arg, op)
	}
	op.Arg = arg
	return end + 1, nil
}

// payload takes the frame that begins at index at; its total size stands in
// op.SizeText, checked to be a number.
func (p *Parser) payload(buf []byte, at int, op *Op) (int, error) {
	limit := p.MaxPayload
	if limit == 0 {
		limit = DefaultMaxPayload
	}
	size := parseSize(op.SizeText)
	if size > limit {
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
