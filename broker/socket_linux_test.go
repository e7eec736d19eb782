package broker

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listenOn listens on TCP or a Unix socket.
func listenOn(t *testing.T, network string) net.Listener {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dialOn connects to what listens and sends text.
func dialOn(t *testing.T, l net.Listener, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testPatience))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// oneWorker is a broker whose poller has a single worker, which can be kept from
// looking: what comes meanwhile is one event, however many pieces it came in.
type oneWorker struct {
	*Broker
	other  net.Conn // whose turn the worker is kept in
	client *client
}

func startOneWorker(t *testing.T, l net.Listener) *oneWorker {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b := &oneWorker{Broker: startTest(t, Config{Listener: l}), other: dialOn(t, l, "")}
	rawFlush(t, b.other, quietConnect) // there is a poller
	b.client = b.snapshot()[0]
	return b
}

// blind keeps the worker from looking while f runs.
func (b *oneWorker) blind(t *testing.T, f func()) {
	t.Helper()
	b.routes.mu.Lock()
	defer b.routes.mu.Unlock()
	if _, err := io.WriteString(b.other, "UNSUB 1\r\n"); err != nil {
		t.Fatal(err)
	}
	p := b.poller
	await(t, "the worker waits for routing.mu", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return b.client.poll.queued && p.ready.first == nil && p.active == 1 && !p.leading
	})
	f()
}

// A read ends before urgent data, and what is behind it makes no further event: it
// is read on all the same. The urgent byte itself is no part of the stream.
func TestSocketReadsOnBehindUrgentData(t *testing.T) {
	l := listenOn(t, "tcp")
	b := startOneWorker(t, l)
	conn := dialOn(t, l, "")
	rawFlush(t, conn, quietConnect)
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.blind(t, func() {
			var errs [3]error
			err := raw.Control(func(fd uintptr) {
				errs[0] = syscall.Sendto(int(fd), []byte("PI"), 0, nil)
				errs[1] = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil)
				errs[2] = syscall.Sendto(int(fd), []byte("NG\r\n"), 0, nil)
			})
			if err != nil || errs != [3]error{} {
				t.Fatal(err, errs)
			}
		})
		if err := readUntil(conn, "PONG\r\n"); err != nil {
			t.Fatalf("behind urgent data: %v", err)
		}
	}
}

// A read from a Unix socket ends behind what a descriptor was sent along with:
// the rest is read on, and the descriptor is not kept.
func TestSocketReadsOnBehindADescriptor(t *testing.T) {
	l := listenOn(t, "unix")
	b := startOneWorker(t, l)
	conn := dialOn(t, l, "")
	rawFlush(t, conn, quietConnect)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	rights := syscall.UnixRights(int(null.Fd()))
	before := descriptors(t)
	for range 10 {
		b.blind(t, func() {
			if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte("PI"), rights, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "NG\r\n"); err != nil {
				t.Fatal(err)
			}
		})
		if err := readUntil(conn, "PONG\r\n"); err != nil {
			t.Fatalf("behind a descriptor: %v", err)
		}
	}
	await(t, "the descriptors are closed", func() bool { return descriptors(t) <= before })
}

// A client that has broken the protocol and ended its output is gone as soon as
// that is read: it has nothing more to be waited for. Its end is known before,
// and no event is to come.
func TestSocketOfWhoSendsJunkIsGoneAtItsEnd(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, size := range []int{0, 64 << 10, maxRead + 16<<10} {
			t.Run(fmt.Sprintf("%s, %d bytes", network, size), func(t *testing.T) {
				l := listenOn(t, network)
				b := startOneWorker(t, l)
				conn := dialOn(t, l, "")
				if err := readUntil(conn, "\r\n"); err != nil { // it is a client
					t.Fatal(err)
				}
				b.blind(t, func() {
					if _, err := io.WriteString(conn, "JUNK\r\n"+strings.Repeat("j", size)); err != nil {
						t.Fatal(err)
					}
					if err := closeWrite(conn); err != nil {
						t.Fatal(err)
					}
				})
				begun := time.Now()
				awaitCount(t, b.Broker, 1)
				if took := time.Since(begun); took > lingerFor/2 {
					t.Errorf("gone after %v", took)
				}
			})
		}
	}
}

// A socket is drained to its end, though all events are over: a read that finds
// less than it could take is not the last.
func TestSocketIsDrainedToItsEnd(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	if _, err := syscall.Write(pair[1], []byte("junk")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Close(pair[1]); err != nil {
		t.Fatal(err)
	}
	r := newPollerRig(t, 1)
	defer r.end()
	c := new(client)
	c.socket = &socket{fd: pair[0], poller: r.poller, client: c, ended: true}
	until := time.Now().Add(testPatience)
	c.socket.drain(until)
	if !time.Now().Before(until) {
		t.Errorf("the end is not seen in %v", testPatience)
	}
}

// A client that ends its output is served to the end of that, however much of it
// is on the way, and then sees the end of the stream.
func TestSocketHalfClosedIsServedToItsEnd(t *testing.T) {
	const unit, reply = "PUB a 2\r\nhi\r\n", "MSG a 1 2\r\nhi\r\n"
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listenOn(t, network)
			b := startTest(t, Config{Listener: l})
			for _, messages := range []int{0, 1, 3 * maxRead / len(unit)} {
				for range 10 {
					conn := dialOn(t, l, quietConnect+"SUB a 1\r\nPING\r\n"+strings.Repeat(unit, messages)+"PING\r\n")
					if err := closeWrite(conn); err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(conn)
					if err != nil {
						t.Fatalf("%d messages: %v behind %.300q", messages, err, got)
					}
					_, behind, _ := strings.Cut(string(got), "PONG\r\n")
					if rest := removeInfo(behind); rest != strings.Repeat(reply, messages)+"PONG\r\n" {
						t.Fatalf("%d messages: got %d bytes, %.300q", messages, len(rest), rest)
					}
					conn.Close()
				}
			}
			awaitCount(t, b, 0)
			checkLedger(t, b)
		})
	}
}

// removeInfo leaves out the INFO that follows a first PONG.
func removeInfo(text string) string {
	if rest, ok := strings.CutPrefix(text, "INFO "); ok {
		_, text, _ = strings.Cut(rest, "\r\n")
	}
	return text
}

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }
