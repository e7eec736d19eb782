package broker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil/internal/memnet"
)

// FuzzSession lets one client say anything, in two writes cut at cut. The
// broker must serve a healthy pair afterwards, and keep nothing of the client.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB a 1\r\nPUB a b 2\r\nhi\r\nPING\r\n",
		"SUB > q 1\r\nUNSUB 1 2\r\nHPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\nUNSUB 1\r\n",
		"PUB a 99999999\r\n", "PUB a 10\r\nhalf", "CONNECT {}\r\nCONNECT {}\r\n", "ZZZ", "\r\n",
		"INFO {}\r\n+OK\r\n-ERR 'x'\r\n", "PING" + strings.Repeat(" ", 5000), "SUB " + strings.Repeat("a.", 2000),
	} {
		f.Add([]byte(seed), 7)
	}
	addScripts(f)
	n := memnet.New()
	l, err := n.Listen("broker:4222")
	if err != nil {
		f.Fatal(err)
	}
	// The pair does not answer PINGs.
	b := startTest(f, Config{Listener: l, MaxPayload: 64 << 10, MaxPending: 1 << 20, PingInterval: time.Hour})
	dial := func() net.Conn {
		conn, err := n.DialContext(context.Background(), "tcp", "broker:4222")
		if err != nil {
			f.Fatal(err)
		}
		return conn
	}
	// A subject that no input names.
	subject := newServerID()
	sub, pub := dial(), dial()
	f.Cleanup(func() { sub.Close(); pub.Close() })
	rawFlush(f, sub, quietConnect+"SUB "+subject+" 1\r\n")
	rawFlush(f, pub, quietConnect)
	in := bufio.NewReader(sub)
	f.Fuzz(func(t *testing.T, input []byte, cut int) {
		if len(input) > 256<<10 {
			t.Skip("longer than worth while")
		}
		wild := dial()
		ended := make(chan struct{})
		go func() { // ends with the stream, which CloseWrite leads to
			_, _ = io.Copy(io.Discard, wild)
			close(ended)
		}()
		cut = min(max(cut, 0), len(input))
		for _, part := range [][]byte{input[:cut], input[cut:]} {
			_, _ = wild.Write(part)
		}
		_ = wild.(interface{ CloseWrite() error }).CloseWrite()
		<-ended
		wild.Close()
		awaitCount(t, b, 2)
		if count := b.routes.count(); count != 1 {
			t.Errorf("%d subscriptions are left, want 1", count)
		}
		rawFlush(t, pub, "PUB "+subject+" 2\r\nhi\r\n")
		if got, want := readMessage(t, in), "MSG "+subject+" 1 2\r\nhi\r\n"; got != want {
			t.Errorf("the healthy pair: got %q, want %q", got, want)
		}
	})
}

func (t *routing) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.router.count
}

// readMessage returns two lines; PINGs are passed over.
func readMessage(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for lines := 0; lines < 2; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line != "PING\r\n" {
			text.WriteString(line)
			lines++
		}
	}
	return text.String()
}

// addScripts adds what the clients of the transcripts send as seeds.
func addScripts(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var input strings.Builder
		for line := range strings.SplitSeq(string(text), "\n") {
			if _, sent, ok := strings.Cut(line, "> "); ok && strings.HasPrefix(line, "c1") {
				fmt.Fprintf(&input, "%s\r\n", sent)
			}
		}
		f.Add([]byte(input.String()), i)
	}
}
