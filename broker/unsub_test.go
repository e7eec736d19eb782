package broker

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// However many publishers are at it when an UNSUB with a max comes, and when a
// second one lowers it, the subscription has that many messages and is gone then.
func TestUnsubIsExactAmidPublishers(t *testing.T) {
	const publishers, batches, batch, first, second = 4, 40, 20, 3000, 2000
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	exact := 0
	for round := range rounds {
		b := benchBroker()
		sub := discardClient(t, b, 1, quietConnect+"SUB a 1\r\n")
		var all sync.WaitGroup
		for i := range publishers {
			pub := discardClient(t, b, uint64(2+i), quietConnect)
			all.Go(func() {
				for range batches {
					pub.feed(t, strings.Repeat("PUB a 1\r\nx\r\n", batch))
				}
			})
		}
		for sub.stats.outMsgs.Load() == 0 {
			runtime.Gosched()
		}
		sub.feed(t, fmt.Sprintf("UNSUB 1 %d\r\n", first))
		sub.feed(t, fmt.Sprintf("UNSUB 1 %d\r\n", second))
		atUnsub := sub.stats.outMsgs.Load()
		all.Wait()
		got := sub.stats.outMsgs.Load()
		if atUnsub < second {
			exact++
			if got != second {
				t.Fatalf("round %d: %d messages, want %d", round, got, second)
			}
		}
		if n := sub.subs.len(); n != 0 {
			t.Fatalf("round %d: the subscription is still there behind %d messages", round, got)
		}
	}
	if exact == 0 {
		t.Error("every UNSUB came too late to prove anything")
	}
	t.Logf("%d of %d rounds prove it", exact, rounds)
}
