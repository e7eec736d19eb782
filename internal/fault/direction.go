package fault

// Direction says which way packets go that are dropped or impaired, as seen from
// a host. Directions add up: ToHost|FromHost is Both.
type Direction uint8

const (
	// ToHost is what is sent to the host.
	ToHost Direction = 1 << iota
	// FromHost is what the host sends.
	FromHost
	// Both is all there is: dropped, the host is cut off.
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
