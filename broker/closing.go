package broker

import (
	"errors"
	"io"
	"net"
	"os"
)

// closeReason says why a client's connection ended, in nats-server's words.
type closeReason string

const (
	clientClosed    closeReason = "Client Closed"
	readError       closeReason = "Read Error"
	writeError      closeReason = "Write Error"
	protocolError   closeReason = "Protocol Violation"
	staleConnection closeReason = "Stale Connection"
	slowPending     closeReason = "Slow Consumer (Pending Bytes)"
	slowDeadline    closeReason = "Slow Consumer (Write Deadline)"
	tooManyClients  closeReason = "Maximum Connections Exceeded"
	serverShutdown  closeReason = "Server Shutdown"
	finished        closeReason = ""
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// readReason tells why reading from a client ended.
func readReason(err error) closeReason {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return clientClosed
	}
	return readError
}
