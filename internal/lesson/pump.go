package lesson

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// pump does what a peer decides, over one connection.
type pump struct {
	conn net.Conn
	peer *peer
	// patience bounds a send, so that a peer that does not read holds nobody up
	// for long.
	patience time.Duration
	// counts is set if each message is to be told with its length, as the
	// lesson's server does.
	counts bool
	say    func(text string)
	sent   func(Type) // told of each message sent; nil for nobody
}

// arrival is what one read brought.
type arrival struct {
	at    time.Time
	types []Type
	err   error
}

// run pumps until the connection or ctx ends, closes the connection and returns
// why: ctx's error, a *DeadError, a *TypeError, ErrClosed, or that of the network.
func (p *pump) run(ctx context.Context) error {
	arrived, done := make(chan arrival), make(chan struct{})
	var reader sync.WaitGroup
	// Owned by run. Ends with an error of the connection, which run closes, and
	// is waited for.
	reader.Go(func() { p.read(arrived, done) })
	defer reader.Wait()
	defer close(done)
	defer p.conn.Close()
	timer := time.NewTimer(time.Until(p.peer.next()))
	defer timer.Stop()
	for {
		var todo []deed
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-arrived:
			todo = p.take(a)
		case <-timer.C:
			select { // what was read already counts before a verdict
			case a := <-arrived:
				todo = p.take(a)
			default:
			}
		}
		if err := p.do(append(todo, p.peer.step(time.Now())...)); err != nil {
			return err
		}
		timer.Reset(time.Until(p.peer.next()))
	}
}

// take tells the peer what a read brought.
func (p *pump) take(a arrival) (todo []deed) {
	if a.err == nil || len(a.types) > 0 {
		p.peer.heard(a.at)
	}
	for _, t := range a.types {
		if p.counts {
			todo = append(todo, deed{say: fmt.Sprintf("received %d bytes", MessageSize)})
		}
		todo = append(todo, p.peer.took(t, a.at)...)
	}
	if a.err != nil {
		todo = append(todo, deed{end: a.err})
	}
	return todo
}

// do does what is to be done, up to the end.
func (p *pump) do(todo []deed) error {
	for _, d := range todo {
		if d.say != "" {
			p.say(d.say)
		}
		if d.send != 0 {
			if err := p.send(d.send); err != nil {
				return err
			}
		}
		if d.end != nil {
			return d.end
		}
	}
	return nil
}

func (p *pump) send(t Type) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.patience)); err != nil {
		return fmt.Errorf("lesson: send %v: %w", t, err)
	}
	if _, err := p.conn.Write(AppendMessage(nil, t)); err != nil {
		return fmt.Errorf("lesson: send %v: %w", t, err)
	}
	if p.sent != nil {
		p.sent(t)
	}
	return nil
}

// read reads until an error, which comes last.
func (p *pump) read(arrived chan<- arrival, done <-chan struct{}) {
	var d Decoder
	for {
		n, err := p.conn.Read(d.Room())
		a := arrival{at: time.Now()}
		d.Got(n)
		for a.err == nil {
			t, ok, wrong := d.Next()
			if a.err = wrong; wrong != nil || !ok {
				break
			}
			a.types = append(a.types, t)
		}
		if a.err == nil && err != nil {
			if a.err = fmt.Errorf("lesson: receive: %w", err); errors.Is(err, io.EOF) {
				a.err = ErrClosed
			}
		}
		select {
		case arrived <- a:
		case <-done:
			return
		}
		if a.err != nil {
			return
		}
	}
}
