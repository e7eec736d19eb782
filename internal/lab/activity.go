package lab

// Activity is what happens on the connections of the contenders while a fault
// does.
type Activity string

const (
	// IdleActivity is a subscriber to whom nothing is published.
	IdleActivity Activity = "idle"
	// Receiving is a subscriber of some 20 messages a second.
	Receiving Activity = "receiving"
	// Publishing is a client that receives as above, and publishes 4 MB/s.
	Publishing Activity = "publishing"
)

// Activities lists them in the order of the report.
func Activities() []Activity { return []Activity{IdleActivity, Receiving, Publishing} }
