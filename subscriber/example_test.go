package subscriber_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"sync/atomic"
	"time"

	"vigil/broker"
	"vigil/heartbeat"
	"vigil/publisher"
	"vigil/subscriber"
)

func Example() {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer b.Shutdown(ctx)

	sub, err := subscriber.Connect(ctx, b.URL(), subscriber.Config{
		Heartbeat: heartbeat.Within(time.Second),
		OnEvent:   func(e subscriber.Event) { log.Print(e) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	orders, err := sub.Subscribe("orders.>")
	if err != nil {
		log.Fatal(err)
	}
	if err := sub.Flush(ctx); err != nil { // the subscription is in effect
		log.Fatal(err)
	}

	pub, err := publisher.Connect(ctx, b.URL(), publisher.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()
	if err := pub.Publish(ctx, "orders.new", []byte("3 apples")); err != nil {
		log.Fatal(err)
	}

	for msg, err := range orders.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", msg.Subject, msg.Data)
		break
	}
	// Output: orders.new: 3 apples
}

// example connects a subscriber and a publisher to a broker of their own.
func example() (sub *subscriber.Subscriber, pub *publisher.Publisher, end func()) {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if sub, err = subscriber.Connect(ctx, b.URL(), subscriber.Config{}); err != nil {
		log.Fatal(err)
	}
	if pub, err = publisher.Connect(ctx, b.URL(), publisher.Config{}); err != nil {
		log.Fatal(err)
	}
	return sub, pub, func() {
		sub.Close()
		pub.Close()
		b.Shutdown(ctx)
	}
}

// publishTo waits for the subscriptions to be in effect, and publishes.
func publishTo(sub *subscriber.Subscriber, pub *publisher.Publisher, subject string, payloads ...string) {
	ctx := context.Background()
	if err := sub.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	for _, p := range payloads {
		if err := pub.Publish(ctx, subject, []byte(p)); err != nil {
			log.Fatal(err)
		}
	}
	if err := pub.Flush(ctx); err != nil {
		log.Fatal(err)
	}
}

// A loop over a queue group's member that ends after three messages.
func ExampleSubscriber_Subscribe() {
	sub, pub, end := example()
	defer end()
	jobs, err := sub.Subscribe("jobs.*", subscriber.Queue("workers"), subscriber.MaxMessages(3))
	if err != nil {
		log.Fatal(err)
	}
	publishTo(sub, pub, "jobs.print", "a", "b", "c", "d")
	for msg, err := range jobs.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s ", msg.Data)
	}
	fmt.Println("and no more")
	// Output: a b c and no more
}

// Four goroutines call the handler. Drain returns when all is handled.
func ExampleSubscriber_SubscribeFunc() {
	sub, pub, end := example()
	defer end()
	var sum atomic.Int64
	_, err := sub.SubscribeFunc("numbers", func(m *subscriber.Msg) {
		n, err := strconv.Atoi(string(m.Data))
		if err != nil {
			log.Print(err)
			return
		}
		sum.Add(int64(n))
	}, subscriber.Concurrency(4), subscriber.Reuse())
	if err != nil {
		log.Fatal(err)
	}
	publishTo(sub, pub, "numbers", "1", "2", "3", "4")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var unhandled *subscriber.UnhandledError
	if err := sub.Drain(ctx); errors.As(err, &unhandled) {
		log.Fatalf("%d messages were not handled in time", unhandled.Messages)
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum.Load())
	// Output: 10
}

// A channel, for select.
func ExampleSubscription_Channel() {
	sub, pub, end := example()
	defer end()
	ticks, err := sub.Subscribe("ticks", subscriber.MaxMessages(2))
	if err != nil {
		log.Fatal(err)
	}
	publishTo(sub, pub, "ticks", "tick", "tock")
	timeout := time.After(5 * time.Second)
	for ch := ticks.Channel(); ; {
		select {
		case msg, ok := <-ch:
			if !ok {
				fmt.Println("ended")
				return
			}
			fmt.Println(string(msg.Data))
		case <-timeout:
			log.Fatal("nothing came")
		}
	}
	// Output:
	// tick
	// tock
	// ended
}

// Values instead of bytes. What cannot be decoded is an error that holds the
// message, and not the end.
func ExampleTyped() {
	type Order struct {
		Fruit string
		N     int
	}
	sub, pub, end := example()
	defer end()
	s, err := sub.Subscribe("orders", subscriber.MaxMessages(3))
	if err != nil {
		log.Fatal(err)
	}
	publishTo(sub, pub, "orders", `{"Fruit":"apple","N":3}`, `three apples`, `{"Fruit":"pear","N":1}`)
	orders := subscriber.Typed[Order]{Subscription: s}
	for order, err := range orders.Messages(context.Background()) {
		var bad *subscriber.DecodeError
		switch {
		case errors.As(err, &bad):
			fmt.Printf("no order: %s\n", bad.Msg.Data)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(order.Value.N, order.Value.Fruit)
		}
	}
	// Output:
	// 3 apple
	// no order: three apples
	// 1 pear
}

// A handler for values.
func ExampleTypedFunc() {
	sub, pub, end := example()
	defer end()
	_, err := sub.SubscribeFunc("square", subscriber.TypedFunc(subscriber.JSON, func(n *subscriber.TypedMsg[int], err error) {
		if err == nil {
			err = n.RespondValue(context.Background(), n.Value*n.Value)
		}
		if err != nil {
			log.Print(err)
		}
	}))
	if err != nil {
		log.Fatal(err)
	}
	if err := sub.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	reply, err := pub.Request(context.Background(), "square", []byte("7"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(reply.Data))
	// Output: 49
}

// Who only wants the latest lets the oldest go.
func ExampleDropOldest() {
	sub, pub, end := example()
	defer end()
	prices, err := sub.Subscribe("prices", subscriber.DropOldest(), subscriber.MaxPending(1, 0))
	if err != nil {
		log.Fatal(err)
	}
	publishTo(sub, pub, "prices", "10", "11", "12")
	if err := sub.Flush(context.Background()); err != nil { // all came
		log.Fatal(err)
	}
	for msg, err := range prices.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(msg.Data))
		break
	}
	fmt.Println(prices.Dropped(), "dropped")
	// Output:
	// 12
	// 2 dropped
}

// A message that is sent again because its publisher could not know whether it
// had come is handled once.
func ExampleDropRepeats() {
	sub, pub, end := example()
	defer end()
	payments, err := sub.Subscribe("payments", subscriber.DropRepeats(10_000, 2*time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	if err := sub.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	for _, id := range []string{"p1", "p1", "p2"} {
		m := &publisher.Msg{Subject: "payments", Header: publisher.Header{"Nats-Msg-Id": {id}}, Data: []byte(id)}
		if err := pub.PublishMsg(context.Background(), m); err != nil {
			log.Fatal(err)
		}
	}
	for msg, err := range payments.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(msg.Data))
		if string(msg.Data) == "p2" {
			break
		}
	}
	fmt.Println(payments.Stats().Repeats, "repeat")
	// Output:
	// p1
	// p2
	// 1 repeat
}

// Trace context of the publisher, as a propagator of OpenTelemetry reads it.
func ExampleCarrier() {
	msg := &subscriber.Msg{Header: subscriber.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}}
	// ctx = propagation.TraceContext{}.Extract(ctx, subscriber.Carrier(msg.Header))
	fmt.Println(subscriber.Carrier(msg.Header).Get("traceparent"))
	// Output: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
}

// The deaf window says which span to ask another source for.
func Example_deafWindow() {
	ctx := context.Background()
	sub, err := subscriber.Connect(ctx, "nats://a:4222,nats://b:4222", subscriber.Config{KeepTrying: true})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	for e := range sub.Events(ctx) {
		switch e.Kind {
		case subscriber.EventLost:
			if e.Loss.Cause.Stale() {
				fmt.Println("the broker vanished:", e.Loss)
			}
		case subscriber.EventResumed:
			fmt.Println("fetch again what was published between", e.DeafFrom, "and", e.DeafTo)
		}
	}
}
