package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// maxClients bounds the clients of a server.
const maxClients = 64

// acceptPause is how long a server waits when it cannot accept.
const acceptPause = 50 * time.Millisecond

// Server is the lesson's server. The zero value of a field is its default.
type Server struct {
	// Sleep is how long it waits before it answers a PING. The lesson has 60 s and
	// 5 s. 0 is not at all.
	Sleep time.Duration
	// Scale multiplies all times, Sleep as well. 0 is 1.
	Scale float64
	// Say is told each line, as it happens, with the number of the client,
	// counted from 1. Calls are not concurrent. Nil is nobody.
	Say func(client int, text string)
}

// Serve serves the clients that l accepts until ctx ends, or l does. It closes l,
// and returns ctx's error, or that of l.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	if s.Scale == 0 {
		s.Scale = 1
	}
	defer l.Close()
	if err := CheckScale(s.Scale); err != nil {
		return err
	}
	if s.Sleep < 0 {
		return fmt.Errorf("lesson: sleep %v: want 0 or more", s.Sleep)
	}
	var telling sync.Mutex
	say := func(client int, text string) {
		telling.Lock()
		defer telling.Unlock()
		if s.Say != nil {
			s.Say(client, text)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	room := make(chan struct{}, maxClients)
	for n := 1; ; n++ {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return ctx.Err()
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(acceptPause) // until a client has gone
			continue
		case err != nil:
			return fmt.Errorf("lesson: accept: %w", err)
		}
		select {
		case room <- struct{}{}:
		default:
			say(n, fmt.Sprintf("refused: %d clients are connected", maxClients))
			conn.Close()
			continue
		}
		// Owned by Serve. Ends with its connection, or ctx, and is waited for.
		clients.Go(func() {
			s.serve(ctx, conn, func(text string) { say(n, text) })
			<-room
		})
	}
}

// serve serves one client.
func (s Server) serve(ctx context.Context, conn net.Conn, say func(string)) {
	cfg := serverSchedule(s.Scale)
	p := &pump{conn: conn, peer: newPeer(cfg, scaled(s.Sleep, s.Scale), time.Now()), patience: cfg.Interval, counts: true, say: say}
	err := p.run(ctx)
	_, dead := errors.AsType[*DeadError](err)
	switch {
	case dead || ctx.Err() != nil:
	case errors.Is(err, ErrClosed):
		say("client closed")
	default:
		say(err.Error())
	}
}
