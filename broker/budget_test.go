package broker

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	const n = 20_000
	for _, shape := range []struct {
		name  string
		input func(i int) string
		most  float64 // charged for each byte it takes
	}{
		{"one subject", func(i int) string { return fmt.Sprintf("SUB orders.new %d\r\n", i) }, 6},
		{"flat", func(i int) string { return fmt.Sprintf("SUB s%d %d\r\n", i, i) }, 3},
		{"common prefix", func(i int) string { return fmt.Sprintf("SUB orders.new.%d %d\r\n", i, i) }, 6},
		{"three levels each", func(i int) string { return fmt.Sprintf("SUB s%d.b.c %d\r\n", i, i) }, 2},
		{"ten levels each", func(i int) string { return fmt.Sprintf("SUB s%d.b.c.d.e.f.g.h.i.j %d\r\n", i, i) }, 2},
		{"wildcards", func(i int) string { return fmt.Sprintf("SUB s%d.*.> %d\r\n", i, i) }, 5},
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

// healthyPair is a subscriber and a publisher that go on as fast as they can, in
// steps of one batch.
type healthyPair struct {
	batches atomic.Int64
	failed  chan error
}

const pairBatch = 100

// startPair runs a pair until stop is closed. It belongs to the test, which
// waits for failed to be closed.
func startPair(t *testing.T, b *childBroker, stop chan struct{}) *healthyPair {
	p := &healthyPair{failed: make(chan error, 1)}
	conn, pub := b.dial(t, quietConnect), b.dial(t, quietConnect)
	rawFlush(t, conn, "SUB healthy.pair 1\r\n")
	go io.Copy(io.Discard, pub) // ends with the connection
	in := bufio.NewReaderSize(conn, 1<<16)
	load := strings.Repeat("PUB healthy.pair 64\r\n"+strings.Repeat("x", 64)+"\r\n", pairBatch)
	go func() {
		defer close(p.failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := io.WriteString(pub, load); err != nil {
				p.failed <- err
				return
			}
			_ = conn.SetReadDeadline(time.Now().Add(testPatience))
			for got := 0; got < pairBatch; {
				line, err := in.ReadString('\n')
				if err != nil {
					p.failed <- fmt.Errorf("behind %d batches: %w", p.batches.Load(), err)
					return
				}
				switch {
				case strings.HasPrefix(line, "MSG "):
					got++
				case line == "PING\r\n":
					_, _ = io.WriteString(conn, "PONG\r\n")
				}
			}
			p.batches.Add(1)
		}
	}()
	return p
}

// Whatever clients do, the broker's memory stays near the budget, and a pair
// that does no harm goes on.
func TestMemoryBudget(t *testing.T) {
	if !*long || raceEnabled {
		t.Skip("with -long, and without the race detector: it measures memory and rates, which other load blurs")
	}
	for _, attack := range []struct {
		name string
		run  func(t *testing.T, b *childBroker)
	}{
		{"unfinished messages", attackUnfinished},
		{"stuck subscribers", attackStuck},
		{"subscriptions", attackSubscriptions},
		{"amplification", attackAmplification},
	} {
		t.Run(attack.name, func(t *testing.T) {
			// The collector of a process that is starved of the processor by
			// others lags: several tries.
			for range 3 {
				if underAttack(t, attack.run) {
					return
				}
			}
			t.Error("the broker's memory comes to more than 1.3 x budget and the idle cost, every time")
		})
	}
}

// underAttack reports whether a broker keeps to its budget.
func underAttack(t *testing.T, attack func(t *testing.T, b *childBroker)) bool {
	const budget = 64 << 20
	b := startChild(t, childConfig{MemoryBudget: budget})
	stop := make(chan struct{})
	pair := startPair(t, b, stop)
	idle := b.memory(t, "VmRSS")
	began := time.Now()
	attack(t, b)
	took := time.Since(began)
	batches := pair.batches.Load()
	close(stop)
	if err := <-pair.failed; err != nil {
		t.Errorf("the healthy pair: %v", err)
	}
	peak := b.memory(t, "VmHWM")
	t.Logf("idle %d MiB, peak %d MiB; %v, the pair had %.0f messages a second",
		idle>>20, peak>>20, took, float64(batches*pairBatch)/took.Seconds())
	if batches == 0 {
		t.Error("the healthy pair had nothing")
	}
	return peak <= budget*13/10+idle+attackers*idleCost
}

const (
	// attackers is how many connections an attack has at most, idleCost what
	// an idle one may cost, in bytes: G9 of the design.
	attackers = 3000
	idleCost  = 10 << 10
)

// each runs f for a number of connections, some at a time.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// attackUnfinished opens connections that have sent 64 KiB of a message of 1 MiB.
func attackUnfinished(t *testing.T, b *childBroker) {
	part := quietConnect + "PUB a 1048576\r\n" + strings.Repeat("x", 64<<10)
	each(attackers, func(int) {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, part)
	})
}

// attackStuck has subscribers that read nothing.
func attackStuck(t *testing.T, b *childBroker) {
	for range 100 {
		b.dial(t, quietConnect+"SUB a 1\r\n")
	}
	pub := b.dial(t, quietConnect)
	message := "PUB a 65536\r\n" + strings.Repeat("x", 64<<10) + "\r\n"
	for range 300 {
		if _, err := io.WriteString(pub, message); err != nil {
			t.Error(err)
			return
		}
	}
	rawFlush(t, pub, "")
}

// attackSubscriptions subscribes to very many subjects from one connection, and
// again when it is closed.
func attackSubscriptions(t *testing.T, b *childBroker) {
	for range 2 {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		out := bufio.NewWriterSize(conn, 1<<16)
		fmt.Fprint(out, quietConnect)
		for i := range 1_000_000 {
			if _, err := fmt.Fprintf(out, "SUB orders.%d.new %d\r\n", i, i); err != nil {
				break
			}
		}
		if err := out.Flush(); err == nil {
			t.Error("a million subscriptions were taken")
		}
		conn.Close()
	}
}

// attackAmplification has every message of 1 MiB copied 20,000 times.
func attackAmplification(t *testing.T, b *childBroker) {
	var subs strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&subs, "SUB > %d\r\n", i)
	}
	for range 20 {
		b.dial(t, quietConnect+subs.String())
	}
	pub := b.dial(t, quietConnect)
	message := "PUB a 1048576\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
	for range 10 {
		if _, err := io.WriteString(pub, message); err != nil {
			t.Error(err)
			return
		}
	}
	rawFlush(t, pub, "")
}
