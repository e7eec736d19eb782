package broker

import (
	"bytes"
	"fmt"

	"vigil/internal/wire"
)

// reservedQueue is a queue name that nats-server keeps for itself.
const reservedQueue = "_sys_"

// Subjects that nats-server keeps for traffic between servers. A client that
// could publish to them, or have replies sent there, could speak in a server's
// name on a cluster that this broker's clients also use.
var (
	reservedSubjects = [][]byte{[]byte("_GR_."), []byte("$GR."), []byte("$NRG.")}
	reservedReplies  = [][]byte{[]byte("_R_."), []byte("_GR_."), []byte("$JS.ACK.")}
)

// reserved returns the -ERR text for a message to a reserved subject or with a
// reserved reply, "" for any other.
func reserved(op *wire.Op) string {
	if hasReservedPrefix(op.Subject, reservedSubjects) {
		return fmt.Sprintf("Permissions Violation for Publish to %q", op.Subject)
	}
	if hasReservedPrefix(op.Reply, reservedReplies) {
		return fmt.Sprintf("Permissions Violation for Publish with Reply of %q", op.Reply)
	}
	return ""
}

func hasReservedPrefix(s []byte, prefixes [][]byte) bool {
	if len(s) == 0 || s[0] != '_' && s[0] != '$' {
		return false
	}
	for _, p := range prefixes {
		if bytes.HasPrefix(s, p) && len(s) > len(p) {
			return true
		}
	}
	return false
}
