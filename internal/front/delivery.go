package front

import (
	"fmt"
	"slices"
	"strings"
)

// Missed returns the numbers of the messages that Publish has published on subjects
// which pattern matches, and that no client was handed. The last 65,536 of all are
// remembered.
func (f *Front) Missed(pattern string) []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.messages.published(pattern, true)
}

// CheckDelivered returns a *StoryError unless ids are the numbers of the messages that
// Publish has published on subjects which pattern matches, each once, in any order.
func (f *Front) CheckDelivered(pattern string, ids []int) error {
	f.mu.Lock()
	published := f.messages.published(pattern, false)
	f.mu.Unlock()
	text := compare(published, ids)
	if text == "" {
		return nil
	}
	text = fmt.Sprintf("%s published to %q, %d delivered: %s", count(len(published), "message"), pattern, len(ids), text)
	return &StoryError{Text: text, Story: f.Story()}
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
