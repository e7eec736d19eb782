package subscriber

import (
	"context"
	"errors"
	"fmt"

	"vigil/internal/link"
	"vigil/internal/subject"
	"vigil/internal/wire"
)

// ErrNoReply is returned by Respond for a message that is no request.
var ErrNoReply = errors.New("subscriber: respond: the message has no reply subject")

// Msg is a message received. It is its receiver's own: nothing else refers to
// its memory.
type Msg struct {
	Subject string
	Reply   string // the subject for an answer, empty if none is expected
	Header  Header // nil when there is none
	Data    []byte

	// Status is what a broker puts into the header of its own messages, such
	// as 503; 0 for those of publishers.
	Status int
	// HeaderErr says why Header is nil although a header came: brokers pass
	// on whatever a publisher sent as one.
	HeaderErr error

	// Fixed after construction.
	link   *link.Link
	header []byte // not parsed yet
}

// msgOverhead is what a message is counted with beside its bytes.
const msgOverhead = 128

func (m *Msg) size() int {
	return msgOverhead + len(m.Subject) + len(m.Reply) + len(m.header) + len(m.Data)
}

// newMsg copies op, whose memory the reader will use again. Header and payload
// share one allocation. The subject is not copied when it is the same as like.
func newMsg(l *link.Link, op *wire.Op, like string) *Msg {
	m := &Msg{link: l, Subject: like, Reply: string(op.Reply)}
	if string(op.Subject) != like {
		m.Subject = string(op.Subject)
	}
	body := append([]byte(nil), op.Frame[:len(op.Frame)-2]...)
	m.header, m.Data = body[:op.HeaderLen:op.HeaderLen], body[op.HeaderLen:]
	return m
}

// open parses the header. It is done by the consumer, not by the reader.
func (m *Msg) open() *Msg {
	if len(m.header) > 0 {
		header, status, err := wire.ParseHeader(m.header)
		m.Status, m.HeaderErr = status.Code, err
		if len(header) > 0 {
			m.Header = header
		}
	}
	return m
}

// Respond sends data to the message's reply subject, over the connection on
// which the message came. It returns ErrNoReply if there is no such subject.
// ctx bounds the wait for room when the connection cannot take more.
func (m *Msg) Respond(ctx context.Context, data []byte) error {
	return m.RespondMsg(ctx, nil, data)
}

// RespondMsg is Respond with a header.
func (m *Msg) RespondMsg(ctx context.Context, header Header, data []byte) error {
	if m.Reply == "" || m.link == nil {
		return ErrNoReply
	}
	if err := subject.Check(m.Reply); err != nil {
		return fmt.Errorf("subscriber: respond: %w", err)
	}
	var block []byte
	if len(header) > 0 {
		if err := header.Check(); err != nil {
			return fmt.Errorf("subscriber: respond: %w", err)
		}
		block = wire.AppendHeader(nil, header)
	}
	return m.link.Publish(ctx, m.Reply, "", block, data)
}
