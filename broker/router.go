package broker

import (
	"vigil/internal/subject"
)

// router finds the subscriptions that match a subject: a tree with a level per
// token. It is a plain data structure; whoever shares it guards it.
type router struct {
	root  node
	count int
}

// node is one token of a subject pattern.
type node struct {
	children map[string]*node // by literal token
	any      *node            // *
	here     subscribers      // patterns that end with this token
	tail     subscribers      // patterns that go on with > behind it
}

// subscribers are the subscriptions to one pattern.
type subscribers struct {
	plain  []*subscription
	groups map[string][]*subscription // by queue name
}

// match is what a subject leads to.
type match struct {
	plain []*subscription
	// groups holds the members of each queue group, whatever pattern they
	// subscribed to: a group is its name.
	groups []queueGroup
}

type queueGroup struct {
	name    string
	members []*subscription
}

func (r *router) insert(s *subscription) {
	list := r.find(s.subject, true)
	list.add(s)
	r.count++
}

func (r *router) remove(s *subscription) {
	if removeFrom(&r.root, []byte(s.subject), s) {
		r.count--
	}
}

// find returns the subscribers to a pattern; with create the way to them is
// made where it is missing.
func (r *router) find(pattern string, create bool) *subscribers {
	n := &r.root
	rest, more := []byte(pattern), true
	for more {
		var token []byte
		token, rest, more = subject.Cut(rest)
		if !more && isTail(token) {
			return &n.tail
		}
		next := n.child(token)
		if next == nil {
			if !create {
				return nil
			}
			next = n.grow(token)
		}
		n = next
	}
	return &n.here
}

func isAny(token []byte) bool  { return len(token) == 1 && token[0] == '*' }
func isTail(token []byte) bool { return len(token) == 1 && token[0] == '>' }

// child returns the branch for a pattern's token, nil if there is none.
func (n *node) child(token []byte) *node {
	if isAny(token) {
		return n.any
	}
	return n.children[string(token)]
}

func (n *node) grow(token []byte) *node {
	child := new(node)
	if isAny(token) {
		n.any = child
		return child
	}
	if n.children == nil {
		n.children = make(map[string]*node, 1)
	}
	n.children[string(token)] = child
	return child
}

// removeFrom removes s below n, where the rest of its pattern leads, and the
// branches that hold nothing afterwards. It goes as deep as the pattern has
// tokens, which the length of a control line bounds.
func removeFrom(n *node, rest []byte, s *subscription) bool {
	token, rest, more := subject.Cut(rest)
	if !more && isTail(token) {
		return n.tail.remove(s)
	}
	child := n.child(token)
	if child == nil {
		return false
	}
	removed := false
	if more {
		removed = removeFrom(child, rest, s)
	} else {
		removed = child.here.remove(s)
	}
	if removed && child.empty() {
		if isAny(token) {
			n.any = nil
		} else {
			n.drop(token)
		}
	}
	return removed
}

// drop forgets a literal child. A map never shrinks, so an empty one goes.
func (n *node) drop(token []byte) {
	delete(n.children, string(token))
	if len(n.children) == 0 {
		n.children = nil
	}
}

func (n *node) empty() bool {
	return len(n.children) == 0 && n.any == nil && n.here.empty() && n.tail.empty()
}

func (l *subscribers) empty() bool { return len(l.plain) == 0 && len(l.groups) == 0 }

func (l *subscribers) add(s *subscription) {
	if s.queue == "" {
		s.index = len(l.plain)
		l.plain = append(l.plain, s)
		return
	}
	if l.groups == nil {
		l.groups = make(map[string][]*subscription, 1)
	}
	members := l.groups[s.queue]
	s.index = len(members)
	l.groups[s.queue] = append(members, s)
}

func (l *subscribers) remove(s *subscription) bool {
	list := l.plain
	if s.queue != "" {
		list = l.groups[s.queue]
	}
	if s.index >= len(list) || list[s.index] != s {
		return false
	}
	last := len(list) - 1
	list[s.index] = list[last]
	list[s.index].index = s.index
	list[last] = nil
	list = list[:last]
	if last == 0 {
		list = nil
	}
	l.set(s.queue, list)
	return true
}

// set replaces the subscriptions of a queue group, of none for "".
func (l *subscribers) set(queue string, list []*subscription) {
	switch {
	case queue == "":
		l.plain = list
	case list != nil:
		l.groups[queue] = list
	default:
		delete(l.groups, queue)
		if len(l.groups) == 0 {
			l.groups = nil
		}
	}
}

// match collects the subscriptions whose pattern matches a published subject.
// A subject with an empty token matches nothing.
func (r *router) match(published []byte) match {
	var m match
	for token, rest, more := subject.Cut(published); ; token, rest, more = subject.Cut(rest) {
		if len(token) == 0 {
			return m
		}
		if !more {
			break
		}
	}
	r.root.collect(published, &m)
	return m
}

func (n *node) collect(rest []byte, m *match) {
	token, rest, more := subject.Cut(rest)
	m.add(&n.tail)
	if child := n.children[string(token)]; child != nil {
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
	m.add(&n.here)
}

func (m *match) add(l *subscribers) {
	m.plain = append(m.plain, l.plain...)
	for name, members := range l.groups {
		m.join(name, members)
	}
}

func (m *match) join(name string, members []*subscription) {
	for i := range m.groups {
		if g := &m.groups[i]; g.name == name {
			g.members = append(g.members, members...)
			return
		}
	}
	m.groups = append(m.groups, queueGroup{name, append([]*subscription(nil), members...)})
}
