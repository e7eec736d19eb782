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
	parseError      closeReason = "Parse Error"
	payloadExceeded closeReason = "Maximum Message Payload Exceeded"
	lineExceeded    closeReason = "Maximum Control Line Exceeded"
	badProtocol     closeReason = "Bad Client Protocol Version"
	needsHeaders    closeReason = "No Responders Requires Headers"
	unauthorized    closeReason = "Authentication Failure"
	staleConnection closeReason = "Stale Connection"
	slowPending     closeReason = "Slow Consumer (Pending Bytes)"
	slowDeadline    closeReason = "Slow Consumer (Write Deadline)"
	tooSilent       closeReason = "Authentication Timeout"
	memoryBudget    closeReason = "Memory Budget Exceeded" // nats-server has none
	tooManyClients  closeReason = "Maximum Connections Exceeded"
	serverShutdown  closeReason = "Server Shutdown"
	finished        closeReason = ""
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// reason tells why a connection ended that broke the protocol.
func (v *violation) reason() closeReason {
	switch {
	case v.text == textControlLine:
		return lineExceeded
	case v.text == textMaxPayload:
		return payloadExceeded
	case v.text == textInvalidProtocol:
		return badProtocol
	case v.text == textNoHeaders:
		return needsHeaders
	case v.text == textAuthorization:
		return unauthorized
	case errors.Is(v.cause, errPeerError):
		return parseError
	}
	return protocolError
}

// readReason tells why reading from a client ended.
func readReason(err error) closeReason {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return clientClosed
	}
	return readError
}
