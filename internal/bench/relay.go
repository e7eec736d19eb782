package bench

import (
	"fmt"
	"io"
	"net"

	"vigil/internal/fault"
)

// RelayCommand is the hidden command of the lab's own program that is the
// relay: its argument is the address to listen on.
const RelayCommand = "relay"

// relayBuffer is what the relay reads with, in bytes.
const relayBuffer = 64 << 10

// ServeRelay is the process that does as little as any broker can: it reads
// from one connection and writes the same bytes to another, by turns. It tells
// its address on out, serves one such pair and goes on until its parent is
// gone.
func ServeRelay(addr string, out io.Writer) error {
	fault.ExitWithParent()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("bench: relay: %w", err)
	}
	defer l.Close()
	if _, err := fmt.Fprintf(out, "relay://%s\n", l.Addr()); err != nil {
		return fmt.Errorf("bench: relay: tell the address: %w", err)
	}
	for {
		if err := relayPair(l); err != nil {
			return fmt.Errorf("bench: relay: %w", err)
		}
	}
}

// relayPair serves two connections, a source and a destination, to the end of
// the source.
func relayPair(l net.Listener) error {
	var source, destination net.Conn
	for source == nil || destination == nil {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		defer c.Close()
		end := make([]byte, 1)
		if _, err := io.ReadFull(c, end); err != nil {
			return err
		}
		if _, err := c.Write(end); err != nil {
			return err
		}
		if end[0] == relayDestination {
			destination = c
		} else {
			source = c
		}
	}
	// Not io.Copy, which would have the kernel move the bytes. Either end goes
	// when the load generator has done with them.
	buf := make([]byte, relayBuffer)
	for {
		n, err := source.Read(buf)
		if err != nil {
			return nil
		}
		if _, err := destination.Write(buf[:n]); err != nil {
			return nil
		}
	}
}
