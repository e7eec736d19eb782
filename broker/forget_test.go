package broker

import "testing"

// Publishers keep nothing of clients that have left, however their subscriptions
// ended before: what leads to a client keeps all of it.
func TestPublisherForgetsWhoHasLeft(t *testing.T) {
	const clients = 50
	for name, end := range map[string]string{
		"with its subscriptions":          "",
		"behind an UNSUB":                 "UNSUB 1\r\nUNSUB 2\r\n",
		"behind an UNSUB of what was had": "UNSUB 1 1\r\nUNSUB 2 1\r\n",
		"behind a second CONNECT":         quietConnect,
	} {
		t.Run(name, func(t *testing.T) {
			b := benchBroker()
			pub := discardClient(t, b, 1, quietConnect)
			for i := range clients {
				c := discardClient(t, b, uint64(i+2), quietConnect+"SUB a.b 1\r\nSUB a.* q 2\r\n")
				pub.feed(t, "PUB a.b 2\r\nhi\r\n")
				if c.stats.outMsgs.Load() != 2 || len(pub.publish.stages) == 0 {
					t.Fatalf("%d messages came, through %d stages", c.stats.outMsgs.Load(), len(pub.publish.stages))
				}
				c.feed(t, end)
				b.routes.leave(c)
			}
			pub.feed(t, "PUB a.b 2\r\nhi\r\n")
			if n := len(pub.publish.stages); n != 0 {
				t.Errorf("%d clients are kept of %d that have left", n, clients)
			}
		})
	}
}
