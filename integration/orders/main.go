// Command orders is a small application as people build them on NATS: it books the
// orders that are published on orders.>, each once, and answers requests on books.total.
// It is here for its tests, which show how such an application is tested with package
// brokertest: that it survives a broker which vanishes.
//
//	go run ./integration/orders nats://127.0.0.1:4222
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	url := "nats://127.0.0.1:4222"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	app, err := Start(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
	<-ctx.Done()
	app.Stop()
	fmt.Println("booked", app.Total())
}
