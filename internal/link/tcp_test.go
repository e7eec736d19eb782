package link

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/pki"
	"vigil/internal/wire"
)

// tcpPeer listens on a real socket and answers PINGs until deaf is closed;
// then it either reads on and says nothing, as a frozen process's kernel does
// for some time, or does not even read.
type tcpPeer struct {
	l     net.Listener
	deaf  chan struct{}
	reads bool        // when deaf
	tls   *tls.Config // nil for plain text
	wg    sync.WaitGroup
	conns []net.Conn // of the accepting goroutine until wg
}

func newTCPPeer(t testing.TB, reads bool, under *tls.Config) *tcpPeer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpPeer{l: l, deaf: make(chan struct{}), reads: reads, tls: under}
	p.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				break
			}
			p.conns = append(p.conns, nc)
			p.wg.Go(func() { p.serve(nc) })
		}
		for _, nc := range p.conns {
			nc.Close()
		}
	})
	t.Cleanup(func() { l.Close(); p.wg.Wait() })
	return p
}

func (p *tcpPeer) url() string { return "nats://" + p.l.Addr().String() }

func (p *tcpPeer) serve(nc net.Conn) {
	info := wire.InfoLine{ServerID: "N", Version: "2.15.2", Proto: 1, Headers: true, MaxPayload: 1 << 20, TLSRequired: p.tls != nil}
	nc.Write(wire.AppendInfo(nil, &info))
	if p.tls != nil {
		nc = tls.Server(nc, p.tls) // shakes hands at the first Read
	}
	parser := wire.Parser{MaxPayload: 64 << 20}
	buf, end := make([]byte, 1<<20), 0
	var op wire.Op
	for {
		n, err := nc.Read(buf[end:])
		if err != nil {
			return
		}
		select {
		case <-p.deaf:
			if !p.reads {
				return // the socket stays open, nobody reads
			}
			end = 0
			continue
		default:
		}
		end += n
		at := 0
		for {
			n, err := parser.Next(buf[at:end], &op)
			if err != nil || n == 0 {
				break
			}
			at += n
			if op.Kind == wire.Ping {
				nc.Write([]byte(wire.PongLine))
			}
		}
		end = copy(buf, buf[at:end])
	}
}

func waitFor(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			t.Log(e)
			if e.Kind == kind {
				return e
			}
		case <-timeout:
			t.Fatalf("no event %v", kind)
		}
	}
}

// The kernel's evidence on real sockets. Packets really lost are for the lab.
func TestCausesOnRealSockets(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_INFO is looked at on Linux only")
	}
	for _, tc := range []struct {
		name    string
		reads   bool
		publish bool
		want    Cause
		text    string
	}{
		{"frozen", true, false, CauseFrozen, "stale: process frozen: its kernel acknowledges, nobody answers (last heard "},
		{"frozen while we publish", true, true, CauseFrozen, "stale: process frozen"},
		{"not reading", false, true, CauseNotReading, "stale: peer not reading, zero window (last heard "},
		{"frozen, TLS", true, false, CauseFrozen, "stale: process frozen"},
		{"frozen while we publish, TLS", true, true, CauseFrozen, "stale: process frozen"},
		{"not reading, TLS", false, true, CauseNotReading, "stale: peer not reading, zero window (last heard "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var under, trust *tls.Config
			if strings.HasSuffix(tc.name, "TLS") {
				ca := pki.New(t)
				under, trust = ca.Server("127.0.0.1"), ca.Client()
			}
			p := newTCPPeer(t, tc.reads, under)
			events := make(chan Event, 1000)
			l, err := Connect(t.Context(), p.url(), Config{
				TLS:       trust,
				Heartbeat: heartbeat.Within(time.Second),
				OnEvent:   func(e Event) { events <- e },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			close(p.deaf)
			ctx, cancel := context.WithCancel(t.Context())
			var publisher sync.WaitGroup
			if tc.publish {
				publisher.Go(func() {
					for l.Publish(ctx, "s", "", nil, make([]byte, 1000)) == nil {
					}
				})
			}
			if !tc.reads {
				waitFor(t, events, EventSuspect)
				if s := l.Status(); s.Queued.Bytes < DefaultOutBuffer/2 {
					t.Errorf("the writer does not block: %v queued", s.Queued)
				}
			}
			lost := waitFor(t, events, EventLost)
			cancel()
			publisher.Wait()
			if lost.Loss.Cause != tc.want ||
				!strings.HasPrefix(lost.Loss.Error(), tc.text) {
				t.Errorf("loss %v with %+v, want %v", lost.Loss, lost.Loss.TCP, tc.want)
			}
			// A machine that is busy makes the watcher late, and that afresh.
			seen, bound := lost.Loss.Evidence, heartbeat.Within(time.Second).Bound()
			allowed := 500*time.Millisecond + time.Duration(seen.Pauses)*bound
			if late := seen.Silence - bound; late < 0 || late > allowed {
				t.Errorf("verdict after %v with %d pauses of ours, bound %v", seen.Silence, seen.Pauses, bound)
			}
		})
	}
}
