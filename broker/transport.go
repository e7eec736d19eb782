package broker

import (
	"net"
	"time"
)

// transport is one client's byte stream, in the three forms the pumps need. A
// TCP or Unix socket serves them with system calls of its own; anything else
// that is a net.Conn with the plain form.
type transport interface {
	// read waits until there is something to read, asks grow for room, and
	// fills it once. grow is called when bytes are there or may be, and shrink
	// before waiting, so that a connection that waits holds no buffer. A
	// transport that cannot tell calls grow before it waits.
	read(in *inbox) (n int, err error)
	// tryWrite writes what the stream takes without waiting. Less than len(p)
	// and no error means that it would have to wait.
	tryWrite(p []byte) (n int, err error)
	// write waits until the stream takes at least one byte, or fails.
	write(p []byte) (n int, err error)
	// setWriteDeadline bounds write; the zero time removes the bound.
	setWriteDeadline(t time.Time) error
	// setReadDeadline bounds read.
	setReadDeadline(t time.Time) error
	// closeWrite ends the output, so that the client sees the end of the
	// stream behind what was written; close where that cannot be told apart.
	closeWrite() error
	// close ends both directions and wakes whoever waits.
	close() error
}

// plainTransport serves any net.Conn. It never writes without waiting: its
// output always goes through the writer goroutine.
type plainTransport struct{ net.Conn }

func (t plainTransport) read(in *inbox) (int, error) {
	n, err := t.Read(in.room())
	if n > 0 {
		return n, nil
	}
	return 0, err
}

func (t plainTransport) tryWrite([]byte) (int, error)       { return 0, nil }
func (t plainTransport) setWriteDeadline(d time.Time) error { return t.SetWriteDeadline(d) }
func (t plainTransport) setReadDeadline(d time.Time) error  { return t.SetReadDeadline(d) }
func (t plainTransport) closeWrite() error                  { return closeWrite(t.Conn) }
func (t plainTransport) close() error                       { return t.Close() }

// writeChunk is what a plain write gives the connection at once. The write
// deadline is for one write, so a client is slow when it takes less than this
// in that time.
const writeChunk = 32 << 10

func (t plainTransport) write(p []byte) (int, error) { return t.Write(p[:min(len(p), writeChunk)]) }

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}
