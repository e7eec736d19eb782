package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// dialTimeout bounds how long a server may take to be reached.
const dialTimeout = 5 * time.Second

// Client is the lesson's client. The zero value of a field is its default.
type Client struct {
	// Scale multiplies all times. 0 is 1.
	Scale float64
	// Send are messages to be sent once connected.
	Send []Type
	// Say is told each line, as it happens, by one goroutine. Nil is nobody.
	Say func(text string)
	// Sent is told each message that was sent, by the same goroutine. Nil is
	// nobody.
	Sent func(Type)
	// Dial opens the connection. Nil is TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Client) withDefaults() Client {
	if c.Scale == 0 {
		c.Scale = 1
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	return c
}

// Run connects to the server at address, and stays until it is dead, or ctx ends.
// It returns a *DeadError for a server that does not answer, ErrClosed for one that
// closed, a *TypeError for one that speaks otherwise, and ctx's error.
func (c Client) Run(ctx context.Context, address string) error {
	c = c.withDefaults()
	if err := CheckScale(c.Scale); err != nil {
		return err
	}
	dialling, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.Dial(dialling, "tcp", address)
	if err != nil {
		return fmt.Errorf("lesson: connect: %w; does a server listen there?", err)
	}
	cfg := clientSchedule(c.Scale)
	p := &pump{conn: conn, peer: newPeer(cfg, 0, time.Now()), patience: cfg.Interval, say: c.Say, sent: c.Sent}
	for _, t := range c.Send {
		if err := p.send(t); err != nil {
			conn.Close()
			return err
		}
	}
	if err = p.run(ctx); errors.Is(err, ErrClosed) {
		c.Say("server terminated")
	}
	return err
}
