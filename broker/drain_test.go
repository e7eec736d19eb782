package broker

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A subscriber that reads slowly, but all the time, is no slow consumer: its
// publishers are held back to its rate. The kernels on both sides pass on what
// is read in steps, however steady the reading is.
func TestSlowlyDrainingConsumerIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, rate := range []int{5 << 20, 20 << 20} { // bytes per second
		t.Run(fmt.Sprintf("%d MiB per s", rate>>20), func(t *testing.T) {
			t.Parallel()
			b := startTest(t, Config{})
			slow := rawConn(t, b)
			rawFlush(t, slow, "SUB a 1\r\n")
			c := b.clientOf(slow)
			pub := rawConn(t, b)
			const size = 1024
			load := []byte(strings.Repeat(fmt.Sprintf("PUB a %d\r\n%s\r\n", size, strings.Repeat("x", size)), 64))
			go func() { // ends with the connection
				for {
					if _, err := pub.Write(load); err != nil {
						return
					}
				}
			}()
			const step = 5 * time.Millisecond
			buf := make([]byte, rate/int(time.Second/step))
			pace := time.NewTicker(step)
			defer pace.Stop()
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end); <-pace.C {
				_ = slow.SetReadDeadline(time.Now().Add(testPatience))
				if _, err := io.ReadFull(slow, buf); err != nil {
					t.Fatalf("closed as %q: %v", c.reason, err)
				}
			}
			pub.Close()
		})
	}
}
