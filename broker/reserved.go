package broker

import (
	"fmt"

	"vigil/internal/wire"
)

// reservedQueue is a queue name that nats-server keeps for itself.
const reservedQueue = "_sys_"

// Subjects that nats-server keeps for traffic between servers. A client that
// could publish to them, or have replies sent there, could speak in a server's
// name on a cluster that this broker's clients also use.
var (
	reservedSubjects = []prefix{{"_GR_.", 1}, {"$GR.", 1}, {"$NRG.", 0}}
	reservedReplies  = []prefix{{"_R_.", 0}, {"_GR_.", 1}, {"$GR.", 1}, {"$JS.ACK.", 1}}
)

// prefix is a reserved beginning with at least so many bytes behind it.
type prefix struct {
	text   string
	behind int
}

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

func hasReservedPrefix(s []byte, prefixes []prefix) bool {
	if len(s) == 0 || s[0] != '_' && s[0] != '$' {
		return false
	}
	for _, p := range prefixes {
		if len(s) >= len(p.text)+p.behind && string(s[:len(p.text)]) == p.text {
			return true
		}
	}
	return false
}
