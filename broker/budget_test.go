package broker

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The order in which clients go, and that no more go than must.
func TestGreediest(t *testing.T) {
	list := func() []holding {
		return []holding{
			{id: 1, share: 100},
			{id: 2, share: 300},
			{id: 3, share: 1600, moving: true}, // counts as 200
			{id: 4, share: 300},
			{id: 5, share: 200},
			{id: 6, share: 10},
		}
	}
	for excess, want := range map[int64][]uint64{
		0:         nil,
		-5:        nil,
		1:         {4}, // of equals the younger
		300:       {4},
		301:       {4, 2},
		601:       {4, 2, 3}, // of equal greed the larger share
		2201:      {4, 2, 3, 5},
		1_000_000: {4, 2, 3, 5, 1, 6},
	} {
		var got []uint64
		for _, h := range greediest(list(), excess) {
			got = append(got, h.id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("excess %d: %v go, want %v", excess, got, want)
		}
	}
}

// Against a plain sort, in any order of the list.
func TestGreediestIsDeterministic(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []holding
		for id := range uint64(50) {
			list = append(list, holding{id: id, share: 1 + r.Int64N(20), moving: r.IntN(2) == 0})
		}
		excess := r.Int64N(400)
		sorted := slices.Clone(list)
		slices.SortFunc(sorted, func(a, b holding) int {
			return cmp.Or(cmp.Compare(b.greed(), a.greed()), cmp.Compare(b.share, a.share), cmp.Compare(b.id, a.id))
		})
		var want []holding
		for freed := int64(0); freed < excess; {
			want = append(want, sorted[len(want)])
			freed += want[len(want)-1].share
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if got := greediest(list, excess); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v go, want %v", seed, got, want)
		}
	}
}

// checkLedger waits until nothing is charged to anyone.
func checkLedger(t *testing.T, b *Broker) {
	t.Helper()
	deadline := time.After(testPatience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for b.ledger.held.Load() != 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d bytes are still charged", b.ledger.held.Load())
		}
	}
}

// What a client holds is charged while it does, and no longer.
func TestLedgerFollowsWhatIsHeld(t *testing.T) {
	b := startTest(t, Config{})
	conn := rawConn(t, b)
	c := b.clientOf(conn)
	expect := func(at string, least, most int64) {
		t.Helper()
		if share := c.account.share.Load(); share < least || share > most || b.ledger.held.Load() != share {
			t.Errorf("%s: %d bytes are charged, %d in all, want %d to %d", at, share, b.ledger.held.Load(), least, most)
		}
	}
	expect("nothing", 0, 0)
	rawFlush(t, conn, "SUB a.b.c 1\r\n")
	one := c.account.share.Load()
	expect("a subscription", subscriptionCost, subscriptionCost+4*tokenCost)
	rawFlush(t, conn, "SUB a.b.c 2\r\nSUB a.b.c 2\r\n")
	expect("two", 2*one, 2*one)
	rawFlush(t, conn, "UNSUB 2\r\n")
	expect("one again", one, one)
	rawFlush(t, conn, "PUB b.c 0\r\n\r\n")
	expect("a route", one+routeCost, one+2*routeCost)
	route := c.account.share.Load() - one
	rawFlush(t, conn, "UNSUB 1\r\n")
	expect("none", route, route)
	if _, err := io.WriteString(conn, "PUB x 1000000\r\n"+strings.Repeat("x", 70_000)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(testPatience)
	for c.account.share.Load() < 70_000 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	expect("an unfinished message", 70_000, 300_000)
	rawFlush(t, conn, strings.Repeat("x", 930_000)+"\r\n")
	expect("a finished one", 0, 2*routeCost+route)
	if now, peak := b.MemoryHeld(); now != c.account.share.Load() || peak < 70_000 {
		t.Errorf("%d bytes are told, and %d before, of %d", now, peak, c.account.share.Load())
	}
	if now, peak := b.MemoryHeld(); peak != now {
		t.Errorf("told again: %d bytes, and %d before", now, peak)
	}
	conn.Close()
	awaitCount(t, b, 0)
	checkLedger(t, b)
}

// The one that hoards goes, with the reason, and what it held is given back;
// the others stay.
func TestBudgetClosesTheGreediest(t *testing.T) {
	const budget = 8 << 20
	b := startTest(t, Config{MemoryBudget: budget})
	modest, stuck := rawConn(t, b), rawConn(t, b)
	rawFlush(t, modest, "SUB b 1\r\nSUB c 2\r\n")
	rawFlush(t, stuck, "SUB a 1\r\n")
	greedy := b.clientOf(stuck)
	pub := rawConn(t, b)
	message := fmt.Sprintf("PUB a %d\r\n%s\r\n", 1<<20, strings.Repeat("x", 1<<20))
	for range 40 { // the socket takes some of it
		if _, err := io.WriteString(pub, message); err != nil {
			t.Fatal(err)
		}
	}
	rawFlush(t, pub, "PUB b 5\r\nhello\r\n")
	awaitCount(t, b, 2)
	if greedy.reason != memoryBudget {
		t.Errorf("closed as %q, want %q", greedy.reason, memoryBudget)
	}
	rawFlush(t, modest, "")
	if held := b.ledger.held.Load(); held > budget {
		t.Errorf("%d bytes are charged, the budget is %d", held, budget)
	}
	modest.Close()
	pub.Close()
	awaitCount(t, b, 0)
	checkLedger(t, b)
}

// subscription shapes and what they cost, against what is charged for them.
func TestSubscriptionCost(t *testing.T) {
	const n = 15_000 // just above where maps of 2^14 are made larger
	for _, shape := range []struct {
		name  string
		input func(i int) string
		most  float64 // charged for each byte it takes
	}{
		{"one subject", func(i int) string { return fmt.Sprintf("SUB orders.new %d\r\n", i) }, 3},
		{"flat", func(i int) string { return fmt.Sprintf("SUB s%d %d\r\n", i, i) }, 3},
		{"ten levels each", func(i int) string { return fmt.Sprintf("SUB s%d.b.c.d.e.f.g.h.i.j %d\r\n", i, i) }, 3},
		{"wildcards", func(i int) string { return fmt.Sprintf("SUB s%d.*.> %d\r\n", i, i) }, 3},
		{"deep wildcards", func(i int) string { return fmt.Sprintf("SUB s%d.b.c.d.e.f.g.h.i.* %d\r\n", i, i) }, 4},
		{"deep wildcards in pairs", func(i int) string {
			return fmt.Sprintf("SUB s%d.b.c.d.e.f.g.h.i.%c %d\r\n", i/2, "*>"[i%2], i)
		}, 3},
		{"wide wildcards", func(i int) string { return fmt.Sprintf("SUB *.orders.%d %d\r\n", i, i) }, 4},
		{"queue groups", func(i int) string { return fmt.Sprintf("SUB s%d q%d %d\r\n", i, i, i) }, 3},
	} {
		t.Run(shape.name, func(t *testing.T) {
			b := benchBroker()
			c := discardClient(t, b, 1, quietConnect)
			c.account.ledger = newLedger(1<<40, func() []*client { return nil })
			before := heapInUse()
			for i := range n {
				c.feed(t, shape.input(i))
			}
			took := heapInUse() - before
			charged := int(c.account.share.Load())
			t.Logf("%d bytes each, charged %d", took/n, charged/n)
			if charged < took || float64(charged) > shape.most*float64(took) {
				t.Errorf("%d bytes are charged, %d are taken, want 1 to %.0f times as much", charged, took, shape.most)
			}
			runtime.KeepAlive(b)
		})
	}
}

func heapInUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
