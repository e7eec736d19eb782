package brokertest

import "testing"

// Publish publishes a message to the broker directly, past all faults. When it returns
// the broker has routed it. Messages are numbered from 1, whatever their subjects; it
// returns the number.
func (b *Broker) Publish(t testing.TB, subject string, data []byte) (id int) {
	t.Helper()
	ctx, cancel, _ := b.begin(t, nil)
	defer cancel()
	id, err := b.f.Publish(ctx, subject, data)
	if err != nil {
		t.Fatalf("brokertest: %v", err)
	}
	return id
}

// Missed returns the numbers of the messages published by Publish to subject, which
// may be a pattern, that no client was handed. A client that was handed one may still
// have lost it: see AssertDelivered. Messages are told apart by subject and payload; of
// equal ones the earliest counts as handed over. The last 65,536 are remembered.
func (b *Broker) Missed(subject string) []int { return b.f.Missed(subject) }

// AssertDelivered fails the test unless ids, the numbers of messages that the client
// under test says it got, are each of the numbers that Publish returned for subject,
// which may be a pattern, once. The order does not matter.
func (b *Broker) AssertDelivered(t testing.TB, subject string, ids []int) {
	t.Helper()
	if err := b.f.CheckDelivered(subject, ids); err != nil {
		t.Errorf("brokertest: %v", err)
	}
}
