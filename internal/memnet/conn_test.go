package memnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const broker = "broker:4222"

// bubble runs f in a synctest bubble with a new Network.
func bubble(t *testing.T, f func(t *testing.T, n *Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, New()) })
}

// connected returns the two ends of a connection to broker, on which it listens.
func connected(t *testing.T, n *Network) (client, server *Conn) {
	t.Helper()
	l := listen(t, n)
	return dial(t, n), accept(t, l)
}

func listen(t *testing.T, n *Network) net.Listener {
	t.Helper()
	l, err := n.Listen(broker)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func accept(t *testing.T, l net.Listener) *Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Conn)
}

func dial(t *testing.T, n *Network) *Conn {
	t.Helper()
	c, err := n.DialContext(t.Context(), "tcp", broker)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*Conn)
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

// wantRead reads exactly want.
func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got[:n], err, want)
	}
}

// wantReadError reads, and wants an error instead of bytes.
func wantReadError(t *testing.T, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 64)); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read = %d, %v, want %v", n, err, want)
	}
}

func wantWriteError(t *testing.T, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Write = %d, %v, want %v", n, err, want)
	}
}

// wantSilence wants nothing to arrive, neither bytes nor an error, for d.
func wantSilence(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	start := time.Now()
	c.SetReadDeadline(start.Add(d))
	wantReadError(t, c, os.ErrDeadlineExceeded)
	c.SetReadDeadline(time.Time{})
	if got := time.Since(start); got != d {
		t.Fatalf("Read gave up after %v, want %v", got, d)
	}
}

// later starts f and returns a func that wants it to be done, or still to wait,
// once nothing else in the bubble moves.
func later(t *testing.T, f func()) (wantDone func(done bool)) {
	var mu sync.Mutex
	ended := false
	go func() { // owned by the bubble, which waits for its end
		f()
		mu.Lock()
		defer mu.Unlock()
		ended = true
	}()
	return func(done bool) {
		t.Helper()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if ended != done {
			t.Fatalf("done is %v, want %v", ended, done)
		}
	}
}

func TestBothWays(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		client := dial(t, n) // before Accept: the backlog takes it
		server := accept(t, l)
		write(t, client, "ping")
		wantRead(t, server, "pi")
		wantRead(t, server, "ng")
		write(t, server, "pong")
		wantRead(t, client, "pong")
		if client.RemoteAddr().String() != broker || server.LocalAddr() != client.RemoteAddr() ||
			server.RemoteAddr() != client.LocalAddr() || l.Addr() != server.LocalAddr() {
			t.Errorf("the addresses do not agree: %v-%v, %v-%v", client.LocalAddr(), client.RemoteAddr(),
				server.LocalAddr(), server.RemoteAddr())
		}
	})
}

func TestWriteFillsTheBufferAndThenWaits(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(10)
		client, server := connected(t, n)
		write(t, client, "0123456789") // nobody reads
		rest := later(t, func() { write(t, client, "abcdefghijklmnop") })
		rest(false)
		wantRead(t, server, "0123456789abcdef")
		rest(true)
		wantRead(t, server, "ghijklmnop")
	})
}

// TestConcurrentWritesStayWhole: a Write that waits for room keeps its turn,
// whoever else waits and whoever wakes up first.
func TestConcurrentWritesStayWhole(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		const writers, size = 8, 100
		n.SetBuffer(7)
		client, server := connected(t, n)
		for i := range writers {
			later(t, func() { write(t, client, strings.Repeat(string(rune('a'+i)), size)) })(false)
		}
		got := make([]byte, writers*size)
		for i := range got { // byte by byte, so that all writers wake up each time
			if _, err := server.Read(got[i : i+1]); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for piece := range slices.Chunk(got, size) {
			if bytes.Count(piece, piece[:1]) != size {
				t.Fatalf("two Writes are mixed: %q", piece)
			}
		}
	})
}

func TestReadDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		wantSilence(t, client, time.Second)
		wantSilence(t, client, time.Second) // it can be set again

		client.SetReadDeadline(time.Now().Add(-time.Second))
		write(t, server, "x")
		_, err := client.Read(make([]byte, 1))
		if netErr, ok := errors.AsType[net.Error](err); !ok || !netErr.Timeout() {
			t.Fatalf("Read after its deadline: %v, want a timeout although a byte is there", err)
		}
		client.SetReadDeadline(time.Time{})
		wantRead(t, client, "x")

		// A deadline counts for a Read that is already waiting.
		start := time.Now()
		failed := later(t, func() { wantReadError(t, client, os.ErrDeadlineExceeded) })
		failed(false)
		client.SetReadDeadline(start.Add(time.Hour))
		client.SetReadDeadline(start.Add(time.Minute))
		time.Sleep(time.Minute)
		failed(true)
		if got := time.Since(start); got != time.Minute {
			t.Fatalf("Read gave up after %v, want 1m", got)
		}
		write(t, client, "y") // the other direction has none
	})
}

func TestWriteDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(10)
		client, server := connected(t, n)
		start := time.Now()
		client.SetDeadline(start.Add(time.Second))
		written, err := client.Write(make([]byte, 25))
		if written != 10 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("Write = %d, %v after %v, want 10 and a timeout after 1s", written, err, time.Since(start))
		}
		client.SetDeadline(time.Time{})
		wantRead(t, server, string(make([]byte, 10)))
		write(t, client, "x")
	})
}

func TestCloseLetsThePeerReadTheRest(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		write(t, server, "the rest")
		server.Close()
		wantRead(t, client, "the rest")
		wantReadError(t, client, io.EOF)
		wantReadError(t, client, io.EOF)

		// The first Write cannot know; its answer is a reset, here after a FIN.
		write(t, client, "x")
		wantWriteError(t, client, syscall.EPIPE)
		wantReadError(t, client, io.EOF)
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(1)
		client, _ := connected(t, n)
		write(t, client, "x")
		client.SetDeadline(time.Now().Add(time.Hour))
		read := later(t, func() { wantReadError(t, client, net.ErrClosed) })
		wrote := later(t, func() { wantWriteError(t, client, net.ErrClosed) })
		read(false)
		wrote(false)
		client.Close()
		read(true)
		wrote(true)
	})
}

func TestUseAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := connected(t, n)
		client.Close()
		for name, f := range map[string]func() error{
			"Read":        func() error { _, err := client.Read(nil); return err },
			"Write":       func() error { _, err := client.Write(nil); return err },
			"Close":       client.Close,
			"CloseWrite":  client.CloseWrite,
			"SetDeadline": func() error { return client.SetDeadline(time.Time{}) },
			"SetLinger":   func() error { return client.SetLinger(0) },
		} {
			err := f()
			if _, ok := errors.AsType[*net.OpError](err); !ok || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v, want a *net.OpError with net.ErrClosed", name, err)
			}
		}
	})
}

func TestCloseWriteIsHalf(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		write(t, client, "question")
		client.CloseWrite()
		wantWriteError(t, client, syscall.EPIPE)
		wantRead(t, server, "question")
		wantReadError(t, server, io.EOF)
		write(t, server, "answer")
		server.Close()
		wantRead(t, client, "answer")
		wantReadError(t, client, io.EOF)
	})
}

func TestLingerZeroResets(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		write(t, server, "the rest")
		server.SetLinger(0)
		server.Close()
		wantWriteError(t, client, syscall.ECONNRESET)
		wantRead(t, client, "the rest")
		wantReadError(t, client, syscall.ECONNRESET)
		wantReadError(t, client, syscall.ECONNRESET)
		if got := n.Stats(broker).Resets; got != 1 {
			t.Errorf("%d resets, want 1", got)
		}
	})
}

// TestCloseWithUnreadBytesResets: without that the peer would wait for ever for
// room in a buffer that nobody empties.
func TestCloseWithUnreadBytesResets(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(8)
		client, server := connected(t, n)
		write(t, client, "12345678")
		wrote := later(t, func() { wantWriteError(t, client, syscall.EPIPE) })
		wrote(false)
		write(t, server, "-ERR")
		server.CloseWrite()
		wrote(false)
		server.Close()
		wrote(true)
		wantRead(t, client, "-ERR")
		wantReadError(t, client, io.EOF) // it had been told before
	})
}

// TestNothingIsKept: connections that both ends have closed leave nothing behind.
func TestNothingIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		for range 3 {
			client, server := dial(t, n), accept(t, l)
			write(t, client, "unread")
			client.Close()
			server.Close()
		}
		if len(n.hosts) != 1 || len(n.hosts[broker].conns) != 0 {
			t.Errorf("%d hosts and %d connections are left", len(n.hosts), len(n.hosts[broker].conns))
		}
	})
}

func BenchmarkWriteRead(b *testing.B) {
	n := New()
	l, _ := n.Listen(broker)
	client, _ := n.DialContext(b.Context(), "tcp", broker)
	server, _ := l.Accept()
	buf := make([]byte, 1024)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		client.Write(buf)
		server.Read(buf)
	}
}
