package subscriber_test

import (
	"context"
	"fmt"
	"log"
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
