package lab

import (
	"context"
	"fmt"
	"io"
	"net"

	"vigil/internal/wire"
)

// stream is a bare NATS connection: what a careful beginner writes over TCP,
// with Go's dialer as it comes and no detection of its own. It answers PINGs.
// One goroutine reads; writes may come from another.
type stream struct {
	conn   net.Conn
	parser wire.Parser
	buf    []byte // unparsed input is buf[from:to]
	from   int
	to     int
}

// streamBuffer holds the largest operation that the lab's feed can cause.
const streamBuffer = 64 << 10

// dialStream connects as Go's dialer does, sends text behind the CONNECT, and
// waits for the PONG that confirms it.
func dialStream(ctx context.Context, addr, text string) (*stream, error) {
	return dialStreamWith(ctx, new(net.Dialer), addr, text)
}

// dialStreamWith is dialStream with a dialer of the caller's.
func dialStreamWith(ctx context.Context, dialer *net.Dialer, addr, text string) (*stream, error) {
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, parser: wire.Parser{Side: wire.FromBroker, MaxControlLine: streamBuffer / 2}, buf: make([]byte, streamBuffer)}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := s.greet(text); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("lab: greet %s: %w", addr, err)
	}
	return s, nil
}

func (s *stream) greet(text string) error {
	hello := wire.AppendConnect(nil, &wire.ConnectLine{Echo: true, Lang: "go", Name: "vigil-lab"})
	hello = append(hello, text...)
	hello = append(hello, wire.PingLine...)
	if _, err := s.conn.Write(hello); err != nil {
		return err
	}
	var op wire.Op
	for op.Kind != wire.Pong {
		if err := s.next(&op); err != nil {
			return err
		}
	}
	return nil
}

// next waits for the next operation. A PING is answered and passed over, an
// -ERR is an error.
func (s *stream) next(op *wire.Op) error {
	for {
		n, err := s.parser.Next(s.buf[s.from:s.to], op)
		if err != nil {
			return err
		}
		s.from += n
		switch {
		case n == 0:
			if err := s.fill(); err != nil {
				return err
			}
		case op.Kind == wire.Ping:
			if _, err := io.WriteString(s.conn, wire.PongLine); err != nil {
				return err
			}
		case op.Kind == wire.Err:
			return fmt.Errorf("lab: the broker said -ERR %s", op.Arg)
		case op.Kind != wire.None:
			return nil
		}
	}
}

func (s *stream) fill() error {
	s.to = copy(s.buf, s.buf[s.from:s.to])
	s.from = 0
	n, err := s.conn.Read(s.buf[s.to:])
	s.to += n
	if n > 0 {
		return nil
	}
	return err
}
