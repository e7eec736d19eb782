package broker

import (
	"io"
	"net"
	"os"
	"path/filepath"
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

// A read ends before urgent data, and what is behind it makes no further event: it
// is read on all the same. The urgent byte itself is no part of the stream.
func TestSocketReadsOnBehindUrgentData(t *testing.T) {
	b := startTest(t, Config{})
	conn := rawConn(t, b)
	_ = conn.SetDeadline(time.Now().Add(testPatience))
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		var errs [3]error
		err := raw.Control(func(fd uintptr) { // in quick succession, so that one event is for all
			errs[0] = syscall.Sendto(int(fd), []byte("PI"), 0, nil)
			errs[1] = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil)
			errs[2] = syscall.Sendto(int(fd), []byte("NG\r\n"), 0, nil)
		})
		if err != nil || errs != [3]error{} {
			t.Fatal(err, errs)
		}
		if err := readUntil(conn, "PONG\r\n"); err != nil {
			t.Fatalf("behind urgent data: %v", err)
		}
	}
}

// A read from a Unix socket ends behind what a descriptor was sent along with:
// the rest is read on, and the descriptor is not kept.
func TestSocketReadsOnBehindADescriptor(t *testing.T) {
	l := listenOn(t, "unix")
	b := startTest(t, Config{Listener: l})
	conn := dialOn(t, l, "")
	rawFlush(t, conn, quietConnect)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	rights := syscall.UnixRights(int(null.Fd()))
	before := descriptors(t)
	for range 50 {
		if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte("PI"), rights, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "NG\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := readUntil(conn, "PONG\r\n"); err != nil {
			t.Fatalf("behind a descriptor: %v", err)
		}
	}
	await(t, "the descriptors are closed", func() bool { return descriptors(t) <= before })
	conn.Close()
	awaitCount(t, b, 0)
}

// A client that has broken the protocol and ended its output is gone as soon as
// that is read: it has nothing more to be waited for.
func TestSocketOfWhoSendsJunkIsGoneAtItsEnd(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listenOn(t, network)
			b := startTest(t, Config{Listener: l})
			for range 10 {
				conn := dialOn(t, l, "")
				if err := readUntil(conn, "\r\n"); err != nil { // it is a client
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, "JUNK\r\n"+strings.Repeat("j", 100<<10)); err != nil {
					t.Fatal(err)
				}
				if err := closeWrite(conn); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				awaitCount(t, b, 0)
				if took := time.Since(begun); took > lingerFor/2 {
					t.Fatalf("gone after %v", took)
				}
				conn.Close()
			}
			checkLedger(t, b)
		})
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
