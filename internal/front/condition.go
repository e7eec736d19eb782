package front

import "time"

// Direction says which way bytes are kept from passing. Directions add up.
type Direction uint8

const (
	// ToBroker is what clients send.
	ToBroker Direction = 1 << iota
	// FromBroker is what the broker sends.
	FromBroker
	// Both is both ways.
	Both = ToBroker | FromBroker
)

// String returns "to the broker", "from the broker", "both ways" or "neither way".
func (d Direction) String() string {
	switch d & Both {
	case ToBroker:
		return "to the broker"
	case FromBroker:
		return "from the broker"
	case Both:
		return "both ways"
	}
	return "neither way"
}

const (
	// queueLimit bounds the bytes that a connection holds in one direction, in
	// the order of what the kernels at both ends would.
	queueLimit = 256 << 10
	// slowLimit is the same for a client that reads slowly: what the broker
	// cannot hand over is to wait in the broker.
	slowLimit = 4 << 10
)

// condition is what is wrong with connections. The zero value is nothing.
type condition struct {
	frozen bool
	hole   Direction
	delay  time.Duration // of each byte, each way
	rate   int           // bytes a second, each way; 0 is no bound
	uptake int           // bytes a second that the client takes; 0 is no bound
}

// with returns the condition of a connection that c and o apply to.
func (c condition) with(o condition) condition {
	return condition{
		frozen: c.frozen || o.frozen,
		hole:   c.hole | o.hole,
		delay:  c.delay + o.delay,
		rate:   slower(c.rate, o.rate),
		uptake: slower(c.uptake, o.uptake),
	}
}

// slower returns the lower of two rates, of which 0 is none.
func slower(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// lane is what a condition means for one direction.
type lane struct {
	held  bool
	delay time.Duration
	rate  int
	limit int // bytes that may wait
}

func (c condition) lane(d Direction) lane {
	l := lane{held: c.frozen || c.hole&d != 0, delay: c.delay, rate: c.rate, limit: queueLimit}
	if d == FromBroker && c.uptake > 0 {
		l.rate, l.limit = slower(c.rate, c.uptake), slowLimit
	}
	return l
}
