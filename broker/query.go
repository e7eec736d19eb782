package broker

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
)

// query reads the parameters of a request; the first that is wrong stays in err.
type query struct {
	values url.Values
	err    error
}

func (q *query) fail(err error) { q.err = cmp.Or(q.err, err) }

func (q *query) boolean(name string) bool {
	text := q.values.Get(name)
	if text == "" {
		return false
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		q.fail(fmt.Errorf("Error decoding boolean for '%s': %w", name, err))
	}
	return value
}

func (q *query) number(name string) uint64 {
	text := q.values.Get(name)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		q.fail(fmt.Errorf("Error decoding uint64 for '%s': %w", name, err))
	}
	return value
}

// page returns offset and limit within sane bounds.
func (q *query) page() (offset, limit int) {
	whole := func(name string) int {
		text := q.values.Get(name)
		if text == "" {
			return 0
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			q.fail(fmt.Errorf("Error decoding int for '%s': %w", name, err))
		}
		return value
	}
	offset, limit = max(whole("offset"), 0), whole("limit")
	if limit <= 0 {
		limit = defaultListed
	}
	return offset, min(limit, maxListed)
}
