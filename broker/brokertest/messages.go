package brokertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

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
	published := b.f.Published(subject)
	if text := compare(published, ids); text != "" {
		t.Errorf("brokertest: %d messages were published to %q, and %d delivered: %s\n%s",
			len(published), subject, len(ids), text, b.f.Story())
	}
}

// compare says what got lacks of want, has twice and has beyond it; "" is nothing.
func compare(want, got []int) string {
	count := make(map[int]int)
	for _, id := range got {
		count[id]++
	}
	var missing, repeated, unknown []int
	for _, id := range want {
		switch n := count[id]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1:
			repeated = append(repeated, id)
		}
		delete(count, id)
	}
	for id := range count {
		unknown = append(unknown, id)
	}
	slices.Sort(unknown)
	var parts []string
	for _, p := range []struct {
		what string
		ids  []int
	}{{"missing", missing}, {"more than once", repeated}, {"never published", unknown}} {
		if len(p.ids) > 0 {
			parts = append(parts, p.what+" "+ranges(p.ids))
		}
	}
	return strings.Join(parts, "; ")
}

// ranges writes sorted numbers: 1-3, 7. At most 16 ranges are written.
func ranges(ids []int) string {
	const most = 16
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if len(parts) == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(ids)-i))
			break
		}
		if part := fmt.Sprint(ids[i]); i == j {
			parts = append(parts, part)
		} else {
			parts = append(parts, fmt.Sprintf("%s-%d", part, ids[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
