package bench

import "fmt"

// message is one publish and what becomes of it.
type message struct {
	subject string
	// sid is the number of the subscription that it is delivered to.
	sid int
	// reply is where an answer is expected, "" for nowhere.
	reply string
	// header is its header block, "" for none.
	header  string
	payload []byte
}

// dialect is a protocol as the bytes of its operations.
type dialect interface {
	appendPublish(b []byte, m message) []byte
	// appendDelivery appends what a subscriber receives of m.
	appendDelivery(b []byte, m message) []byte
	appendSubscribe(b []byte, subject, queue string, sid int) []byte
	// greet introduces a new connection; subscriber says what for.
	greet(c *conn, subscriber bool) error
	// confirm waits until n subscriptions that were written to c are in effect.
	confirm(c *conn, n int) error
	// acknowledged tells how a publisher learns that the broker has taken its
	// messages although nobody receives them: ask goes behind the messages of
	// a chunk, and one reply comes for each ask, or for each message if ask is
	// empty.
	acknowledged() (ask, reply string)
	// mute is what a publisher says that wants no replies, "" if it gets none.
	mute() string
	// control judges a line that is no delivery, and returns what to answer.
	control(line []byte) (answer string, err error)
}

// numberDigits is how many decimal digits of a payload tell a publisher and how
// many a message's number: together the smallest payload of any scenario.
const (
	publisherDigits = 4
	sequenceDigits  = 12
	numberDigits    = publisherDigits + sequenceDigits
)

// putNumber writes what begins the payload of a numbered message.
func putNumber(b []byte, publisher, sequence int) {
	putDigits(b[:publisherDigits], publisher)
	putDigits(b[publisherDigits:numberDigits], sequence)
}

// putDigits fills b with the last digits of n.
func putDigits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// readNumber reads what putNumber wrote.
func readNumber(b []byte) (publisher, sequence int, err error) {
	if len(b) < numberDigits {
		return 0, 0, fmt.Errorf("payload of %d bytes has no number", len(b))
	}
	if publisher, err = readDigits(b[:publisherDigits]); err != nil {
		return 0, 0, fmt.Errorf("number of a publisher: %w", err)
	}
	if sequence, err = readDigits(b[publisherDigits:numberDigits]); err != nil {
		return 0, 0, fmt.Errorf("number of a message: %w", err)
	}
	return publisher, sequence, nil
}

// readDigits reads what putDigits wrote.
func readDigits(b []byte) (n int, err error) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is no number", b)
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

// plain is the payload of a message that has no number: size bytes that are no
// part of any protocol.
func plain(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}
