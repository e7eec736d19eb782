package broker

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"vigil/internal/memnet"
)

// A message that is staged for a subscription when that ends comes before the
// PONG behind what ended it, be that an UNSUB or a second CONNECT: behind the
// PONG the sid may mean something else.
func TestNothingComesBehindTheEndOfASubscription(t *testing.T) {
	for _, end := range []string{"UNSUB 1\r\n", "CONNECT {}\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			l, err := n.Listen("broker:4222")
			if err != nil {
				t.Fatal(err)
			}
			b, err := Start(Config{Listener: l})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := n.DialContext(t.Context(), "tcp", "broker:4222")
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			var reader sync.WaitGroup
			reader.Go(func() { _, _ = io.Copy(&got, conn) }) // ends with the connection
			say := func(text string) {
				if _, err := io.WriteString(conn, text); err != nil {
					t.Error(err)
				}
				synctest.Wait()
			}
			say(quietConnect + "SUB a 1\r\nPING\r\n")
			c := b.snapshot()[0]
			got.Reset()
			claim := c.out.claim() // as of a publisher in the midst of its batch
			say(end + "PING\r\n")
			c.out.sendClaimed(append(getBuffer(minBuffer), "MSG a 1 1\r\nx\r\n"...), claim)
			synctest.Wait()
			if want := "MSG a 1 1\r\nx\r\nPONG\r\n"; got.String() != want {
				t.Errorf("behind %q: got %q, want %q", end, got.String(), want)
			}
			conn.Close()
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			reader.Wait()
		})
	}
}
