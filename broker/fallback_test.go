package broker

import "testing"

// Where the chosen member of a queue group cannot take a message, here since it
// is the publisher itself that wants no echo, one that is not suspect is to get
// it, in whatever order they stand; and a suspect one if there is no other.
func TestQueueGroupFallsBackToTheHealthy(t *testing.T) {
	for _, shape := range []struct {
		name     string
		suspects [2]bool
		want     [2]int64
	}{
		{"the first is suspect", [2]bool{true, false}, [2]int64{0, 200}},
		{"the second is suspect", [2]bool{false, true}, [2]int64{200, 0}},
		{"both are", [2]bool{true, true}, [2]int64{-1, -1}},
	} {
		t.Run(shape.name, func(t *testing.T) {
			b := benchBroker()
			pub := discardClient(t, b, 1, "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB work q 1\r\n")
			var members [2]*client
			for i := range members {
				members[i] = discardClient(t, b, uint64(i+2), quietConnect+"SUB work q 1\r\n")
				members[i].suspect.Store(shape.suspects[i])
			}
			for range 200 {
				pub.feed(t, "PUB work 1\r\nx\r\n")
			}
			var got [2]int64
			for i, m := range members {
				got[i] = m.stats.outMsgs.Load()
			}
			if got[0]+got[1] != 200 || shape.want[0] >= 0 && got != shape.want {
				t.Errorf("the members got %v of 200", got)
			}
		})
	}
}
