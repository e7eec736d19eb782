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
// subscription to "_INBOX.<random>.*", or another prefix.
type inbox struct {
	mu sync.Mutex

	// Guarded by mu.
	prefix  string // "_INBOX.<random>.", empty before the first request
	last    uint64
	waiting map[string]waiter // by the last token of the reply subject
}

// waiter is a request that waits for its reply.
type waiter struct {
	reply string // the subject
	got   chan<- answer
	many  *replies // in place of got, if more than one is expected
}

// answer is a reply or why there is none.
type answer struct {
	msg  *Msg
	err  error
	size int // in bytes of memory, roughly
}

// answerOverhead is what an answer takes besides what came.
const answerOverhead = 256

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
	reply, err := p.expect(waiter{got: got})
	if err != nil {
		return nil, err
	}
	defer p.inbox.forget(reply)
	if err := p.send(ctx, m.Subject, reply, m.Header, m.Data); err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.msg, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("publisher: request %s: %w", m.Subject, ctx.Err())
	case <-p.link.Done():
		return nil, p.link.Err()
	}
}

// expect registers a request, and the subscription before the first one. It
// returns the subject for the reply.
func (p *Publisher) expect(w waiter) (reply string, err error) {
	b := &p.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.prefix == "" {
		prefix := p.cfg.InboxPrefix + "." + rand.Text() + "."
		if _, err := p.link.Subscribe(prefix+"*", "", b.receive); err != nil {
			return "", err
		}
		b.prefix, b.waiting = prefix, make(map[string]waiter)
	}
	if len(b.waiting) >= maxWaiting {
		return "", fmt.Errorf("publisher: request: %d requests wait already", maxWaiting)
	}
	b.last++
	var room [64]byte // keeps what is put together off the heap
	reply = string(strconv.AppendUint(append(room[:0], b.prefix...), b.last, 36))
	w.reply = reply
	b.waiting[reply[len(b.prefix):]] = w
	return reply, nil
}

func (b *inbox) forget(reply string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, reply[len(b.prefix):])
}

// receive is called by the connection's reader with every reply. One that
// nobody waits for any more is passed over.
func (b *inbox) receive(op *wire.Op) {
	token := op.Subject[bytes.LastIndexByte(op.Subject, '.')+1:]
	b.mu.Lock()
	w := b.waiting[string(token)]
	if w.many == nil {
		delete(b.waiting, string(token))
	}
	b.mu.Unlock()
	switch {
	case w.got != nil:
		w.got <- answerOf(op, w.reply) // has room: it is in the map only once
	case w.many != nil && !w.many.add(answerOf(op, w.reply)):
		b.forget(w.reply)
	}
}

// answerOf copies a reply to subject, whose memory the reader will use again.
func answerOf(op *wire.Op, subject string) answer {
	m := &Msg{Subject: subject, Reply: string(op.Reply)}
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
	return answer{msg: m, size: answerOverhead + len(op.Reply) + len(op.Frame)}
}
