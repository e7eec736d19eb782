package broker

import (
	"testing"

	"github.com/nats-io/nkeys"
)

// A server's id is what the nkeys library takes for the public key of a server,
// checksum and all.
func TestServerIDIsAnNkey(t *testing.T) {
	for range 20 {
		if id := newServerID(); !nkeys.IsValidPublicServerKey(id) {
			t.Errorf("%s is no server's public key", id)
		}
	}
}
