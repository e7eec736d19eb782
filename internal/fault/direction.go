package fault

// Direction says which packets are dropped, as seen from the broker's host.
// Directions add up: ToHost|FromHost is Both.
type Direction uint8

const (
	// ToHost drops what is sent to the host.
	ToHost Direction = 1 << iota
	// FromHost drops what the host sends.
	FromHost
	// Both cuts the host off.
	Both = ToHost | FromHost
)

// String returns "to host", "from host", "both" or "none".
func (d Direction) String() string {
	switch d & Both {
	case ToHost:
		return "to host"
	case FromHost:
		return "from host"
	case Both:
		return "both"
	}
	return "none"
}

// each returns the single directions that d is made of.
func (d Direction) each() (single []Direction) {
	for _, one := range []Direction{ToHost, FromHost} {
		if d&one != 0 {
			single = append(single, one)
		}
	}
	return single
}

// index is the place of a single direction in an array of two.
func (d Direction) index() int { return int(d >> 1) }
