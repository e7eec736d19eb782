package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// publisher is the front's own client of the broker, which does not pass the front.
type publisher struct {
	// turn holds a token while a message is published, and guards the rest. A channel,
	// since in a bubble who waits for a mutex keeps the time from passing.
	turn chan struct{}
	conn net.Conn // nil when there is none
	to   Backend  // that conn leads to
	used time.Time
}

// keepFor is how long a connection is kept for the next message: not so long that a
// broker would close it for its silence.
const keepFor = time.Second

// Publish publishes a message to the broker directly, past all faults, and returns
// its number, counted from 1, when the broker has routed it. It wraps [ErrDown]
// while there is no broker.
func (f *Front) Publish(ctx context.Context, to string, data []byte) (id int, err error) {
	if err := subject.Check(to); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	select {
	case f.pub.turn <- struct{}{}:
		defer func() { <-f.pub.turn }()
	case <-ctx.Done():
		return 0, fmt.Errorf("publish: %w", ctx.Err())
	}
	f.mu.Lock()
	backend := f.backend
	if backend != nil {
		id = f.messages.add(to, data)
	}
	f.mu.Unlock()
	if backend == nil {
		return 0, fmt.Errorf("publish: %w", ErrDown)
	}
	if err := f.pub.publish(ctx, backend, f.cfg.Login, to, data); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = time.Now()
	return id, nil
}

// publish sends a message and returns when the broker has routed it.
func (p *publisher) publish(ctx context.Context, backend Backend, login Login, to string, data []byte) error {
	var text []byte
	if p.conn == nil || p.to != backend || time.Since(p.used) > keepFor {
		p.close()
		conn, err := backend.InProcessConn()
		if err != nil {
			return err
		}
		p.conn, p.to = conn, backend
		hello := wire.DefaultConnect()
		hello.Name, hello.Verbose, hello.Headers = "brokertest", false, true
		hello.User, hello.Pass, hello.AuthToken = login.User, login.Password, login.Token
		text = wire.AppendConnect(text, &hello)
	}
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Unix(1, 0)) })
	err := exchange(p.conn, append(wire.AppendPub(text, to, "", data), wire.PingLine...))
	if !stop() || err != nil {
		p.close()
	}
	p.used = time.Now()
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	return nil
}

func (p *publisher) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// exchange writes text, which ends with a PING, and reads until its PONG. An -ERR is the
// error. A PING is not answered: whoever publishes is heard, and not kept for long.
func exchange(conn net.Conn, text []byte) error {
	written := make(chan error, 1)
	// Owned by this call, whose end closes the connection; what the broker says
	// meanwhile has to be read, since a pipe's write waits for its read.
	go func() {
		_, err := conn.Write(text)
		written <- err
	}()
	err := awaitPong(conn)
	if err != nil {
		_ = conn.Close()
	}
	return errors.Join(err, <-written)
}

// awaitPong reads until a PONG.
func awaitPong(conn net.Conn) error {
	parser := wire.Parser{Side: wire.FromBroker}
	var buf []byte
	var op wire.Op
	room := make([]byte, 4096)
	for {
		n, err := parser.Next(buf, &op)
		if err != nil {
			return err
		}
		buf = buf[n:]
		switch {
		case n == 0:
			got, err := conn.Read(room)
			if got == 0 && err != nil {
				return err
			}
			buf = append(buf, room[:got]...)
		case op.Kind == wire.Pong:
			return nil
		case op.Kind == wire.Err:
			return fmt.Errorf("the broker says %s", op.Arg)
		}
	}
}
