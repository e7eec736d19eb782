package broker

import (
	"strings"

	"vigil/internal/subject"
)

// router finds the subscriptions that match a subject. Patterns without a
// wildcard, which most are, stand in one map: a look-up finds them at once,
// however many there are, and none costs more than its entry. The others stand
// in a tree with a level per token. It is a plain data structure; whoever shares
// it guards it. The zero value is empty and ready.
type router struct {
	literal textMap[*subscription] // the first of each subject's
	root    node
	count   int
}

// node is one token of a pattern with wildcards.
type node struct {
	children textMap[*node] // by literal token
	any      *node          // *
	here     *subscription  // the first whose pattern ends with this token
	tail     *subscription  // the first whose pattern goes on with > behind it
}

// match is what a subject leads to.
type match struct {
	plain []*subscription
	// groups holds the members of each queue group, whatever pattern they
	// subscribed to: a group is its name.
	groups []queueGroup
	// byName finds the groups once there are many.
	byName map[string]int
}

type queueGroup struct {
	name    string
	members []*subscription
}

func (r *router) insert(s *subscription) {
	r.count++
	if !subject.HasWildcard(s.subject) {
		if first := r.literal.get([]byte(s.subject)); first != nil {
			s.link(first)
			return
		}
		r.literal.set(s.subject, s)
		return
	}
	slot := r.root.slot(s.subject)
	if *slot != nil {
		s.link(*slot)
		return
	}
	*slot = s
}

// remove takes s out; of what is not there, nothing.
func (r *router) remove(s *subscription) {
	if !subject.HasWildcard(s.subject) {
		first := r.literal.get([]byte(s.subject))
		if !s.linked(first) {
			return
		}
		r.count--
		switch left := s.unlink(first); {
		case left == nil:
			r.literal.remove(s.subject)
		case left != first:
			r.literal.set(left.subject, left)
		}
		return
	}
	if r.root.remove(s.subject, s) {
		r.count--
	}
}

// A pattern's subscriptions are a list that goes through themselves: the first
// has none before it.

// link puts s into the list that begins with first.
func (s *subscription) link(first *subscription) {
	s.before, s.behind = first, first.behind
	if s.behind != nil {
		s.behind.before = s
	}
	first.behind = s
}

// linked reports whether s is in the list that begins with first.
func (s *subscription) linked(first *subscription) bool {
	return first == s || first != nil && s.before != nil
}

// unlink takes s out of the list that begins with first, and returns what this
// begins with then.
func (s *subscription) unlink(first *subscription) *subscription {
	if first == s {
		first = s.behind
	}
	if s.before != nil {
		s.before.behind = s.behind
	}
	if s.behind != nil {
		s.behind.before = s.before
	}
	s.before, s.behind = nil, nil
	return first
}

// slot returns where a pattern's list begins, making the way to it.
func (n *node) slot(pattern string) **subscription {
	for {
		token, rest, more := subject.Cut(pattern)
		if !more && token == ">" {
			return &n.tail
		}
		next := n.child(token)
		if next == nil {
			next = n.grow(token)
		}
		if !more {
			return &next.here
		}
		n, pattern = next, rest
	}
}

// child returns the branch for a pattern's token, nil if there is none.
func (n *node) child(token string) *node {
	if token == "*" {
		return n.any
	}
	return n.children.get([]byte(token))
}

func (n *node) grow(token string) *node {
	child := new(node)
	if token == "*" {
		n.any = child
		return child
	}
	// A copy: the token is part of a pattern that may go before the branch.
	n.children.set(strings.Clone(token), child)
	return child
}

// remove removes s below n, where the rest of its pattern leads, and the
// branches that hold nothing afterwards. It goes as deep as the pattern has
// tokens, which the length of a control line bounds.
func (n *node) remove(rest string, s *subscription) bool {
	token, rest, more := subject.Cut(rest)
	if !more && token == ">" {
		if !s.linked(n.tail) {
			return false
		}
		n.tail = s.unlink(n.tail)
		return true
	}
	child := n.child(token)
	switch {
	case child == nil:
		return false
	case more:
		if !child.remove(rest, s) {
			return false
		}
	case !s.linked(child.here):
		return false
	default:
		child.here = s.unlink(child.here)
	}
	if child.empty() {
		n.drop(token)
	}
	return true
}

func (n *node) drop(token string) {
	if token == "*" {
		n.any = nil
		return
	}
	n.children.remove(token)
}

func (n *node) empty() bool {
	return n.children.len() == 0 && n.any == nil && n.here == nil && n.tail == nil
}

// match collects the subscriptions whose pattern matches a published subject
// into m, which is empty. A subject with an empty token matches nothing.
func (r *router) match(published []byte, m *match) {
	m.add(r.literal.get(published))
	if r.root.empty() {
		return
	}
	for token, rest, more := subject.Cut(published); ; token, rest, more = subject.Cut(rest) {
		if len(token) == 0 {
			return
		}
		if !more {
			break
		}
	}
	r.root.collect(published, m)
}

// reset empties m and keeps its memory.
func (m *match) reset() {
	clear(m.plain)
	clear(m.groups)
	m.plain, m.groups, m.byName = m.plain[:0], m.groups[:0], nil
}

func (n *node) collect(rest []byte, m *match) {
	token, rest, more := subject.Cut(rest)
	m.add(n.tail)
	if child := n.children.get(token); child != nil {
		child.visit(rest, more, m)
	}
	if n.any != nil {
		n.any.visit(rest, more, m)
	}
}

func (n *node) visit(rest []byte, more bool, m *match) {
	if more {
		n.collect(rest, m)
		return
	}
	m.add(n.here)
}

// each goes through the subscriptions that match.
func (m *match) each(f func(*subscription)) {
	for _, s := range m.plain {
		f(s)
	}
	for i := range m.groups {
		for _, s := range m.groups[i].members {
			f(s)
		}
	}
}

// add adds the list that begins with s.
func (m *match) add(s *subscription) {
	for ; s != nil; s = s.behind {
		if s.queue == "" {
			m.plain = append(m.plain, s)
			continue
		}
		g := m.group(s.queue)
		g.members = append(g.members, s)
	}
}

// manyGroups is how many queue groups a list is as quick for as a map.
const manyGroups = 8

func (m *match) group(name string) *queueGroup {
	if m.byName != nil {
		if i, ok := m.byName[name]; ok {
			return &m.groups[i]
		}
	} else {
		for i := range m.groups {
			if m.groups[i].name == name {
				return &m.groups[i]
			}
		}
	}
	m.groups = append(m.groups, queueGroup{name: name})
	last := len(m.groups) - 1
	switch {
	case m.byName != nil:
		m.byName[name] = last
	case last == manyGroups:
		m.byName = make(map[string]int, 2*manyGroups)
		for i := range m.groups {
			m.byName[m.groups[i].name] = i
		}
	}
	return &m.groups[last]
}
