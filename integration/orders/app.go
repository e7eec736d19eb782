package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// How soon the application notices a broker that has vanished: two PINGs unanswered
// when the third is due. nats.go's defaults would take up to 6 min.
const (
	pingInterval = 600 * time.Millisecond
	pingsMissed  = 2
)

// Order is what is published on orders.>.
type Order struct {
	ID    int `json:"id"`
	Cents int `json:"cents"`
}

// App books orders. Its methods may be called concurrently.
type App struct {
	nc     *nats.Conn
	closed chan nats.Status

	mu      sync.Mutex
	books   map[int]int   // cents by order; guarded by mu
	bad     int           // what was no order; guarded by mu
	handled chan struct{} // closed, and made anew, behind each message; guarded by mu
}

// Start connects to url and books orders until Stop. Options are added to the
// application's own.
func Start(url string, more ...nats.Option) (*App, error) {
	options := append([]nats.Option{
		nats.Name("orders"),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsMissed),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
	}, more...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	a := &App{nc: nc, closed: nc.StatusChanged(nats.CLOSED), books: make(map[int]int), handled: make(chan struct{})}
	_, booked := nc.Subscribe("orders.>", a.book)
	_, totals := nc.Subscribe("books.total", a.tell)
	if err := errors.Join(booked, totals); err != nil {
		a.Stop()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return a, nil
}

// Stop closes the connection and waits.
func (a *App) Stop() {
	a.nc.Close()
	<-a.closed
}

// book books one order, once.
func (a *App) book(m *nats.Msg) {
	var o Order
	err := json.Unmarshal(m.Data, &o)
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.handled)
	a.handled = make(chan struct{})
	if err != nil || o.ID <= 0 {
		a.bad++
		return
	}
	a.books[o.ID] = o.Cents
}

// tell answers with the total.
func (a *App) tell(m *nats.Msg) { _ = m.Respond(fmt.Append(nil, a.Total())) } // who asked asks again

// Total returns the sum of all orders, in cents.
func (a *App) Total() (cents int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.books {
		cents += c
	}
	return cents
}

// Booked returns the ids of the orders, sorted.
func (a *App) Booked() (ids []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.books {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
