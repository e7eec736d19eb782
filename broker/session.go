package broker

import (
	"errors"
	"fmt"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// session is the protocol state of one client: it is given operations and
// answers what is to be done. It touches no socket, no clock and nothing that
// is shared.
type session struct {
	options wire.ConnectLine
	// headers says that the client sends HPUB and understands HMSG.
	headers bool
	// ponged is set by the first PONG after CONNECT, which clients of
	// protocol 1 want to be followed by an INFO.
	connected, ponged bool
	// silent says that the client is told nothing of what it publishes.
	silent bool
}

func newSession() session {
	return session{options: wire.DefaultConnect()}
}

// action is what an operation asks for beside the reply.
type action uint8

const (
	doNothing action = iota
	doPublish
	doSubscribe
	doUnsubscribe
	// doReset drops all subscriptions: a second CONNECT.
	doReset
	// doWelcome sends the INFO that follows the first PONG.
	doWelcome
)

// violation is an operation that ends the connection.
type violation struct {
	// text is sent as -ERR before the connection closes; "" closes silently.
	text  string
	cause error
}

func (v *violation) Error() string { return fmt.Sprintf("broker: protocol: %v", v.cause) }
func (v *violation) Unwrap() error { return v.cause }

// The -ERR texts. Clients branch on them: nats.go gives up for good on any it
// does not know, so none may be invented.
const (
	textUnknownOperation = "Unknown Protocol Operation"
	textControlLine      = "maximum control line exceeded"
	textMaxPayload       = "Maximum Payload Violation"
	textMaxConnections   = "maximum connections exceeded"
	textMaxSubscriptions = "maximum subscriptions exceeded"
	textTooManyTokens    = "Permissions Violation for Subscription to %q, too many tokens"
	textInvalidSubject   = "Invalid Subject"
	textInvalidPublish   = "Invalid Publish Subject"
	textInvalidProtocol  = "invalid client protocol"
	textNoHeaders        = "no responders requires headers support"
	textAuthorization    = "Authorization Violation"
	textStale            = "Stale Connection"
)

var (
	errNoHeaders = errors.New("HPUB from a client that announced no headers")
	errPeerError = errors.New("the client sent -ERR")
)

// violationOf tells what a stream that cannot be parsed any further means on
// the wire: wrong arguments end the connection without a word.
func violationOf(err error) *violation {
	text := ""
	switch {
	case errors.Is(err, wire.ErrUnknownOperation):
		text = textUnknownOperation
	case errors.Is(err, wire.ErrControlLine):
		text = textControlLine
	case errors.Is(err, wire.ErrMaxPayload):
		text = textMaxPayload
	}
	return &violation{text, err}
}

// passes reports whether op is a message that goes its way without more ado, as
// nearly all do: step would only say doPublish.
func (s *session) passes(op *wire.Op) bool {
	return s.silent && op.Kind == wire.Pub && op.Reply == nil && op.Subject[0] != '_' && op.Subject[0] != '$'
}

// step obeys one operation. What the client is to be told at once is appended
// to reply; the action is left to the caller, who appends what came of
// doSubscribe: +OK if the client is verbose, or an -ERR.
func (s *session) step(op *wire.Op, reply []byte) ([]byte, action, *violation) {
	switch op.Kind {
	case wire.Pub, wire.HPub:
		return s.publish(op, reply)
	case wire.Ping:
		reply = append(reply, wire.PongLine...)
		if s.connected && !s.ponged {
			s.ponged = true
			if s.options.Protocol >= 1 {
				return reply, doWelcome, nil
			}
		}
	case wire.Sub:
		return s.subscribe(op, reply)
	case wire.Unsub:
		return s.acknowledge(reply), doUnsubscribe, nil
	case wire.Connect:
		return s.connect(op, reply)
	case wire.Info:
		if _, err := wire.ParseInfo(op.Arg); err != nil {
			return reply, doNothing, &violation{"", err}
		}
	case wire.Err:
		return reply, doNothing, &violation{"", errPeerError}
	}
	return reply, doNothing, nil
}

func (s *session) connect(op *wire.Op, reply []byte) ([]byte, action, *violation) {
	if err := s.options.Merge(op.Arg); err != nil {
		return reply, doNothing, &violation{"", err}
	}
	o := &s.options
	refuse := func(text string) ([]byte, action, *violation) {
		return reply, doNothing, &violation{text, errors.New("CONNECT: " + text)}
	}
	switch {
	case o.Protocol != 0 && o.Protocol != 1:
		return refuse(textInvalidProtocol)
	case o.Account != "" || o.NewAccount:
		return refuse(textAuthorization)
	case o.NoResponders && !o.Headers:
		return refuse(textNoHeaders)
	}
	s.headers = o.Headers
	s.silent = !o.Verbose && !o.Pedantic
	again := s.connected
	s.connected = true
	reply = s.acknowledge(reply)
	if again {
		return reply, doReset, nil
	}
	return reply, doNothing, nil
}

// publish checks a message. Only a pedantic client is told of a bad subject,
// and the message goes its way all the same.
func (s *session) publish(op *wire.Op, reply []byte) ([]byte, action, *violation) {
	if op.Kind == wire.HPub && !s.headers {
		return reply, doNothing, &violation{"", errNoHeaders}
	}
	if s.options.Pedantic && !subject.ValidPublish(op.Subject) {
		reply = wire.AppendErr(reply, textInvalidPublish)
	}
	if text := reserved(op); text != "" {
		return wire.AppendErr(reply, text), doNothing, nil
	}
	return s.acknowledge(reply), doPublish, nil
}

func (s *session) subscribe(op *wire.Op, reply []byte) ([]byte, action, *violation) {
	if string(op.Queue) == reservedQueue {
		return wire.AppendErr(reply, fmt.Sprintf(
			"Permissions Violation for Subscription to %q using queue %q", op.Subject, op.Queue)), doNothing, nil
	}
	return reply, doSubscribe, nil
}

// acknowledge appends +OK for a verbose client.
func (s *session) acknowledge(reply []byte) []byte {
	if s.options.Verbose {
		reply = append(reply, wire.OKLine...)
	}
	return reply
}
