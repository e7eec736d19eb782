package publisher

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"

	"vigil/internal/wire"
)

// maxWaiting bounds the requests that wait for their reply at the same time.
// Each holds some hundred bytes, and its caller.
const maxWaiting = 1 << 20

// inbox receives the replies to all requests of a connection, with one
// subscription to "_INBOX.<random>.*".
type inbox struct {
	mu sync.Mutex

	// Guarded by mu.
	prefix  string // "_INBOX.<random>.", empty before the first request
	last    uint64
	waiting map[string]chan<- answer // by the last token of the reply subject
}

// answer is a reply or why there is none.
type answer struct {
	msg *Msg
	err error
}

// Request publishes data to subject with a reply subject of its own and returns
// the first reply. It returns ErrNoResponders as soon as the broker says that
// nobody is subscribed, and ctx's error when that ends first: give ctx a
// deadline, since a responder that died never answers.
func (p *Publisher) Request(ctx context.Context, to string, data []byte) (*Msg, error) {
	return p.RequestMsg(ctx, &Msg{Subject: to, Data: data})
}

// RequestMsg is Request with a header. m.Reply is not used.
func (p *Publisher) RequestMsg(ctx context.Context, m *Msg) (*Msg, error) {
	got := make(chan answer, 1)
	token, reply, err := p.expect(got)
	if err != nil {
		return nil, err
	}
	defer p.inbox.forget(token)
	if err := p.send(ctx, m.Subject, reply, m.Header, m.Data); err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.msg, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("publisher: request %s: %w", m.Subject, ctx.Err())
	case <-p.link.Done():
		return nil, ErrClosed
	}
}

// expect registers a request, and the subscription before the first one.
func (p *Publisher) expect(got chan<- answer) (token, reply string, err error) {
	b := &p.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.prefix == "" {
		prefix := "_INBOX." + rand.Text() + "."
		if _, err := p.link.Subscribe(prefix+"*", "", b.receive); err != nil {
			return "", "", err
		}
		b.prefix, b.waiting = prefix, make(map[string]chan<- answer)
	}
	if len(b.waiting) >= maxWaiting {
		return "", "", fmt.Errorf("publisher: request: %d requests wait already", maxWaiting)
	}
	b.last++
	token = strconv.FormatUint(b.last, 36)
	b.waiting[token] = got
	return token, b.prefix + token, nil
}

func (b *inbox) forget(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, token)
}

// receive is called by the connection's reader with every reply. One that
// nobody waits for any more is passed over.
func (b *inbox) receive(op *wire.Op) {
	token := op.Subject[bytes.LastIndexByte(op.Subject, '.')+1:]
	b.mu.Lock()
	got := b.waiting[string(token)]
	delete(b.waiting, string(token))
	b.mu.Unlock()
	if got != nil {
		got <- answerOf(op) // has room: it is in the map only once
	}
}

func answerOf(op *wire.Op) answer {
	m := &Msg{Subject: string(op.Subject), Reply: string(op.Reply)}
	if op.HeaderLen > 0 {
		header, status, err := wire.ParseHeader(op.Header())
		if err != nil {
			return answer{err: fmt.Errorf("publisher: request: reply: %w", err)}
		}
		if status.Code == wire.StatusNoResponders && len(op.Payload()) == 0 {
			return answer{err: ErrNoResponders}
		}
		m.Header = header
	}
	m.Data = append([]byte(nil), op.Payload()...)
	return answer{msg: m}
}
