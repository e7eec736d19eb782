package bench

import (
	"context"
	"fmt"
)

// verify is a round that is not measured: every message has a number, and who
// receives which, in what order, is checked.
func (f flow) verify(ctx context.Context, t *target, timing timing) error {
	if f.subscribers == 0 {
		return nil
	}
	d := t.dialect
	n := f.chunk(d)
	chunks := max(min(timing.bytes/f.stride(d)/f.copies(), timing.messages)/n/f.publishers, 1)
	// Every subject has its turn.
	chunks = max(chunks, (len(f.subjects)+n-1)/n)
	book := newLedger(f.subscribers, f.publishers, chunks*n, f.queue != "")
	p, err := f.connect(ctx, d, t.addr)
	defer p.end()
	if err != nil {
		return err
	}
	p.readers.Go(func() { p.watch(timing.stall) }) // ends with the flow; end waits for it
	if err := p.receive(func(i int) (checker, error) { return f.numbered(d, book, i), nil }); err != nil {
		return err
	}
	p.publish(n, f.numberedChunks(d, n, chunks))
	if err := p.finish(); err != nil {
		return err
	}
	if missing := book.missing(); missing > 0 {
		return fmt.Errorf("%d deliveries are missing", missing)
	}
	return nil
}

// numbered returns the checker of a subscriber.
func (f flow) numbered(d dialect, book *ledger, member int) *numbered {
	stride, payload := f.stride(d), plain(f.size)
	return &numbered{
		stride: stride, payload: stride - f.size - len("\r\n"), ledger: book, member: member,
		begins: d.appendDelivery(nil, f.message(0, payload))[0],
		expect: func(b []byte, publisher, sequence int) []byte {
			return d.appendDelivery(b, f.numberedMessage(publisher, sequence, payload))
		},
	}
}

// numberedChunks returns what each publisher writes: chunks of n messages.
func (f flow) numberedChunks(d dialect, n, chunks int) func(publisher, k int) []byte {
	payloads, buffers := make([][]byte, f.publishers), make([][]byte, f.publishers)
	for i := range payloads {
		payloads[i] = plain(f.size)
	}
	return func(publisher, k int) []byte {
		if k == chunks {
			return nil
		}
		b := buffers[publisher][:0]
		for i := range n {
			b = d.appendPublish(b, f.numberedMessage(publisher, k*n+i, payloads[publisher]))
		}
		buffers[publisher] = b
		return b
	}
}
