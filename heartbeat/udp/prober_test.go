package udp

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
)

// peer is the far end of a pipe, in a bubble: answer says what it says to a
// probe, nothing if nil.
func peer(t *testing.T, answer func(i int, n nonce) [][]byte) (ours net.Conn, end func()) {
	ours, theirs := net.Pipe() // keeps datagrams apart as long as reads are larger
	done := make(chan struct{})
	go func() { // ends with end
		defer close(done)
		buf := make([]byte, 100)
		for i := 0; ; i++ {
			n, err := theirs.Read(buf)
			if err != nil {
				return
			}
			id, ok := parseProbe(buf[:n])
			if !ok {
				t.Errorf("not a probe: %q", buf[:n])
			}
			for _, b := range answer(i, id) {
				if _, err := theirs.Write(b); err != nil {
					return
				}
			}
		}
	}()
	return ours, func() { theirs.Close(); ours.Close(); <-done }
}

// The verdict comes a Bound behind the last answer, to the nanosecond, and rests
// on the probes since.
func TestProberFindsTheDead(t *testing.T) {
	for name, m := range map[string]heartbeat.Method{"default": nil, "lesson": heartbeat.Lesson(),
		"objective": heartbeat.Objective{Within: time.Second, Datagrams: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var last time.Time
				conn, end := peer(t, func(i int, n nonce) [][]byte {
					if i >= 20 {
						return nil
					}
					last = time.Now()
					return [][]byte{appendAnswer(nil, n)}
				})
				defer end()
				var states []heartbeat.State
				p := Prober{Method: m, Changed: func(s Status) { states = append(states, s.State) }}
				err := p.Watch(t.Context(), conn)
				dead, ok := errors.AsType[*DeadError](err)
				if !ok || !dead.Timeout() || dead.Peer == nil {
					t.Fatalf("Watch returns %v, want a *DeadError", err)
				}
				bound := p.method().Bound()
				if took := time.Since(last); took != bound || dead.Evidence.Silence != bound || dead.Evidence.Probes < 3 {
					t.Errorf("dead %v behind the last answer, want %v; evidence %+v", took, bound, dead.Evidence)
				}
				if !slices.Contains(states, heartbeat.StateSuspect) {
					t.Errorf("told %v, want suspicion", states)
				}
			})
		})
	}
}

// What is not an answer to a probe that waits for one is no life.
func TestProberBelievesNoOne(t *testing.T) {
	for name, say := range map[string]func(nonce) [][]byte{
		"another nonce": func(n nonce) [][]byte { n[0]++; return [][]byte{appendAnswer(nil, n)} },
		"no nonce":      func(nonce) [][]byte { return [][]byte{appendAnswer(nil, nonce{})} },
		"an echo":       func(n nonce) [][]byte { return [][]byte{appendProbe(nil, n)} },
		"too short":     func(n nonce) [][]byte { return [][]byte{appendAnswer(nil, n)[:15]} },
		"too long":      func(n nonce) [][]byte { return [][]byte{append(appendAnswer(nil, n), 0)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, end := peer(t, func(_ int, n nonce) [][]byte { return say(n) })
				defer end()
				start := time.Now()
				err := Prober{}.Watch(t.Context(), conn)
				if _, ok := errors.AsType[*DeadError](err); !ok || time.Since(start) != heartbeat.Default().Bound() {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// A peer that answers twice, or late, in any order, lives; a duplicate of what was
// answered tells nothing new.
func TestProberReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first nonce
		conn, end := peer(t, func(i int, n nonce) [][]byte {
			switch {
			case i == 0:
				first = n
				return [][]byte{appendAnswer(nil, n), appendAnswer(nil, n)}
			default:
				return [][]byte{appendAnswer(nil, first)}
			}
		})
		defer end()
		start := time.Now()
		err := Prober{}.Watch(t.Context(), conn)
		c := heartbeat.Default()
		if _, ok := errors.AsType[*DeadError](err); !ok || time.Since(start) != c.Idle+c.Bound() {
			t.Errorf("%v after %v: the answer to the first probe was replayed", err, time.Since(start))
		}
	})
}

func TestProberEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, end := peer(t, func(_ int, n nonce) [][]byte { return [][]byte{appendAnswer(nil, n)} })
		defer end()
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(stop) })
		if err := (Prober{}).Watch(ctx, conn); err != stop {
			t.Errorf("Watch returns %v, want the cause of its context", err)
		}
		// The socket can be used again.
		ctx, cancelAgain := context.WithTimeout(t.Context(), time.Minute)
		defer cancelAgain()
		if err := (Prober{}).Watch(ctx, conn); err != context.DeadlineExceeded {
			t.Errorf("the second Watch returns %v", err)
		}
		time.AfterFunc(time.Minute, func() { conn.Close() })
		if err := (Prober{}).Watch(t.Context(), conn); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("Watch on a socket that is closed returns %v", err)
		}
	})
	if _, ok := errors.AsType[*heartbeat.ConfigError](Prober{Method: heartbeat.Config{Idle: -1}}.Watch(t.Context(), nil)); !ok {
		t.Error("Watch with a Method that makes no sense returns no *ConfigError")
	}
}

// A socket whose peer's host says that nobody listens is asked at once, and the
// verdict comes when it would have come.
func TestProberHint(t *testing.T) {
	if !isPassing(refusedError) {
		t.Skip("this system says it with another error")
	}
	synctest.Test(t, func(t *testing.T) {
		conn, end := peer(t, func(int, nonce) [][]byte { return nil })
		defer end()
		refused := &refusing{Conn: conn, at: time.Now().Add(100 * time.Millisecond)}
		start := time.Now()
		err := Prober{}.Watch(t.Context(), refused)
		c := heartbeat.Default()
		dead, ok := errors.AsType[*DeadError](err)
		if !ok || time.Since(start) != c.Bound() {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		if asked := dead.Evidence.FirstProbe.Sub(start); asked != 100*time.Millisecond {
			t.Errorf("asked after %v", asked)
		}
	})
}

// refusing fails one read as an ICMP message does.
type refusing struct {
	net.Conn
	at time.Time
}

func (r *refusing) Read(b []byte) (int, error) {
	if wait := time.Until(r.at); wait > 0 {
		time.Sleep(wait)
		return 0, &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("read", refusedError)}
	}
	return r.Conn.Read(b)
}

var refusedError error = syscall.ECONNREFUSED
