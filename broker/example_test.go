package broker_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker"
)

// A program embeds a broker and talks to it with any NATS client.
func Example() {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			log.Print(err)
		}
	}()

	nc, err := nats.Connect(b.URL())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	_, err = nc.Subscribe("greet.*", func(m *nats.Msg) {
		_ = m.Respond([]byte("hello, " + string(m.Data)))
	})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := nc.Request("greet.en", []byte("world"), time.Second)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", answer.Data)
	// Output: hello, world
}
