package publisher_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/memnet"
	"vigil/internal/wire"
	"vigil/publisher"
)

// flaky is a broker that resets every connection after some operations, without
// reading what else was sent.
type flaky struct {
	mu  sync.Mutex
	got map[string]bool // the payloads it read
}

func (f *flaky) serve(nc net.Conn, operations int) {
	defer nc.Close()
	info := wire.InfoLine{ServerID: "N", Version: "2.15.2", Proto: 1, Headers: true, MaxPayload: 1 << 20}
	if _, err := nc.Write(wire.AppendInfo(nil, &info)); err != nil {
		return
	}
	var parser wire.Parser
	var op wire.Op
	var pending []byte
	buf := make([]byte, 32<<10)
	for operations > 0 {
		n, err := parser.Next(pending, &op)
		if err != nil {
			return
		}
		if n == 0 {
			got, err := nc.Read(buf)
			if err != nil {
				return
			}
			pending = append(pending, buf[:got]...)
			continue
		}
		pending = pending[n:]
		operations--
		switch op.Kind {
		case wire.Ping:
			io.WriteString(nc, wire.PongLine)
		case wire.Pub, wire.HPub:
			f.mu.Lock()
			f.got[string(op.Payload())] = true
			f.mu.Unlock()
		}
	}
	nc.(*memnet.Conn).SetLinger(0)
}

// What PublishSync says the broker has got, it has, also when the connection was
// lost before the PING was queued behind the message.
func TestPublishSyncKeepsItsWord(t *testing.T) {
	for name, confirmed := range map[string]bool{"fire and forget": false, "confirmed": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { keepsItsWord(t, confirmed) }) })
	}
}

func keepsItsWord(t *testing.T, confirmed bool) {
	n := memnet.New()
	l, err := n.Listen("broker:4222")
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{got: make(map[string]bool)}
	var conns, callers sync.WaitGroup
	conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { f.serve(nc, 3+rand.IntN(400)) })
		}
	})
	pub, err := publisher.Connect(t.Context(), "broker:4222", publisher.Config{
		Confirmed: confirmed, Dial: n.DialContext, RetryCap: 50 * time.Millisecond, KeepTrying: true, CloseTimeout: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	unknown, wrong := 0, 0
	for i := range 100 {
		callers.Go(func() {
			for j := range 50 {
				text := strconv.Itoa(i) + " " + strconv.Itoa(j)
				err := pub.PublishSync(t.Context(), "s", []byte(text))
				f.mu.Lock()
				got := f.got[text]
				f.mu.Unlock()
				mu.Lock()
				switch _, interrupted := errors.AsType[*publisher.InterruptedError](err); {
				case interrupted && !confirmed:
					unknown++
				case err != nil:
					t.Error(err)
				case !got:
					wrong++
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	if wrong > 0 {
		t.Errorf("%d messages are said to be with the broker and are not", wrong)
	}
	if !confirmed && unknown == 0 {
		t.Error("nothing was interrupted")
	}
	pub.Close()
	l.Close()
	conns.Wait()
}
