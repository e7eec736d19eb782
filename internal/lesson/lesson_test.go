package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/memnet"
)

const address = "server:43211"

// stage is a server, and clients, in virtual time.
type stage struct {
	*testing.T
	net    *memnet.Network
	ctx    context.Context
	began  time.Time
	others sync.WaitGroup

	mu    sync.Mutex
	lines []string // guarded by mu
}

// onStage plays with a server that has begun, and ends everything.
func onStage(t *testing.T, server Server, play func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &stage{T: t, net: memnet.New(), ctx: ctx, began: time.Now()}
		server.Say = func(client int, text string) { s.note(fmt.Sprint("server ", client), text) }
		l, err := s.net.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		s.others.Go(func() {
			if err := server.Serve(ctx, l); !errors.Is(err, context.Canceled) {
				t.Errorf("serve: %v", err)
			}
		})
		play(s)
		cancel()
		s.others.Wait()
	})
}

func (s *stage) note(who, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%g %s: %s", time.Since(s.began).Seconds(), who, text))
}

// told returns the lines of who, "" for all, until now.
func (s *stage) told(who string) (lines []string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if _, rest, _ := strings.Cut(l, " "); strings.HasPrefix(rest, who) {
			lines = append(lines, l)
		}
	}
	return lines
}

func (s *stage) want(who string, want ...string) {
	s.Helper()
	if got := s.told(who); !slices.Equal(got, want) {
		s.Errorf("%s said\n\t%s\nwant\n\t%s", who, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (s *stage) dial() net.Conn {
	s.Helper()
	c, err := s.net.DialContext(s.ctx, "tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *stage) client(ctx context.Context) error {
	return Client{Say: func(text string) { s.note("client", text) }, Dial: s.net.DialContext}.Run(ctx, address)
}

func TestServerSleepsForAMinute(t *testing.T) {
	onStage(t, Server{Sleep: time.Minute}, func(s *stage) {
		err := s.client(s.ctx)
		dead, ok := errors.AsType[*DeadError](err)
		if !ok || dead.Evidence.Silence != 19*time.Second || dead.Evidence.Probes != 3 {
			t.Errorf("%v: %+v", err, dead)
		}
		s.want("client",
			"10 client: sending heartbeat #1", "13 client: sending heartbeat #2", "16 client: sending heartbeat #3",
			"19 client: connection dead")
		s.want("server",
			"10 server 1: received 1028 bytes", "13 server 1: received 1028 bytes", "16 server 1: received 1028 bytes",
			"19 server 1: client closed")
	})
}

func TestServerSleepsForFiveSeconds(t *testing.T) {
	onStage(t, Server{Sleep: 5 * time.Second}, func(s *stage) {
		ctx, cancel := context.WithTimeout(s.ctx, 40*time.Second)
		defer cancel()
		if err := s.client(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		s.want("client",
			"10 client: sending heartbeat #1", "13 client: sending heartbeat #2",
			"15 client: received heartbeat, make heartbeats to 0", "18 client: received heartbeat, make heartbeats to 0",
			"28 client: sending heartbeat #1", "31 client: sending heartbeat #2",
			"33 client: received heartbeat, make heartbeats to 0", "36 client: received heartbeat, make heartbeats to 0")
	})
}

// The sleep before one client's PONG holds up neither its own messages nor those of
// others.
func TestSleepHoldsNobodyUp(t *testing.T) {
	onStage(t, Server{Sleep: time.Minute}, func(s *stage) {
		first, second := s.dial(), s.dial()
		defer first.Close()
		defer second.Close()
		first.Write(AppendMessage(nil, Ping))
		time.Sleep(time.Second)
		first.Write(AppendMessage(nil, Type1))
		synctest.Wait()
		second.Write(append(AppendMessage(nil, Type2), AppendMessage(nil, Type1)[:600]...))
		time.Sleep(time.Second)
		second.Write(AppendMessage(nil, Type1)[600:])
		s.want("server",
			"0 server 1: received 1028 bytes", "1 server 1: received 1028 bytes", "1 server 1: process MSG_TYPE1",
			"1 server 2: received 1028 bytes", "1 server 2: process MSG_TYPE2",
			"2 server 2: received 1028 bytes", "2 server 2: process MSG_TYPE1")
	})
}

// A client whose host has vanished is found by the server, which asks it; one that
// lives need not be asked.
func TestServerFindsAClientThatVanished(t *testing.T) {
	onStage(t, Server{}, func(s *stage) {
		conn := s.dial()
		defer conn.Close()
		time.Sleep(5 * time.Second)
		conn.Write(AppendMessage(nil, Type1))
		synctest.Wait()
		s.net.Cut(address)
		time.Sleep(time.Minute)
		s.want("server",
			"5 server 1: received 1028 bytes", "5 server 1: process MSG_TYPE1",
			"25 server 1: sending heartbeat #1", "28 server 1: sending heartbeat #2", "31 server 1: sending heartbeat #3",
			"34 server 1: connection dead")
	})
}

// A client that is asked answers.
func TestClientAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var lines []string
		done := make(chan error)
		go func() {
			done <- Client{Say: func(text string) { lines = append(lines, text) },
				Dial: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }}.Run(ctx, "")
		}()
		ours.Write(AppendMessage(nil, Ping))
		got := make([]byte, MessageSize)
		for n := 0; n < len(got); {
			k, err := ours.Read(got[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || string(got) != string(AppendMessage(nil, Pong)) {
			t.Errorf("%v, answered % x…", err, got[:4])
		}
		if !slices.Equal(lines, []string{"received MSG_PING, send MSG_PONG"}) {
			t.Errorf("%q", lines)
		}
	})
}

// The lesson's own client takes a PING for a PONG and answers none. The server
// leaves it in peace for as long as it lives, however late its answers are.
func TestCarelessClientIsLeftInPeace(t *testing.T) {
	for _, sleep := range []time.Duration{0, 5 * time.Second, 8900 * time.Millisecond} {
		t.Run(sleep.String(), func(t *testing.T) {
			onStage(t, Server{Sleep: sleep}, func(s *stage) {
				conn := s.dial()
				defer conn.Close()
				asked, patience := 0, 10*time.Second
				for time.Since(s.began) < 10*time.Minute {
					conn.SetReadDeadline(time.Now().Add(patience))
					n, err := conn.Read(make([]byte, 4096))
					if n > 0 {
						asked, patience = 0, 10*time.Second
						continue
					}
					if asked++; asked > 3 || !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
						t.Fatalf("the client gives up after %v: %v", time.Since(s.began), err)
					}
					conn.Write(AppendMessage(nil, Ping))
					patience = 3 * time.Second
				}
				for _, line := range s.told("server") {
					if !strings.HasSuffix(line, "received 1028 bytes") && !strings.HasSuffix(line, "received MSG_PING, send MSG_PONG") {
						t.Errorf("%s", line)
					}
				}
			})
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// What is no message ends the connection, at either end, and says what came.
func TestStrangers(t *testing.T) {
	onStage(t, Server{}, func(s *stage) {
		conn := s.dial()
		defer conn.Close()
		conn.Write([]byte("GET / HTTP/1.1\r\n"))
		s.want("server", "0 server 1: unknown message type (1195725856, 47 45 54 20)")
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the server goes on")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go ours.Write([]byte("INFO {}"))
		err := Client{Dial: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }}.Run(t.Context(), "")
		if _, ok := errors.AsType[*TypeError](err); !ok {
			t.Error(err)
		}
		ours.Close()
	})
}

// A client that asks and does not read is left to itself, and others are served.
func TestClientThatDoesNotRead(t *testing.T) {
	onStage(t, Server{}, func(s *stage) {
		flood := s.dial()
		defer flood.Close()
		s.others.Go(func() {
			for {
				if _, err := flood.Write(AppendMessage(nil, Ping)); err != nil {
					return
				}
			}
		})
		time.Sleep(time.Second)
		if err := s.ctx.Err(); err != nil {
			t.Fatal(err)
		}
		other := s.dial()
		defer other.Close()
		other.Write(AppendMessage(nil, Ping))
		got := make([]byte, 4)
		if _, err := other.Read(got); err != nil || got[3] != 2 {
			t.Errorf("% x, %v", got, err)
		}
		time.Sleep(3 * time.Second)
		lines := s.told("server 1")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "3 server 1: lesson: send MSG_PONG: ") {
			t.Errorf("%s", last)
		}
	})
}

func TestTooManyClients(t *testing.T) {
	onStage(t, Server{}, func(s *stage) {
		for range maxClients {
			conn := s.dial()
			defer conn.Close()
		}
		synctest.Wait()
		last := s.dial()
		if n, err := last.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("one too many was let in")
		}
		s.want("server", "0 server 65: refused: 64 clients are connected")
		last.Close()
	})
}

// More PONGs than may wait are not promised.
func TestOwedPongsAreBounded(t *testing.T) {
	now := time.Now()
	p := newPeer(clientSchedule(1), time.Minute, now)
	for range maxOwed {
		if todo := p.took(Ping, now); todo != nil {
			t.Fatalf("%v", todo)
		}
	}
	if todo := p.took(Ping, now); len(todo) != 1 || todo[0].say != "MSG_PING not answered: 64 wait already" {
		t.Errorf("%v", todo)
	}
}

func TestScales(t *testing.T) {
	for _, bad := range []string{"0", "-1", "NaN", "+Inf", "1e-12", "1e9"} {
		var scale float64
		fmt.Sscan(bad, &scale)
		if err := CheckScale(scale); !errors.Is(err, ErrScale) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	onStage(t, Server{Sleep: 5 * time.Second, Scale: 0.1}, func(s *stage) {
		ctx, cancel := context.WithTimeout(s.ctx, 1600*time.Millisecond)
		defer cancel()
		Client{Scale: 0.1, Say: func(text string) { s.note("client", text) }, Dial: s.net.DialContext}.Run(ctx, address)
		s.want("client", "1 client: sending heartbeat #1", "1.3 client: sending heartbeat #2", "1.5 client: received heartbeat, make heartbeats to 0")
	})
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := (Client{}).Run(t.Context(), l.Addr().String()); err == nil || !strings.HasSuffix(err.Error(), "does a server listen there?") {
		t.Error(err)
	}
}

// serve starts a server on a real socket, and what stops it.
func serve(t *testing.T, s Server) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(ctx, l) })
	return l.Addr().String(), func() { cancel(); serving.Wait() }
}
