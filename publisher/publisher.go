package publisher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"vigil/internal/link"
	"vigil/internal/subject"
	"vigil/internal/wire"
)

// Errors on which callers branch, beside those of the connection.
var (
	// ErrBadSubject is wrapped by the error for a subject or reply that cannot
	// be published to: empty, with an empty token, a wildcard or a blank.
	ErrBadSubject = errors.New("bad subject")
	// ErrBadHeader is wrapped by the error for a header that cannot be sent.
	ErrBadHeader = errors.New("bad header")
	// ErrNoResponders: nobody is subscribed to the subject of a request.
	ErrNoResponders = errors.New("publisher: request: no responders")
)

// Publisher is a connection to a NATS broker that notices when the broker is
// gone, reconnects for ever, and never loses a message without saying so. All
// methods may be called concurrently.
type Publisher struct {
	// Fixed after construction.
	cfg   Config
	link  *link.Link
	inbox inbox
	ids   ids

	headers sync.Pool // of *[]byte, for encoding header blocks
}

// Msg is a message to publish, a reply received, or one of Event.AtRisk. It has
// the fields Subject, Reply (the subject for an answer, empty if none is
// expected), Header (nil when there is none) and Data.
type Msg = link.Message

// Connect connects to the first of the brokers that answers, in the order
// given, and keeps connected until Close. url is one URL or several separated
// by commas: nats://[user[:password]@]host[:port], or tls:// for TLS, where
// nats:// and the port 4222 may be left out; a user without a password is a
// token. ctx bounds this call alone.
//
// It returns a *URLError for a bad URL and a *ConnectError when no broker
// answered, unless Config.KeepTrying is set.
func Connect(ctx context.Context, url string, cfg Config) (*Publisher, error) {
	cfg = cfg.withDefaults()
	if err := subject.Check(cfg.InboxPrefix); err != nil {
		return nil, fmt.Errorf("publisher: config: InboxPrefix: %w", err)
	}
	l, err := link.Connect(ctx, url, cfg.link())
	if err != nil {
		return nil, err
	}
	p := &Publisher{cfg: cfg, link: l}
	p.ids.init()
	return p, nil
}

// Publish sends data to subject. A nil error means that the message was taken,
// in order behind those before it; PublishSync waits until the broker has got it,
// and Flush for all at once.
//
// While connected, Publish waits when Config.OutBuffer is full, until there is
// room or ctx ends. While there is no connection the message is kept and sent
// with the next one; ErrAwayBufferFull says that there is no room for it. What
// was handed to a connection that was then lost is reported as unconfirmed,
// with the Lost and the Resumed event, or sent again with Config.Confirmed.
func (p *Publisher) Publish(ctx context.Context, to string, data []byte) error {
	return p.send(ctx, to, "", nil, data)
}

// PublishSync is Publish followed by the broker's word that it has processed the
// message: everybody subscribed has been sent it. It waits for that, through a
// loss of the connection too with Config.Confirmed, until ctx ends; give ctx a
// deadline. Without Confirmed it returns an *InterruptedError when the
// connection is lost meanwhile: whether the broker got the message is unknown.
// Many may wait at the same time.
func (p *Publisher) PublishSync(ctx context.Context, to string, data []byte) error {
	return p.PublishMsgSync(ctx, &Msg{Subject: to, Data: data})
}

// PublishMsgSync is PublishSync with a reply subject and a header.
func (p *Publisher) PublishMsgSync(ctx context.Context, m *Msg) error {
	before := p.link.Stats()
	if err := p.PublishMsg(ctx, m); err != nil {
		return err
	}
	for {
		err := p.link.Flush(ctx)
		_, interrupted := errors.AsType[*InterruptedError](err)
		if interrupted && p.cfg.Confirmed {
			continue // it is sent again
		}
		after := p.link.Stats()
		switch {
		case err == nil && after.Unconfirmed != before.Unconfirmed: // lost before the Flush began
			err = &InterruptedError{Loss: p.link.Status().Loss}
		case err == nil && after.Dropped != before.Dropped:
			return ErrDropped
		}
		if err != nil {
			return fmt.Errorf("publisher: publish %s: not confirmed: %w", m.Subject, err)
		}
		return nil
	}
}

// PublishMsg is Publish with a reply subject and a header. It keeps nothing of
// m.
func (p *Publisher) PublishMsg(ctx context.Context, m *Msg) error {
	if m.Reply != "" {
		if err := subject.Check(m.Reply); err != nil {
			return badSubject(err)
		}
	}
	return p.send(ctx, m.Subject, m.Reply, m.Header, m.Data)
}

// send publishes with a checked reply.
func (p *Publisher) send(ctx context.Context, to, reply string, header Header, data []byte) error {
	if err := subject.Check(to); err != nil {
		return badSubject(err)
	}
	if len(header) == 0 {
		var room [blockSize]byte
		block := room[:0]
		if p.cfg.Confirmed {
			block = p.ids.appendBlock(block)
		}
		return p.link.Publish(ctx, to, reply, block, data)
	}
	if err := header.Check(); err != nil {
		return fmt.Errorf("publisher: publish: %w: %w", ErrBadHeader, err)
	}
	block, _ := p.headers.Get().(*[]byte)
	if block == nil {
		block = new([]byte)
	}
	defer p.headers.Put(block)
	*block = wire.AppendHeader((*block)[:0], header)
	if p.cfg.Confirmed && header.Get(idHeader) == "" {
		*block = p.ids.appendLine((*block)[:len(*block)-len("\r\n")])
	}
	return p.link.Publish(ctx, to, reply, *block, data)
}

func badSubject(err error) error {
	return fmt.Errorf("publisher: publish: %w: %w", ErrBadSubject, err)
}

// Flush waits until the broker has got everything published before, but for what
// a Lost event told as unconfirmed. While there is no connection it waits for
// one. It returns an *InterruptedError when the connection was lost meanwhile:
// then the Lost event says how many messages are unconfirmed.
func (p *Publisher) Flush(ctx context.Context) error { return p.link.Flush(ctx) }

// Status returns how the connection is. It answers at once, always, also while
// Publish waits.
func (p *Publisher) Status() Status { return p.link.Status() }

// Stats returns what was counted since Connect.
func (p *Publisher) Stats() ConnectionStats { return p.link.Stats() }

// Events returns the events from this call on, until EventClosed was yielded
// or ctx ends. It is for one loop; call it again for another.
func (p *Publisher) Events(ctx context.Context) iter.Seq[Event] { return p.link.Events(ctx) }

// Done returns a channel that is closed when the Publisher was closed.
func (p *Publisher) Done() <-chan struct{} { return p.link.Done() }

// Drain waits until the broker has got everything published, as Flush does,
// and closes. It returns an *UnsentError if something is left when ctx ends.
func (p *Publisher) Drain(ctx context.Context) error {
	err := p.link.Flush(ctx)
	if closeErr := p.link.Close(); closeErr != nil {
		return closeErr
	}
	return err
}

// Close waits up to Config.CloseTimeout for the broker to confirm what was
// published, and closes. What it could not confirm is returned as an
// *UnsentError. A second Close returns nil.
func (p *Publisher) Close() error {
	s := p.link.Status()
	open := s.Queued.Messages > 0 || s.Unconfirmed.Messages > 0
	connected := s.State == StateConnected || s.State == StateSuspect
	if p.cfg.CloseTimeout > 0 && open && connected {
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.CloseTimeout)
		defer cancel()
		_ = p.link.Flush(ctx) // Close says what is left
	}
	return p.link.Close()
}
