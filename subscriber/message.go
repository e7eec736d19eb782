package subscriber

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"vigil/internal/link"
	"vigil/internal/subject"
	"vigil/internal/wire"
)

// ErrNoReply is returned by Respond for a message that is no request.
var ErrNoReply = errors.New("subscriber: respond: the message has no reply subject")

// Msg is a message received. It is its receiver's own, to keep and to change,
// and valid for ever, unless the subscription has the option Reuse. Messages that
// came together lie in memory together, up to 12 KiB: who keeps few of many for
// long keeps a Clone.
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
	link *link.Link // nil if there is no Reply
}

// Clone returns a copy that shares no memory with m.
func (m *Msg) Clone() *Msg {
	c := *m
	c.Data = bytes.Clone(m.Data)
	c.Header = maps.Clone(m.Header)
	for k, v := range c.Header {
		c.Header[k] = slices.Clone(v)
	}
	return &c
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
