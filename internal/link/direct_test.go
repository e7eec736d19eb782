package link

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"vigil/internal/wire"
)

// What callers write themselves, and what the writer writes, is one stream: whole
// messages, in the order of each caller, none twice and none missing, also where
// the socket takes only a part.
func TestPublishNow(t *testing.T) {
	const (
		callers = 4
		each    = 120
	)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var peer sync.WaitGroup
	got := make(map[string][]int)
	peer.Go(func() {
		nc, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		// So little room that a large message never fits.
		nc.(*net.TCPConn).SetReadBuffer(32 << 10)
		info := wire.InfoLine{ServerID: "N", Version: "2.15.2", Proto: 1, Headers: true, MaxPayload: 1 << 20}
		nc.Write(wire.AppendInfo(nil, &info))
		parser := wire.Parser{MaxPayload: 1 << 20}
		buf, end := make([]byte, 2<<20), 0
		var op wire.Op
		for {
			n, err := nc.Read(buf[end:min(len(buf), end+20<<10)])
			if err != nil {
				return
			}
			end += n
			at := 0
			for {
				n, err := parser.Next(buf[at:end], &op)
				if err != nil {
					t.Errorf("the stream is torn: %v", err)
					return
				}
				if n == 0 {
					break
				}
				at += n
				switch op.Kind {
				case wire.Ping:
					nc.Write([]byte(wire.PongLine))
				case wire.Pub:
					number, _, _ := cutNumber(op.Payload())
					got[string(op.Subject)] = append(got[string(op.Subject)], number)
				}
			}
			end = copy(buf, buf[at:end])
		}
	})
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = nc.(*net.TCPConn).SetWriteBuffer(8 << 10) // less than a large message
		}
		return nc, err
	}
	l, err := Connect(t.Context(), listener.Addr().String(), Config{Dial: dial, OnEvent: func(e Event) {
		if e.Kind == EventLost {
			t.Errorf("event %v", e)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var publishing sync.WaitGroup
	for k := range callers {
		publishing.Go(func() {
			for n := range each {
				size := []int{10, 100, 3000, 60_000}[(n/7)%4]
				payload := append(strconv.AppendInt(nil, int64(n), 10), make([]byte, size)...)
				publish := l.PublishNow
				if n%5 == 4 {
					publish = l.Publish
				}
				if err := publish(ctx, fmt.Sprint("s", k), "", nil, payload); err != nil {
					t.Error(err)
					return
				}
				if n%50 == 0 { // the writer idles again
					if err := l.Flush(ctx); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	publishing.Wait()
	if err := l.Flush(ctx); err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.Unconfirmed.Messages != 0 || s.Queued.Messages != 0 {
		t.Errorf("after a Flush: %v unconfirmed, %v queued", s.Unconfirmed, s.Queued)
	}
	l.Close()
	peer.Wait()
	for k := range callers {
		list := got[fmt.Sprint("s", k)]
		for n := range each {
			if n >= len(list) || list[n] != n {
				t.Fatalf("caller %d: message %d of %d is missing or out of order", k, n, len(list))
			}
		}
		if len(list) != each {
			t.Errorf("caller %d: %d messages, want %d", k, len(list), each)
		}
	}
}

// cutNumber returns the number at the beginning.
func cutNumber(b []byte) (n int, digits int, err error) {
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	n, err = strconv.Atoi(string(b[:digits]))
	return n, digits, err
}

// Where a caller began what the socket did not take, the loss of the connection
// takes nothing for sent that was not, and the next one gets it whole.
func TestPublishNowIntoAFullSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("how much a full socket takes is tried on Linux only")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			info := wire.InfoLine{ServerID: "N", Version: "2.15.2", Proto: 1, Headers: true, MaxPayload: 32 << 20}
			nc.Write(wire.AppendInfo(nil, &info))
			conns <- nc
		}
	}()
	resumed := make(chan Event, 10)
	l, err := connectTo(t, listener.Addr().String(), conns, Config{OutBuffer: 32 << 20, NoStandby: true, OnEvent: func(e Event) {
		if e.Kind == EventResumed {
			resumed <- e
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first := <-conns
	large := make([]byte, 16<<20) // more than the socket takes while nobody reads
	if err := l.PublishNow(t.Context(), "s", "", nil, large); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second := <-conns
	defer second.Close()
	parser := wire.Parser{MaxPayload: 32 << 20}
	buf, end := make([]byte, 20<<20), 0
	var op wire.Op
	for whole := false; !whole; {
		second.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := second.Read(buf[end:])
		if err != nil {
			t.Fatalf("the message did not come whole: %v", err)
		}
		end += n
		at := 0
		for {
			n, err := parser.Next(buf[at:end], &op)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			at += n
			switch op.Kind {
			case wire.Ping:
				second.Write([]byte(wire.PongLine))
			case wire.Pub:
				whole = len(op.Payload()) == len(large)
			}
		}
		end = copy(buf, buf[at:end])
	}
	if e := <-resumed; e.Unconfirmed.Messages != 0 {
		t.Errorf("%v are told as unconfirmed, and were sent whole later", e.Unconfirmed)
	}
}

// connectTo connects, answering the PING of the greeting.
func connectTo(t *testing.T, address string, conns chan net.Conn, cfg Config) (*Link, error) {
	t.Helper()
	go func() {
		nc := <-conns
		buf := make([]byte, 4096)
		if _, err := nc.Read(buf); err == nil { // CONNECT and PING come together
			nc.Write([]byte(wire.PongLine))
		}
		conns <- nc
	}()
	return Connect(t.Context(), address, cfg)
}
