package bench

import "fmt"

// relayDialect is spoken with the raw relay: behind one byte that says which
// end a connection is, the bytes of one come out of the other as they are. They
// are those of NATS publishers.
type relayDialect struct{ natsDialect }

// The first byte of a connection to the relay, which it repeats.
const (
	relaySource      = 'S'
	relayDestination = 'D'
)

func (d relayDialect) appendDelivery(b []byte, m message) []byte { return d.appendPublish(b, m) }

func (relayDialect) appendSubscribe(b []byte, _, _ string, _ int) []byte { return b }

func (relayDialect) greet(c *conn, subscriber bool) error {
	end := byte(relaySource)
	if subscriber {
		end = relayDestination
	}
	if err := c.say(string(end)); err != nil {
		return err
	}
	got, err := c.lines.ReadByte()
	if err == nil && got != end {
		err = fmt.Errorf("want %q, got %q", end, got)
	}
	return noEOF(err)
}

func (relayDialect) confirm(*conn, int) error { return nil }

func (relayDialect) control(line []byte) (answer string, err error) {
	return "", fmt.Errorf("the relay says %q", clip(line))
}
