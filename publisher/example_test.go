package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
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

// Who asks many does not know how many will answer: the replies are taken until
// none has come for a while.
func ExamplePublisher_Replies() {
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
	for _, room := range []string{"kitchen", "cellar"} {
		if _, err := sub.SubscribeFunc("who.is.there", func(m *subscriber.Msg) {
			if err := m.Respond(ctx, []byte(room)); err != nil {
				log.Print(err)
			}
		}); err != nil {
			log.Fatal(err)
		}
	}
	if err := sub.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	pub, err := publisher.Connect(ctx, b.URL(), publisher.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()
	asking, enough := context.WithCancel(ctx)
	defer enough()
	quiet := time.AfterFunc(time.Second, enough)
	var rooms []string
	for m, err := range pub.Replies(asking, &publisher.Msg{Subject: "who.is.there"}) {
		if errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		rooms = append(rooms, string(m.Data))
		quiet.Reset(time.Second)
	}
	slices.Sort(rooms)
	fmt.Println(rooms)
	// Output: [cellar kitchen]
}

// A message of which the broker says that it has processed it, or of which an error
// says that it may not have.
func ExamplePublisher_PublishSync() {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer b.Shutdown(ctx)

	// With Confirmed it is sent again after a loss, and PublishSync waits for that.
	pub, err := publisher.Connect(ctx, b.URL(), publisher.Config{Confirmed: true})
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()
	if err := pub.PublishSync(ctx, "orders.new", []byte("3 apples")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pub.Status().Unconfirmed)
	// Output: 0 messages (0 bytes)
}
