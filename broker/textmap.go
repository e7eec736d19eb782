package broker

import (
	"iter"
	"maps"
)

// textMap maps texts to values. While it has few entries it is a list, which
// takes a tenth of the memory: most clients have few subscriptions, and most
// levels of the router few branches. It gives memory back as entries go, which
// a map by itself does not. The zero value is empty and ready.
type textMap[V any] struct {
	few  []textEntry[V]
	many map[string]V // instead of few, once there are more than fewTexts
	most int          // the entries that many has been made for
}

type textEntry[V any] struct {
	text  string
	value V
}

const (
	// fewTexts is how many entries a list is as quick for as a map.
	fewTexts = 8
	// shrinkBy is what part of its entries a map must have lost to be made
	// anew, with room for those that are left. Below shrinkFrom it is not worth
	// while.
	shrinkBy, shrinkFrom = 4, 1024
)

func (m *textMap[V]) len() int { return len(m.few) + len(m.many) }

// get returns the value of a text, the zero value if it has none.
func (m *textMap[V]) get(text []byte) (v V) {
	if m.many != nil {
		return m.many[string(text)]
	}
	if i := m.find(string(text)); i >= 0 {
		return m.few[i].value
	}
	return v
}

// find returns where the list holds a text, -1 if it does not.
func (m *textMap[V]) find(text string) int {
	for i := range m.few {
		if m.few[i].text == text {
			return i
		}
	}
	return -1
}

// set gives text a value. From then on the map holds this text, no longer an
// equal one that it was given before, which may be part of something larger.
func (m *textMap[V]) set(text string, v V) {
	if m.many != nil {
		m.many[text] = v // which replaces the key of a string, too
		m.most = max(m.most, len(m.many))
		return
	}
	if i := m.find(text); i >= 0 {
		m.few[i] = textEntry[V]{text, v}
		return
	}
	if len(m.few) < fewTexts {
		m.few = append(m.few, textEntry[V]{text, v})
		return
	}
	m.many = make(map[string]V, 2*fewTexts)
	for _, e := range m.few {
		m.many[e.text] = e.value
	}
	m.few = nil
	m.set(text, v)
}

func (m *textMap[V]) remove(text string) {
	if m.many == nil {
		m.removeFew(text)
		return
	}
	delete(m.many, text)
	switch n := len(m.many); {
	case n == 0:
		*m = textMap[V]{}
	case m.most >= shrinkFrom && n < m.most/shrinkBy:
		left := make(map[string]V, n)
		maps.Copy(left, m.many)
		m.many, m.most = left, n
	}
}

func (m *textMap[V]) removeFew(text string) {
	i := m.find(text)
	if i < 0 {
		return
	}
	last := len(m.few) - 1
	m.few[i] = m.few[last]
	m.few[last] = textEntry[V]{}
	m.few = m.few[:last]
	if last == 0 {
		m.few = nil
	}
}

// values goes through the values, in no order.
func (m *textMap[V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for i := range m.few {
			if !yield(m.few[i].value) {
				return
			}
		}
		for _, v := range m.many {
			if !yield(v) {
				return
			}
		}
	}
}
