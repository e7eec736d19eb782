package broker

import (
	"strings"

	"vigil/internal/subject"
)

// router finds the subscriptions that match a subject. Patterns without a
// wildcard, which most are, stand in one map: a look-up finds them at once,
// however many there are, and none costs more than its entry. The others stand
// in a tree with a level per token, of which only that is made which tells
// patterns apart: where one pattern alone goes on, it is kept whole, and what
// is left of it is compared. So a look-up among many patterns is few steps, each
// of which the processor would have to wait for, and a pattern costs little
// more than its entry, too. It is a plain data structure; whoever shares it
// guards it. The zero value is empty and ready.
type router struct {
	literal textMap[*subscription] // the first of each subject's
	root    node
	count   int
}

// node is where patterns part that begin with the same tokens.
type node struct {
	children textMap[branch] // by literal token
	any      branch          // *
	here     *subscription   // the first whose pattern ends with these tokens
	tail     *subscription   // the first whose pattern goes on with > behind them
}

// branch is what stands behind one more token: nothing, one pattern, or a node
// if there are several.
type branch struct {
	only *subscription // the first of the pattern
	node *node
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
	if !subject.HasWildcard(s.subject()) {
		if first := r.literal.get([]byte(s.subject())); first != nil {
			s.link(first)
			return
		}
		r.literal.set(s.subject(), s)
		return
	}
	r.root.insert(s, 0)
}

// remove takes s out; of what is not there, nothing.
func (r *router) remove(s *subscription) {
	if !subject.HasWildcard(s.subject()) {
		first := r.literal.get([]byte(s.subject()))
		if !s.linked(first) {
			return
		}
		r.count--
		switch left := s.unlink(first); {
		case left == nil:
			r.literal.remove(s.subject())
		case left != first:
			r.literal.set(left.subject(), left)
		}
		return
	}
	if r.root.remove(s, 0) {
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

// linkTo puts s into the list that begins with *first, or begins it.
func (s *subscription) linkTo(first **subscription) {
	if *first == nil {
		*first = s
		return
	}
	s.link(*first)
}

// insert puts s below n, which the first at bytes of its pattern lead to.
func (n *node) insert(s *subscription, at int) {
	for {
		token, rest, more := subject.Cut(s.subject()[at:])
		if !more && token == ">" {
			s.linkTo(&n.tail)
			return
		}
		b := n.branch(token)
		switch {
		case b.only == nil && b.node == nil:
			n.set(token, branch{only: s})
			return
		case b.only != nil && b.only.subject() == s.subject():
			s.link(b.only)
			return
		case b.only != nil: // another pattern, from which it is to be told
			fork := new(node)
			fork.adopt(b.only, at+len(token)+1)
			b = branch{node: fork}
			// A copy: the token is part of a pattern that may go before the node.
			n.set(strings.Clone(token), b)
		}
		if !more {
			s.linkTo(&b.node.here)
			return
		}
		n, at = b.node, len(s.subject())-len(rest)
	}
}

// adopt puts the list that begins with first below n, which is empty.
func (n *node) adopt(first *subscription, at int) {
	if at > len(first.subject()) {
		n.here = first
		return
	}
	switch token, _, more := subject.Cut(first.subject()[at:]); {
	case !more && token == ">":
		n.tail = first
	default:
		n.set(token, branch{only: first})
	}
}

// branch returns what stands behind a pattern's token.
func (n *node) branch(token string) branch {
	if token == "*" {
		return n.any
	}
	return n.children.get([]byte(token))
}

// set has b stand behind a pattern's token.
func (n *node) set(token string, b branch) {
	switch {
	case token == "*":
		n.any = b
	case b == branch{}:
		n.children.remove(token)
	default:
		n.children.set(token, b)
	}
}

// remove takes s out from below n, which the first at bytes of its pattern lead
// to, and reports whether it was there. Nodes that have nothing to tell apart
// afterwards go. It goes as deep as the pattern has tokens, which the length of a
// control line bounds.
func (n *node) remove(s *subscription, at int) bool {
	token, rest, more := subject.Cut(s.subject()[at:])
	if !more && token == ">" {
		return s.unlinkFrom(&n.tail)
	}
	b := n.branch(token)
	was := b
	switch {
	case b.node == nil:
		if !s.unlinkFrom(&b.only) {
			return false
		}
	case !more:
		if !s.unlinkFrom(&b.node.here) {
			return false
		}
	default:
		if !b.node.remove(s, len(s.subject())-len(rest)) {
			return false
		}
	}
	if b.node != nil {
		if first, ok := b.node.single(); ok {
			b = branch{only: first}
		}
	}
	if b != was {
		if b.only != nil { // the token is part of its pattern now
			token = b.only.subject()[at : at+len(token)]
		}
		n.set(token, b)
	}
	return true
}

// unlinkFrom takes s out of the list that begins with *first and reports whether
// it was there.
func (s *subscription) unlinkFrom(first **subscription) bool {
	if !s.linked(*first) {
		return false
	}
	*first = s.unlink(*first)
	return true
}

// single returns the only pattern below n. It reports false if there are more, or
// none.
func (n *node) single() (first *subscription, ok bool) {
	lists := [...]*subscription{n.here, n.tail, n.any.only}
	count := n.children.len()
	if n.any.node != nil {
		return nil, false
	}
	for _, s := range lists {
		if s != nil {
			first = s
			count++
		}
	}
	if count != 1 {
		return nil, false
	}
	for b := range n.children.values() {
		first = b.only
	}
	return first, first != nil
}

func (n *node) empty() bool {
	return n.children.len() == 0 && n.any == branch{} && n.here == nil && n.tail == nil
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
	r.root.collect(0, published, m)
}

// reset empties m and keeps its memory.
func (m *match) reset() {
	clear(m.plain)
	clear(m.groups)
	m.plain, m.groups, m.byName = m.plain[:0], m.groups[:0], nil
}

// collect collects from below n, which the first at bytes of a pattern lead to,
// what matches the rest of a subject.
func (n *node) collect(at int, rest []byte, m *match) {
	token, rest, more := subject.Cut(rest)
	m.add(n.tail)
	n.children.get(token).collect(at+len(token)+1, rest, more, m)
	n.any.collect(at+len("*."), rest, more, m)
}

func (b branch) collect(at int, rest []byte, more bool, m *match) {
	switch {
	case b.only != nil:
		if b.only.goesOn(at, rest, more) {
			m.add(b.only)
		}
	case b.node == nil:
	case more:
		b.node.collect(at, rest, m)
	default:
		m.add(b.node.here)
	}
}

// goesOn reports whether the pattern matches what is left of a subject, if
// anything is, with what it has itself from index at on.
func (s *subscription) goesOn(at int, rest []byte, more bool) bool {
	if at > len(s.subject()) {
		return !more
	}
	return more && subject.Match(s.subject()[at:], rest)
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
		if s.queue() == "" {
			m.plain = append(m.plain, s)
			continue
		}
		g := m.group(s.queue())
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
