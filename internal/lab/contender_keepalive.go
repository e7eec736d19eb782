package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"vigil/internal/wire"
)

// keepaliveContender is a subscriber on a bare TCP connection, as Go's dialer
// makes it: nothing but the kernel's keep-alive looks after it. When the
// connection fails it dials again.
func keepaliveContender() contender {
	return contender{
		name:     "keepalive-go",
		about:    "no detection but Go's default TCP keep-alive",
		worst:    goKeepAlive,
		computed: "135–150 s",
		listen:   listenBare,
	}
}

// redialEvery is how long the bare subscriber waits between attempts.
const redialEvery = 250 * time.Millisecond

func listenBare(ctx context.Context, addr string, rec *record) (func(), error) {
	const sub = "SUB " + subject + " 1\r\n"
	s, err := dialStream(ctx, addr, sub)
	if err != nil {
		return nil, fmt.Errorf("lab: keepalive-go: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	// Owned by the contender; ends when stop cancels ctx; stop waits for it.
	go func() {
		defer close(done)
		for {
			err := readNumbers(ctx, s, rec)
			if ctx.Err() != nil {
				return
			}
			rec.noticed(loss{cause: brief(err), own: isTimeout(err)})
			if s = redial(ctx, addr, sub); s == nil {
				return
			}
			rec.reconnected("reconnected")
		}
	}()
	return func() { cancel(); <-done }, nil
}

// readNumbers reads until the stream fails or ctx ends, and closes it.
func readNumbers(ctx context.Context, s *stream, rec *record) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	defer s.conn.Close()
	var op wire.Op
	for {
		if err := s.next(&op); err != nil {
			return err
		}
		if op.Kind != wire.Msg {
			continue
		}
		if n, err := strconv.Atoi(string(op.Payload())); err == nil {
			rec.received(n)
		}
	}
}

// isTimeout reports whether the kernel gave up by itself: nothing here sets a
// deadline.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// redial tries until it has a stream, nil when ctx ended.
func redial(ctx context.Context, addr, sub string) *stream {
	for {
		s, err := dialStream(ctx, addr, sub)
		if err == nil {
			return s
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(redialEvery):
		}
	}
}
