package udp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/heartbeat"
)

// serve runs a Responder on the loopback until the test is over.
func serve(t *testing.T, r Responder) (addr string, stop func()) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx, conn) }() // ends with stop
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != context.Canceled {
			t.Errorf("Serve returns %v", err)
		}
		conn.Close()
	})
	t.Cleanup(stop)
	return conn.LocalAddr().String(), stop
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// relay loses a share of the datagrams each way, and once so many have passed,
// all of them; it then says when.
func relay(t *testing.T, to string, loss float64, enough int64) (addr string, cut <-chan time.Time) {
	t.Helper()
	near, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far := dial(t, to)
	var from atomic.Value // the prober's address
	var passed atomic.Int64
	var pumps sync.WaitGroup
	told := make(chan time.Time, 1)
	pump := func(seed uint64, read func([]byte) (int, error), write func([]byte) error) {
		pumps.Go(func() { // ends when its socket is closed, by the cleanup
			r := rand.New(rand.NewPCG(seed, 1))
			for b := make([]byte, 2000); ; {
				n, err := read(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil || r.Float64() < loss || passed.Load() >= enough || write(b[:n]) != nil {
					continue
				}
				if passed.Add(1) == enough {
					told <- time.Now()
				}
			}
		})
	}
	pump(1, func(b []byte) (int, error) {
		n, addr, err := near.ReadFrom(b)
		if err == nil {
			from.Store(addr)
		}
		return n, err
	}, func(b []byte) error { _, err := far.Write(b); return err })
	pump(2, far.Read, func(b []byte) error { _, err := near.WriteTo(b, from.Load().(net.Addr)); return err })
	t.Cleanup(func() {
		near.Close()
		far.Close()
		pumps.Wait()
	})
	return near.LocalAddr().String(), told
}

// Over real sockets that lose a fifth of the datagrams each way, a living peer is
// not given up while it answers, and a dead one is found.
func TestLoopbackWithLoss(t *testing.T) {
	addr, _ := serve(t, Responder{})
	lossy, cut := relay(t, addr, 0.2, 40)
	cfg := heartbeat.Config{Idle: 50 * time.Millisecond, Interval: 500 * time.Millisecond, Probes: 3, Burst: 20 * time.Millisecond}
	err := Prober{Method: cfg}.Watch(t.Context(), dial(t, lossy))
	dead, ok := errors.AsType[*DeadError](err)
	if !ok {
		t.Fatal(err)
	}
	select {
	case at := <-cut:
		// A datagram that has passed the relay may still be heard.
		if dead.Evidence.LastHeard.After(at.Add(5*time.Second)) || dead.Evidence.Silence < cfg.Bound() || dead.Evidence.Probes < 3 {
			t.Errorf("cut at %v, evidence %+v", at, dead.Evidence)
		}
	default:
		t.Fatalf("given up while it answered: %+v", dead.Evidence)
	}
}

// A responder that is gone is found, and its host's refusal is no error.
func TestLoopbackResponderEnds(t *testing.T) {
	addr, stop := serve(t, Responder{})
	conn := dial(t, addr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := (Prober{Method: heartbeat.Within(time.Second)}).Watch(ctx, conn); err != context.DeadlineExceeded {
		t.Fatalf("with a responder: %v", err)
	}
	stop()
	if _, ok := errors.AsType[*DeadError](Prober{Method: heartbeat.Within(time.Second)}.Watch(t.Context(), conn)); !ok {
		t.Error("without a responder: no *DeadError")
	}
}

// A responder answers probes alone, with their bytes, and one address no more
// often than it is allowed to.
func TestLoopbackResponder(t *testing.T) {
	addr, _ := serve(t, Responder{Rate: 1, Burst: 3})
	conn := dial(t, addr)
	for _, b := range [][]byte{{}, []byte("PING\r\n"), appendAnswer(nil, newNonce()), append(appendProbe(nil, newNonce()), 0), make([]byte, 1400)} {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	var sent []nonce
	for range 10 {
		n := newNonce()
		sent = append(sent, n)
		if _, err := conn.Write(appendProbe(nil, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	answers := 0
	for b := make([]byte, 2000); ; answers++ {
		n, err := conn.Read(b)
		if err != nil {
			break
		}
		if id, ok := parseAnswer(b[:n]); !ok || id != sent[answers] {
			t.Errorf("answer %d is %q", answers, b[:n])
		}
	}
	if answers < 3 || answers > 5 { // more only if sending took seconds
		t.Errorf("%d answers, want 3", answers)
	}
}

func TestResponderRefuses(t *testing.T) {
	for _, r := range []Responder{{Rate: -1}, {Burst: -1}, {Rate: maxRate + 1}} {
		if _, ok := errors.AsType[*heartbeat.ConfigError](r.Serve(t.Context(), nil)); !ok {
			t.Errorf("%+v: no *ConfigError", r)
		}
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := (Responder{}).Serve(t.Context(), conn); !errors.Is(err, net.ErrClosed) {
		t.Errorf("on a closed socket: %v", err)
	}
}
