package bench

import (
	"fmt"
	"math/rand/v2"
)

// flow is a pattern of traffic: who publishes what to whom.
type flow struct {
	// publishers and subscribers are connections. Every publisher publishes
	// to all subjects by turns, and every subscriber subscribes to all.
	publishers, subscribers int
	// size is that of the payload, in bytes.
	size int
	// queue is the queue group that the subscribers form, "" for none.
	queue string
	// header is the header block of every message, "" for none.
	header string
	// subjects are what is published to, by turns; all of one length.
	subjects []string
	// patterns are what is subscribed to; nil for subjects. They have sids
	// from firstSID on.
	patterns []string
	// routes holds the index of the one pattern that each subject matches; nil
	// if the subject and the pattern of the same index go together.
	routes []int
	// firstSID is the first subscription's number: with as many digits as the
	// last one's, so that all deliveries are of one length.
	firstSID int
}

// Sizes of the load generator's own making.
const (
	// chunkSize is about what a publisher writes at once, in bytes.
	chunkSize = 128 << 10
	// chunkLeast is how many messages a publisher writes at once at least.
	chunkLeast = 4
	// ahead is how much may be published and not yet delivered, in bytes, all
	// deliveries together: several times what a broker reads and writes at
	// once, and below every broker's limit for a slow consumer.
	ahead = 64 << 20
	// aheadEach is that for one subscriber, in bytes.
	aheadEach = 8 << 20
)

// one is the flow of plain messages of one subject.
func one(publishers, subscribers, size int) flow {
	return flow{publishers: publishers, subscribers: subscribers, size: size, subjects: []string{"bench.flow"}, firstSID: 1}
}

// manySubjects is a flow of one publisher and one subscriber with a
// subscription for each of n subjects.
func manySubjects(n, size int) flow {
	f := flow{publishers: 1, subscribers: 1, size: size, firstSID: n}
	for i := range n {
		f.subjects = append(f.subjects, fmt.Sprintf("bench.s%0*d.x", digits(n-1), i))
	}
	return f
}

// manyWildcards is a flow of one publisher and one subscriber with n
// subscriptions, each with a wildcard, to subjects in random order that are all
// different: whoever remembers subjects gains little. The order is the same
// in every run.
func manyWildcards(n, size int) flow {
	random := rand.New(rand.NewPCG(1, 2))
	f := flow{publishers: 1, subscribers: 1, size: size, firstSID: n, routes: random.Perm(n)}
	width := digits(n - 1)
	for i := range n {
		// Of each, half: * in the middle and > at the end.
		format := "bench.%0*d.*.end"
		if i%2 == 1 {
			format = "bench.%0*d.>"
		}
		f.patterns = append(f.patterns, fmt.Sprintf(format, width, i))
	}
	for _, route := range f.routes {
		f.subjects = append(f.subjects, fmt.Sprintf("bench.%0*d.%04d.end", width, route, random.IntN(10_000)))
	}
	return f
}

// digits is how many n has.
func digits(n int) int { return len(fmt.Sprint(n)) }

// message returns the message with which a publisher begins its turn for
// subject i.
func (f flow) message(i int, payload []byte) message {
	route := i
	if f.routes != nil {
		route = f.routes[i]
	}
	return message{subject: f.subjects[i], sid: f.firstSID + route, header: f.header, payload: payload}
}

// numberedMessage returns a publisher's message of that number, with the number
// at the front of the payload. It overwrites payload.
func (f flow) numberedMessage(publisher, sequence int, payload []byte) message {
	putNumber(payload, publisher, sequence)
	return f.message(sequence%len(f.subjects), payload)
}

// subscriptions returns what each subscriber says, and how many subscriptions
// that are.
func (f flow) subscriptions(d dialect) ([]byte, int) {
	patterns := f.patterns
	if patterns == nil {
		patterns = f.subjects
	}
	var b []byte
	for i, pattern := range patterns {
		b = d.appendSubscribe(b, pattern, f.queue, f.firstSID+i)
	}
	return b, len(patterns)
}

// stride is the length of a delivery, in bytes.
func (f flow) stride(d dialect) int {
	return len(d.appendDelivery(nil, f.message(0, plain(f.size))))
}

// tape is what each subscriber expects in a measured round.
func (f flow) tape(d dialect) (*tape, error) {
	payload := plain(f.size)
	var b []byte
	for i := range f.subjects {
		b = d.appendDelivery(b, f.message(i, payload))
	}
	return newTape(b, f.stride(d))
}

// copies is how many deliveries a message has.
func (f flow) copies() int {
	if f.queue != "" || f.subscribers == 0 {
		return 1
	}
	return f.subscribers
}

// limit is how many messages may be published and not yet delivered.
func (f flow) limit(d dialect) int64 {
	bytes := min(aheadEach, ahead/f.copies())
	return int64(max(bytes/f.stride(d), 2*f.publishers*f.chunk(d)))
}

// chunk is how many messages a publisher writes at once: where there are many
// subjects, a part of them without remainder.
func (f flow) chunk(d dialect) int {
	n := max(chunkSize/len(d.appendPublish(nil, f.message(0, plain(f.size)))), chunkLeast)
	if len(f.subjects) == 1 {
		return n
	}
	for len(f.subjects)%n != 0 {
		n--
	}
	return n
}

// chunks is what a publisher writes in a measured round, over and over.
func (f flow) chunks(d dialect) [][]byte {
	n, payload := f.chunk(d), plain(f.size)
	ask := ""
	if f.subscribers == 0 {
		ask, _ = d.acknowledged()
	}
	var all [][]byte
	for i := 0; i < len(f.subjects); i += n {
		var b []byte
		for k := range n {
			b = d.appendPublish(b, f.message((i+k)%len(f.subjects), payload))
		}
		all = append(all, append(b, ask...))
	}
	return all
}
