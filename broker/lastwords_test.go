package broker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A client that breaks the protocol and goes on sending can read why, to the end
// of the stream: the broker ends its output and reads on. Had it closed the
// socket, a reset would take the -ERR with it, or end the writes first.
func TestErrorReachesWhoIsStillSending(t *testing.T) {
	b := startTest(t, Config{})
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testPatience))
	if _, err := io.WriteString(conn, quietConnect+"ZZZ\r\n"); err != nil {
		t.Fatal(err)
	}
	more := strings.Repeat("PUB a 5\r\nhello\r\n", 500)
	for i := range 100 {
		if _, err := io.WriteString(conn, more); err != nil {
			t.Fatalf("write %d behind the mistake: %v", i, err)
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if want := "-ERR 'Unknown Protocol Operation'\r\n"; err != nil || !strings.HasSuffix(string(got), want) {
		t.Errorf("got %q (error %v), want %q and the end of the stream", got, err, want)
	}
}

// The write deadline is for the time in which output waits. It ends with that,
// and a later message that needs no waiting is written.
func TestWriteDeadlineEndsWithTheBacklog(t *testing.T) {
	const deadline, size, messages = 500 * time.Millisecond, 100_000, 200
	b := startTest(t, Config{WriteDeadline: deadline})
	sub, pub := rawConn(t, b), rawConn(t, b)
	rawFlush(t, sub, "SUB a 1\r\n")
	waits := b.clientOf(sub)
	publish := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := fmt.Fprintf(pub, "PUB a %d\r\n%08d%s\r\n", size, i, strings.Repeat("x", size-8)); err != nil {
				t.Fatal(err)
			}
		}
	}
	published := make(chan struct{})
	go func() { // ends when all is published, which is waited for
		defer close(published)
		publish(0, messages)
	}()
	// Nothing is read before something waits.
	await(t, "a backlog", func() bool { return waits.out.waiting() > 0 })
	if err := readNumbered(sub, size, messages); err != nil {
		t.Fatal(err)
	}
	<-published
	await(t, "the end of the backlog", func() bool {
		waits.out.mu.Lock()
		defer waits.out.mu.Unlock()
		return !waits.out.writing
	})
	<-time.After(deadline + deadline/4)
	rawFlush(t, pub, "PUB a 1\r\nx\r\n")
	if err := readUntil(sub, "MSG a 1 1\r\nx\r\n"); err != nil {
		t.Errorf("a message behind the deadline of the backlog: %v; the client is closed: %q", err, waits.reason)
	}
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(testPatience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not seen: %s", what)
		}
	}
}

// readUntil reads until text has come.
func readUntil(conn net.Conn, text string) error {
	_ = conn.SetReadDeadline(time.Now().Add(testPatience))
	var got []byte
	for buf := make([]byte, 4096); !bytes.Contains(got, []byte(text)); {
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("%w behind %.300q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return nil
}
