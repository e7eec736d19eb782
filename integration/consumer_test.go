package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// A consumer that holds its connection for many times the heartbeat's bound is
// no reason to give up the broker, and a broker that vanishes meanwhile is found
// within the bound once the connection is read again.
func TestConsumerHoldsTheConnection(t *testing.T) {
	t.Parallel()
	each(t, bothModes, func(t *testing.T, mode fault.Mode, broker string) {
		h := newHost(t, mode, broker)
		beat := heartbeat.Within(600 * time.Millisecond)
		l := listen(t, h, subscriber.Config{Heartbeat: beat})
		gate := make(chan struct{})
		got := &numbers{times: make(map[int]int)}
		s, err := l.SubscribeFunc("numbers", func(m *subscriber.Msg) {
			<-gate
			got.add(m.Data)
		}, subscriber.MaxPending(10, -1), subscriber.Block(patience))
		must(t, err)
		must(t, l.Flush(t.Context()))

		pub, err := publisher.Connect(t.Context(), h.url(), publisher.Config{})
		must(t, err)
		defer pub.Close() // what it says of the host that vanished is no matter here
		const total = 200 // more than one read
		for k := range total {
			must(t, pub.Publish(t.Context(), "numbers", fmt.Appendf(nil, "%d %s", k, strings.Repeat("x", 1024))))
		}
		must(t, pub.Flush(t.Context()))
		// The handler may have one of the ten; the reader waits for half of the room.
		eventually(t, "the connection is held", func() bool { return s.Pending() >= 9 })
		held := time.Now()
		spell(t, 4*beat.Bound())
		h.vanish(t)
		spell(t, 2*beat.Bound())
		if told := l.diary.String(); strings.Count(told, "\n") != 1 {
			t.Errorf("while the connection was held:\n%s", told)
		}

		place := l.diary.here()
		released := time.Now()
		close(gate)
		lost := l.diary.await(t, place, subscriber.EventLost)
		if took := lost.told.Sub(released); took > time.Duration(1+lost.Loss.Evidence.Pauses)*beat.Bound()+slack+starvation.between(released, lost.told) {
			t.Errorf("the broker that had vanished was found %v after the connection was read again, want within %v", took, beat.Bound())
		}
		if !lost.Loss.Cause.Stale() {
			t.Errorf("loss %v", lost.Loss)
		}
		h.comeBack(t)
		resumed := l.diary.await(t, place, subscriber.EventResumed)
		// What was read last had come at any time since the connection was held:
		// who asks another source for the deaf window asks for all that the host
		// took with it.
		if resumed.DeafFrom.After(held) {
			t.Errorf("deaf from %v after the connection was held", resumed.DeafFrom.Sub(held))
		}
		if st := l.Stats(); st.Dropped != 0 || st.Held < 6*beat.Bound() || st.Connection.Reconnects != 1 || st.Connection.Deaf != resumed.Deaf() {
			t.Errorf("stats %+v", st)
		}
		for k, n := range got.list(t) {
			if n != k {
				t.Fatalf("number %d came in place of %d", n, k)
			}
		}
	})
}
