package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// publisher is the front's own client of the broker. It does not pass the front:
// no fault reaches it.
type publisher struct {
	turn sync.Mutex // one message at a time

	mu   sync.Mutex
	conn net.Conn // nil when there is none
	used Backend  // that conn leads to
}

// close ends the connection; a Publish under way fails.
func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn, p.used = nil, nil
	}
}

// Publish publishes a message to the broker directly, past all faults, and returns
// its number, counted from 1, when the broker has routed it. It wraps [ErrDown]
// while there is no broker.
func (f *Front) Publish(ctx context.Context, to string, data []byte) (id int, err error) {
	if err := subject.Check(to); err != nil {
		return 0, fmt.Errorf("publish: %w", err)
	}
	f.pub.turn.Lock()
	defer f.pub.turn.Unlock()
	f.mu.Lock()
	backend := f.backend
	if backend != nil {
		id = f.messages.add(to, data)
	}
	f.mu.Unlock()
	if backend == nil {
		return 0, fmt.Errorf("publish: %w", ErrDown)
	}
	conn, err := f.pub.connect(backend, f.cfg.Login)
	if err == nil {
		err = exchange(ctx, conn, append(wire.AppendPub(nil, to, "", data), wire.PingLine...))
	}
	if err != nil {
		f.pub.close()
		return 0, fmt.Errorf("publish: %w", err)
	}
	return id, nil
}

// connect returns a connection to the broker.
func (p *publisher) connect(backend Backend, login Login) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && p.used == backend {
		return p.conn, nil
	}
	conn, err := backend.InProcessConn()
	if err != nil {
		return nil, err
	}
	if _, err := readInfo(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	hello := wire.DefaultConnect()
	hello.Name, hello.User, hello.Pass, hello.AuthToken = "brokertest", login.User, login.Password, login.Token
	// A pipe's write waits for its read, and the broker reads whatever it does.
	if _, err := conn.Write(wire.AppendConnect(nil, &hello)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	p.conn, p.used = conn, backend
	return conn, nil
}

// exchange writes text, which ends with a PING, and reads until its PONG. PINGs of
// the broker are answered; an -ERR is the error.
func exchange(ctx context.Context, conn net.Conn, text []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(text); err != nil {
		return err
	}
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
				return errors.Join(err, ctx.Err())
			}
			buf = append(buf, room[:got]...)
		case op.Kind == wire.Pong:
			return nil
		case op.Kind == wire.Err:
			return fmt.Errorf("the broker says %s", op.Arg)
		case op.Kind == wire.Ping:
			if _, err := conn.Write([]byte(wire.PongLine)); err != nil {
				return err
			}
		}
	}
}
