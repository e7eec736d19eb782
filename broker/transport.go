package broker

import (
	"net"
	"time"
)

// transport is one client's byte stream as the outbox and the end of a client
// see it. It comes in two forms: a socket, which a poller watches and nothing
// waits for, and any other net.Conn in the plain form, which a goroutine reads
// from and another writes to while something waits to be written.
type transport interface {
	// tryWrite writes what the stream takes without waiting. Less than len(p)
	// and no error means that it would have to wait.
	tryWrite(p []byte) (n int, err error)
	// write waits until the stream takes at least one byte, or fails. It is for
	// streams that cannot call.
	write(p []byte) (n int, err error)
	// callWritable asks for outbox.writable to be called: when the stream can
	// take something, or with now as soon as somebody has time. It is for
	// streams that can call.
	callWritable(now bool)
	// interrupt ends the reading, as the end of the input would.
	interrupt()
	// drain reads and forgets, until the client has closed its side or the time
	// is up. It is called behind the end of the reading.
	drain(until time.Time)
	// closeWrite ends the output, so that the client sees the end of the
	// stream behind what was written; close where that cannot be told apart.
	closeWrite() error
	// close ends both directions and wakes whoever waits.
	close() error
}

// plainTransport serves any net.Conn. It never writes without waiting: its
// output always goes through the writer goroutine.
type plainTransport struct {
	net.Conn
	// size is what the next read asks for, in bytes: little while little comes,
	// since a read that waits holds its buffer.
	size int
}

// read waits for input.
func (t *plainTransport) read(in *inbox) (int, error) {
	room := in.room(max(t.size, minBuffer))
	n, err := t.Read(room)
	switch {
	case n == len(room):
		t.size = min(4*n, readBuffer)
	case n < t.size/4:
		t.size /= 4
	}
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (t *plainTransport) tryWrite([]byte) (int, error) { return 0, nil }
func (t *plainTransport) callWritable(bool)            {}
func (t *plainTransport) interrupt()                   { _ = t.SetReadDeadline(time.Unix(1, 0)) }
func (t *plainTransport) close() error                 { return t.Close() }

// writeChunk is what a plain write gives the connection at once. A client is
// slow when it takes less than this in the time of the write deadline.
const writeChunk = 32 << 10

func (t *plainTransport) write(p []byte) (int, error) { return t.Write(p[:min(len(p), writeChunk)]) }

func (t *plainTransport) drain(until time.Time) {
	if t.SetReadDeadline(until) != nil {
		return
	}
	b := getBuffer(readBuffer)
	defer putBuffer(b)
	for {
		if _, err := t.Read(b[:cap(b)]); err != nil {
			return
		}
	}
}

func (t *plainTransport) closeWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return t.Close()
}
