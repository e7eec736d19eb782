package broker

import (
	"cmp"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// connz is the answer to /connz, in nats-server's form.
type connz struct {
	ID       string      `json:"server_id"`
	Now      time.Time   `json:"now"`
	NumConns int         `json:"num_connections"`
	Total    int         `json:"total"`
	Offset   int         `json:"offset"`
	Limit    int         `json:"limit"`
	Conns    []*connInfo `json:"connections"`
}

// connInfo is one connection of connz.
type connInfo struct {
	CID          uint64      `json:"cid"`
	Kind         string      `json:"kind"`
	Type         string      `json:"type"`
	IP           string      `json:"ip"`
	Port         int         `json:"port"`
	Start        time.Time   `json:"start"`
	LastActivity time.Time   `json:"last_activity"`
	Stop         *time.Time  `json:"stop,omitempty"`
	Reason       string      `json:"reason,omitempty"`
	RTT          string      `json:"rtt"`
	Uptime       string      `json:"uptime"`
	Idle         string      `json:"idle"`
	Pending      int         `json:"pending_bytes"`
	InMsgs       int64       `json:"in_msgs"`
	OutMsgs      int64       `json:"out_msgs"`
	InBytes      int64       `json:"in_bytes"`
	OutBytes     int64       `json:"out_bytes"`
	Stalls       int64       `json:"stalls,omitempty"`
	NumSubs      uint32      `json:"subscriptions"`
	Unheard      int64       `json:"unheard_ms,omitempty"`
	Name         string      `json:"name,omitempty"`
	Lang         string      `json:"lang,omitempty"`
	Version      string      `json:"version,omitempty"`
	Subs         []string    `json:"subscriptions_list,omitempty"`
	SubsDetail   []subDetail `json:"subscriptions_list_detail,omitempty"`

	user   string // who the client said it is
	rtt    time.Duration
	lived  time.Duration
	client *client  // nil for a closed connection
	left   subsLeft // of a closed connection
}

// about is what a client tells of itself in CONNECT, for monitoring.
type about struct{ name, lang, version, user string }

// introduced is called by the read loop behind a CONNECT.
func (c *client) introduced() {
	o := &c.session.options
	c.about.Store(&about{o.Name, o.Lang, o.Version, userOf(o)})
	// An estimate until the first PONG, as of nats-server.
	c.round.last.CompareAndSwap(0, int64(max(time.Since(c.began), 1)))
	if o.Mutual > 0 {
		c.broker.liveness.tellAfter(c, time.Duration(min(o.Mutual, maxMutual.Milliseconds()))*time.Millisecond)
	}
	if o.Was != nil {
		c.tellOfWas(o.Was)
	}
}

// tellOfWas tells a client that came back when its old connection was last
// heard, if that is still known.
func (c *client) tellOfWas(was *wire.Was) {
	b := c.broker
	if was.ServerID != b.info.ServerID || c.session.options.Protocol < 1 {
		return
	}
	var heard time.Time
	b.mu.Lock()
	if old := b.clients[was.ClientID]; old != nil {
		heard = b.started.Add(time.Duration(old.heard.Load()))
	} else if gone := b.gone.find(was.ClientID); gone != nil {
		heard = gone.LastActivity
	}
	b.mu.Unlock()
	if heard.IsZero() {
		return
	}
	ago := time.Since(heard).Milliseconds()
	info := b.infoFor(c)
	info.WasHeard = &ago
	own := c.publish.own()
	own.buf = wire.AppendInfo(own.buf, info)
}

// toldUnheard notes what a client's PING says of how long it has not heard us.
func (c *client) toldUnheard(arg []byte) {
	if age, ok := wire.ParsePing(arg); ok {
		c.unheard.Store(age.Milliseconds())
	}
}

// userOf returns what a client says it is, in the form and order that nats-server
// has for it. Nobody checks it.
func userOf(o *wire.ConnectLine) string {
	switch {
	case o.NKey != "" || o.User != "":
		return cmp.Or(o.NKey, o.User)
	case o.JWT == "" && o.AuthToken != "":
		return "[REDACTED]"
	}
	return ""
}

// roundTrip measures the time from a PING to its PONG.
type roundTrip struct {
	pinged atomic.Int64 // nanoseconds of Unix time; 0 while no PING is out
	last   atomic.Int64 // nanoseconds; 0 is unknown
}

func (r *roundTrip) begins() { r.pinged.CompareAndSwap(0, time.Now().UnixNano()) }

func (r *roundTrip) ended() {
	if since := r.pinged.Swap(0); since != 0 {
		r.last.Store(max(time.Now().UnixNano()-since, 1))
	}
}

// address returns the client's IP and port, neither if it has none.
func (c *client) address() (ip string, port int) {
	host, text, err := net.SplitHostPort(c.remote)
	if err != nil {
		return "", 0
	}
	n, _ := strconv.ParseUint(text, 10, 16)
	return host, int(n)
}

// describe tells about the client as it is now, without its subscriptions.
func (c *client) describe(now time.Time) *connInfo {
	heard := c.broker.started.Add(time.Duration(c.heard.Load()))
	figures := c.traffic()
	rtt := time.Duration(c.round.last.Load())
	if rtt > time.Microsecond && rtt < time.Millisecond {
		rtt = rtt.Truncate(time.Microsecond)
	}
	info := &connInfo{
		CID: c.id, Kind: "Client", Type: "nats",
		Start: c.began.UTC(), LastActivity: heard.UTC(),
		RTT: rtt.String(), rtt: rtt,
		Uptime: uptime(now.Sub(c.began)), Idle: uptime(now.Sub(heard)),
		lived:   now.Sub(c.began),
		Pending: c.out.waiting(),
		InMsgs:  figures.inMsgs, InBytes: figures.inBytes,
		OutMsgs: figures.outMsgs, OutBytes: figures.outBytes, Stalls: figures.stalls,
		Unheard: c.unheard.Load(),
		client:  c,
	}
	info.IP, info.Port = c.address()
	if a := c.about.Load(); a != nil {
		info.Name, info.Lang, info.Version, info.user = a.name, a.lang, a.version, a.user
	}
	return info
}

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending
}

// connzOptions is the query of /connz.
type connzOptions struct {
	sort          string
	subs, detail  bool
	offset, limit int
	cid           uint64
	open, closed  bool
	nobody        bool   // an account is asked for that there is not
	user          string // only the clients that say they are this one
	mqtt          bool   // only clients of MQTT: none
}

const (
	// defaultListed is how many connections or subscriptions are listed
	// unless the query says otherwise, as by nats-server.
	defaultListed = 1024
	// maxListed bounds the connections or subscriptions in one answer.
	maxListed = 1 << 16
)

// account is the one account that every client is in.
const account = "$G"

func parseConnz(q url.Values) (o connzOptions, err error) {
	p := query{values: q}
	o.sort = cmp.Or(q.Get("sort"), "cid")
	p.boolean("auth")
	if o.detail = strings.EqualFold(q.Get("subs"), "detail"); !o.detail {
		o.subs = p.boolean("subs")
	}
	o.offset, o.limit = p.page()
	o.cid = p.number("cid")
	switch state := strings.ToLower(q.Get("state")); state {
	case "", "open":
		o.open = true
	case "closed":
		o.closed = true
	case "any", "all":
		o.open, o.closed = true, true
	default:
		p.fail(fmt.Errorf("Error decoding state for %s", q.Get("state")))
	}
	o.nobody = q.Get("acc") != "" && q.Get("acc") != account
	o.user, o.mqtt = q.Get("user"), q.Get("mqtt_client") != ""
	if o.cid > 0 {
		o.limit = 1
	}
	if p.err != nil {
		return o, p.err
	}
	if _, ok := connOrders[o.sort]; !ok {
		return o, fmt.Errorf("invalid sorting option: %s", o.sort)
	}
	if (o.sort == "stop" || o.sort == "reason") && (o.open || !o.closed) {
		return o, fmt.Errorf("sort by %s only valid on closed connections", o.sort)
	}
	return o, nil
}

// wants reports whether a connection is one of those that are asked for.
func (o *connzOptions) wants(i *connInfo) bool {
	return !o.mqtt && (o.cid == 0 || i.CID == o.cid) && (o.user == "" || i.user == o.user)
}

// connOrders are the orders that connections can be listed in. Who is equal
// stays in the order of connecting.
var connOrders = map[string]func(a, b *connInfo) int{
	"cid":        func(a, b *connInfo) int { return 0 },
	"start":      func(a, b *connInfo) int { return 0 },
	"subs":       func(a, b *connInfo) int { return cmp.Compare(b.NumSubs, a.NumSubs) },
	"pending":    func(a, b *connInfo) int { return cmp.Compare(b.Pending, a.Pending) },
	"msgs_to":    func(a, b *connInfo) int { return cmp.Compare(b.OutMsgs, a.OutMsgs) },
	"msgs_from":  func(a, b *connInfo) int { return cmp.Compare(b.InMsgs, a.InMsgs) },
	"bytes_to":   func(a, b *connInfo) int { return cmp.Compare(b.OutBytes, a.OutBytes) },
	"bytes_from": func(a, b *connInfo) int { return cmp.Compare(b.InBytes, a.InBytes) },
	"last":       func(a, b *connInfo) int { return b.LastActivity.Compare(a.LastActivity) },
	"idle":       func(a, b *connInfo) int { return a.LastActivity.Compare(b.LastActivity) },
	"uptime":     func(a, b *connInfo) int { return cmp.Compare(a.lived, b.lived) },
	"stop":       func(a, b *connInfo) int { return b.Stop.Compare(*a.Stop) },
	"reason":     func(a, b *connInfo) int { return strings.Compare(a.Reason, b.Reason) },
	"rtt":        func(a, b *connInfo) int { return cmp.Compare(b.rtt, a.rtt) },
}

// connz lists connections.
func (b *Broker) connz(o connzOptions) *connz {
	now := time.Now()
	answer := &connz{ID: b.info.ServerID, Now: now.UTC(), Offset: o.offset, Limit: o.limit, Conns: []*connInfo{}}
	if o.nobody {
		return answer
	}
	clients, gone := b.connections(o.open, o.closed)
	answer.Total = len(clients) + len(gone)
	list := make([]*connInfo, 0, answer.Total)
	for _, c := range clients {
		info := c.describe(now)
		info.NumSubs = uint32(min(b.routes.countOf(c), math.MaxUint32))
		list = append(list, info)
	}
	for _, info := range gone {
		shown := *info
		list = append(list, &shown)
	}
	// The total stays what it is, as nats-server's does.
	list = slices.DeleteFunc(list, func(i *connInfo) bool { return !o.wants(i) })
	slices.SortFunc(list, func(x, y *connInfo) int {
		return cmp.Or(connOrders[o.sort](x, y), cmp.Compare(x.CID, y.CID))
	})
	from, to := window(len(list), o.offset, o.limit)
	answer.Conns = list[from:to]
	room := answerRoom(maxAnswer)
	for i, info := range answer.Conns {
		if !room.take(connCost, info.Name, info.Lang, info.Version) {
			answer.Conns = answer.Conns[:i]
			break
		}
	}
	answer.NumConns = len(answer.Conns)
	if o.subs || o.detail {
		b.listSubs(answer.Conns, o.detail, room)
	}
	return answer
}

// listSubs adds the subscriptions to connections, up to maxListed for all of
// them together and as there is room.
func (b *Broker) listSubs(conns []*connInfo, detail bool, room answerRoom) {
	left := maxListed
	for _, info := range conns {
		subs := info.left.subs
		if info.client != nil {
			subs = b.routes.detailsOf(info.client, left)
		}
		subs = room.fit(subs[:min(len(subs), left)])
		left -= len(subs)
		if detail {
			info.SubsDetail = subs
			continue
		}
		for _, s := range subs {
			info.Subs = append(info.Subs, s.Subject)
		}
	}
}

// connections returns the clients that are connected, without those that are
// being turned away, and those that were.
func (b *Broker) connections(open, closed bool) (clients []*client, gone []*connInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if open {
		clients = make([]*client, 0, len(b.clients))
		for _, c := range b.clients {
			if !c.rejected {
				clients = append(clients, c)
			}
		}
	}
	if closed {
		gone = slices.Clone(b.gone.ring)
	}
	return clients, gone
}

// window returns the part of n entries that offset and limit select.
func window(n, offset, limit int) (from, to int) {
	from = min(max(offset, 0), n)
	return from, from + min(max(limit, 0), n-from)
}
