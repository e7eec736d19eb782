package broker

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"

	"vigil/internal/subject"
)

// subsz is the answer to /subsz, in nats-server's form. What nats-server tells
// of its cache is 0 here: publishers keep the routes they use themselves, and
// do not count on the way of a message.
type subsz struct {
	ID           string      `json:"server_id"`
	Now          time.Time   `json:"now"`
	NumSubs      uint32      `json:"num_subscriptions"`
	NumCache     uint32      `json:"num_cache"`
	NumInserts   uint64      `json:"num_inserts"`
	NumRemoves   uint64      `json:"num_removes"`
	NumMatches   uint64      `json:"num_matches"`
	CacheHitRate float64     `json:"cache_hit_rate"`
	MaxFanout    uint32      `json:"max_fanout"`
	AvgFanout    float64     `json:"avg_fanout"`
	Total        int         `json:"total"`
	Offset       int         `json:"offset"`
	Limit        int         `json:"limit"`
	Subs         []subDetail `json:"subscriptions_list,omitempty"`
}

// subDetail is one subscription, as /subsz and /connz?subs=detail tell it.
type subDetail struct {
	Account string `json:"account,omitempty"`
	Subject string `json:"subject"`
	Queue   string `json:"qgroup,omitempty"`
	SID     string `json:"sid"`
	Msgs    int64  `json:"msgs"`
	Max     int64  `json:"max,omitempty"`
	CID     uint64 `json:"cid"`
}

func (s *subscription) detail() subDetail {
	limit := max(s.max.Load(), 0)
	if limit == exactly {
		limit = 0
	}
	return subDetail{
		Subject: s.subject(),
		Queue:   s.queue(),
		SID:     s.sid(),
		Msgs:    s.delivered.Load(),
		Max:     limit,
		CID:     s.owner.id,
	}
}

// subszOptions is the query of /subsz.
type subszOptions struct {
	subs          bool
	test          string
	nobody        bool // an account is asked for that there is not
	offset, limit int
}

func parseSubsz(q url.Values) (o subszOptions, err error) {
	p := query{values: q}
	o.subs = p.boolean("subs")
	o.offset, o.limit = p.page()
	o.test = q.Get("test")
	o.nobody = q.Get("acc") != "" && q.Get("acc") != account
	if o.test != "" && !subject.ValidPublish([]byte(o.test)) {
		p.fail(fmt.Errorf("invalid test subject, must be valid publish subject: %s", o.test))
	}
	return o, p.err
}

// subsz tells about the subscriptions, and lists them if asked to.
func (b *Broker) subsz(o subszOptions) *subsz {
	answer := &subsz{ID: b.info.ServerID, Now: time.Now().UTC(), Offset: o.offset, Limit: o.limit}
	if o.nobody {
		return answer
	}
	b.routes.mu.RLock()
	answer.NumSubs = uint32(b.routes.router.count)
	answer.NumInserts, answer.NumRemoves = b.routes.inserts, b.routes.removes
	b.routes.mu.RUnlock()
	switch {
	case !o.subs:
	case o.test != "":
		var m match
		b.routes.match([]byte(o.test), &m)
		subs := m.plain
		for _, g := range m.groups {
			subs = append(subs, g.members...)
		}
		slices.SortFunc(subs, bySID)
		answer.Total = len(subs)
		from, to := window(len(subs), o.offset, o.limit)
		answer.Subs = details(subs[from:to])
	default:
		answer.Subs, answer.Total = b.pageOfSubs(o.offset, o.limit)
	}
	room := answerRoom(maxAnswer)
	answer.Subs = room.fit(answer.Subs)
	for i := range answer.Subs {
		answer.Subs[i].Account = account
	}
	return answer
}

// pageOfSubs lists subscriptions by client and sid. Only clients whose
// subscriptions are on the page are looked at one by one.
func (b *Broker) pageOfSubs(offset, limit int) (page []subDetail, total int) {
	clients, _ := b.connections(true, false)
	slices.SortFunc(clients, func(x, y *client) int { return cmp.Compare(x.id, y.id) })
	for _, c := range clients {
		n := b.routes.countOf(c)
		if first := total; n > 0 && offset < first+n && len(page) < limit {
			subs := b.routes.subsOf(c)
			slices.SortFunc(subs, bySID)
			from, to := window(len(subs), offset-first, limit-len(page))
			page = append(page, details(subs[from:to])...)
			n = len(subs)
		}
		total += n
	}
	return page, total
}

// bySID orders subscriptions by client, and then as sids are counted up.
func bySID(x, y *subscription) int {
	return cmp.Or(
		cmp.Compare(x.owner.id, y.owner.id),
		cmp.Compare(len(x.sid()), len(y.sid())),
		cmp.Compare(x.sid(), y.sid()))
}

func details(subs []*subscription) []subDetail {
	list := make([]subDetail, len(subs))
	for i, s := range subs {
		list[i] = s.detail()
	}
	return list
}

// subsLeft is what a client had subscribed to when it ended.
type subsLeft struct {
	number int
	subs   []subDetail // within maxSubsLeft and maxSubsText
}

// leave ends every subscription of a client and returns what they were.
func (t *routing) leave(c *client) subsLeft {
	left := subsLeft{number: t.countOf(c), subs: t.detailsOf(c, maxSubsLeft)}
	size := 0
	for i, s := range left.subs {
		if size += len(s.Subject) + len(s.Queue) + len(s.SID); size > maxSubsText {
			left.subs = slices.Clone(left.subs[:i])
			break
		}
	}
	t.removeAll(c)
	return left
}

func (t *routing) countOf(c *client) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return c.subs.len()
}

// subsOf returns the client's subscriptions in no order.
func (t *routing) subsOf(c *client) []*subscription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	subs := make([]*subscription, 0, c.subs.len())
	return slices.AppendSeq(subs, c.subs.values())
}

// detailsOf describes some of a client's subscriptions, limit at most: the
// first by sid if it has no more than that.
func (t *routing) detailsOf(c *client, limit int) []subDetail {
	t.mu.RLock()
	subs := make([]*subscription, 0, min(limit, c.subs.len()))
	for s := range c.subs.values() {
		if len(subs) == limit {
			break
		}
		subs = append(subs, s)
	}
	t.mu.RUnlock()
	slices.SortFunc(subs, bySID)
	return details(subs)
}
