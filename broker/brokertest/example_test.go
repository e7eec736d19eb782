package brokertest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker/brokertest"
)

// test stands for go test: the examples are the bodies of tests.
func test(body func(t testing.TB)) {
	r := &recorder{}
	r.run(body)
	fmt.Print(r.text.String())
}

// connect connects nats.go such that it notices soon.
func connect(url string, options ...nats.Option) *nats.Conn {
	nc, err := nats.Connect(url, append([]nats.Option{nats.PingInterval(500 * time.Millisecond), nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1), nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0)}, options...)...)
	if err != nil {
		panic(err)
	}
	return nc
}

// A broker vanishes without a word and comes back; the client under test, here nats.go
// alone, must notice by itself, and get what is published then.
func ExampleStart() {
	test(func(t testing.TB) {
		b := brokertest.Start(t)
		nc := connect(b.URL())
		defer nc.Close()
		got := make(chan string, 1)
		if _, err := nc.Subscribe("orders.>", func(m *nats.Msg) { got <- string(m.Data) }); err != nil {
			t.Fatalf("%v", err)
		}
		b.AwaitSubscribers(t, "orders.>", 1)

		b.Crash(t)
		b.AwaitStale(t)
		b.Restart(t)
		r := b.AwaitReconnect(t, brokertest.Within(20*time.Second))
		fmt.Println(r.Noticed > 0, r.Back > r.Noticed)
		b.Publish(t, "orders.1", []byte("hello again"))
		fmt.Println(<-got)
	})
	// Output:
	// true true
	// hello again
}

// Of two clients one is cut off. What it missed is known by number.
func ExampleBroker_Missed() {
	test(func(t testing.TB) {
		b := brokertest.Start(t)
		nc := connect(b.URL(), nats.Name("app"))
		defer nc.Close()
		if _, err := nc.SubscribeSync("orders.>"); err != nil {
			t.Fatalf("%v", err)
		}
		b.AwaitSubscribers(t, "orders.>", 1, brokertest.By("app"))

		b.Publish(t, "orders.1", []byte("one"))
		b.AwaitIdle(t, 10*time.Millisecond)
		b.Client("app").Crash(t) // for the broker this client is gone
		b.Publish(t, "orders.1", []byte("two"))
		b.Publish(t, "orders.1", []byte("three"))
		fmt.Println("missed", b.Missed("orders.>"))
	})
	// Output: missed [2 3]
}

// Each message is to be handled, and once: the client tells the numbers of those that it
// has.
func ExampleBroker_AssertDelivered() {
	test(func(t testing.TB) {
		b := brokertest.Start(t)
		nc := connect(b.URL())
		defer nc.Close()
		sub, err := nc.SubscribeSync("orders.>")
		if err != nil {
			t.Fatalf("%v", err)
		}
		b.AwaitSubscribers(t, "orders.>", 1)
		var handled []int
		for i := 1; i <= 3; i++ {
			b.Publish(t, "orders.new", []byte(strconv.Itoa(i))) // returns i
			m, err := sub.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatalf("%v", err)
			}
			id, _ := strconv.Atoi(string(m.Data))
			handled = append(handled, id)
		}
		b.AssertDelivered(t, "orders.>", handled)
		fmt.Println("handled", handled)
	})
	// Output: handled [1 2 3]
}
