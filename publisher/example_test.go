package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"vigil/broker"
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

	pub, err := publisher.Connect(ctx, b.URL(), publisher.Config{
		Name:    "orders",
		OnEvent: func(e publisher.Event) { log.Print(e) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()

	if err := pub.Publish(ctx, "orders.new", []byte("3 apples")); err != nil {
		log.Fatal(err)
	}
	if err := pub.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the broker has it")
	// Output: the broker has it
}

func ExamplePublisher_Request() {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer b.Shutdown(ctx)

	sub, err := subscriber.Connect(ctx, b.URL(), subscriber.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if _, err := sub.SubscribeFunc("price.of", func(m *subscriber.Msg) {
		if err := m.Respond(ctx, []byte("2 euros")); err != nil {
			log.Print(err)
		}
	}); err != nil {
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
	reply, err := pub.Request(ctx, "price.of", []byte("apples"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", reply.Data)
	if _, err := pub.Request(ctx, "weight.of", []byte("apples")); errors.Is(err, publisher.ErrNoResponders) {
		fmt.Println("nobody knows the weight")
	}
	// Output:
	// 2 euros
	// nobody knows the weight
}
