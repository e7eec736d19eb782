package front

import (
	"slices"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// messagesLimit bounds the published messages remembered; the oldest go first.
const messagesLimit = 1 << 16

// messages are those that Publish has published, numbered from 1, and whether a
// client was handed them. Guarded by Front.mu.
type messages struct {
	list   []message
	first  int              // number of list[0]
	bySum  map[uint64][]int // numbers not yet handed to anybody, in order
	inited bool
}

type message struct {
	subject string
	sum     uint64
	handed  bool
}

// add numbers a message.
func (m *messages) add(to string, data []byte) int {
	if !m.inited {
		m.bySum, m.first, m.inited = make(map[uint64][]int), 1, true
	}
	if len(m.list) == messagesLimit {
		m.drop(messagesLimit / 4)
	}
	sum := sumOf(to, data)
	id := m.first + len(m.list)
	m.list = append(m.list, message{subject: to, sum: sum})
	m.bySum[sum] = append(m.bySum[sum], id)
	return id
}

// drop forgets the oldest n.
func (m *messages) drop(n int) {
	m.list = slices.Delete(m.list, 0, n)
	m.first += n
	for sum, ids := range m.bySum {
		if ids = slices.DeleteFunc(ids, func(id int) bool { return id < m.first }); len(ids) == 0 {
			delete(m.bySum, sum)
		} else {
			m.bySum[sum] = ids
		}
	}
}

// passing notes that a client is being handed a message, and returns its number, 0 if it
// is none of these. Of those that are alike it is the oldest that nobody was handed.
func (m *messages) passing(d Direction, e *entry) int {
	if d != FromBroker || e.kind != wire.Msg && e.kind != wire.HMsg {
		return 0
	}
	ids := m.bySum[e.sum]
	if len(ids) == 0 {
		return 0
	}
	m.list[ids[0]-m.first].handed = true
	if m.bySum[e.sum] = ids[1:]; len(ids) == 1 {
		delete(m.bySum, e.sum)
	}
	return ids[0]
}

// failed takes back what passing has noted.
func (m *messages) failed(id int) {
	if id < m.first {
		return
	}
	sum := m.list[id-m.first].sum
	m.list[id-m.first].handed = false
	ids := append(m.bySum[sum], id)
	slices.Sort(ids)
	m.bySum[sum] = ids
}

// published returns the numbers of the messages on subjects that a pattern
// matches; with missed only of those that no client was handed.
func (m *messages) published(pattern string, missed bool) (ids []int) {
	for i := range m.list {
		if subject.Match(pattern, m.list[i].subject) && !(missed && m.list[i].handed) {
			ids = append(ids, m.first+i)
		}
	}
	return ids
}
