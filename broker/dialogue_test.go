package broker_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// dialogue is what some clients say to a broker, in an order that leaves the
// broker no choice: behind each turn every client waits until it has been
// answered a PING. What they are told is not written down; it is compared
// between brokers.
type dialogue struct {
	limits  limits
	clients int
	turns   []turn
}

// turn is what one client sends in one go.
type turn struct {
	client int
	ops    []string
	// cuts are the places, rising, where what is sent is cut into writes.
	cuts []int
	// open says that an operation is left unfinished, so that the client cannot
	// send a PING until its next turn has ended it.
	open bool
}

func (a turn) text() string { return strings.Join(a.ops, "") }

// heard is what all clients were told behind one turn: events by client, and
// what went to queue groups, where the choice of the client is the broker's.
type heard struct {
	byClient [][]string
	raw      [][]string // the same as it came, to be printed
	queues   []string
}

const (
	eventClosed = "(closed)"
	eventSilent = "(no answer to a PING)"
)

// errStall says that a client waited for an answer in vain: the dialogue has a
// PING where a PING is no operation.
var errStall = errors.New("a PING is not answered")

// performer plays a dialogue against one broker.
type performer struct {
	rival   *rival
	wait    time.Duration
	clients []*speaker
}

// speaker is one client's connection.
type speaker struct {
	conn   net.Conn
	in     *bufio.Reader
	closed bool // by the broker
	open   bool // an operation is unfinished
	pongs  int  // how many PONGs are to come
}

// perform plays d and returns what was heard behind each turn, and at the end.
func perform(r *rival, d *dialogue, wait time.Duration) ([]heard, error) {
	p := &performer{rival: r, wait: wait}
	defer func() {
		for _, c := range p.clients {
			c.conn.Close()
		}
	}()
	for range d.clients {
		conn, err := r.dial()
		if err != nil {
			return nil, err
		}
		p.clients = append(p.clients, &speaker{conn: conn, in: bufio.NewReader(conn)})
	}
	all := make([]heard, 0, len(d.turns)+2)
	for i := -1; i <= len(d.turns); i++ {
		var h heard
		var err error
		switch i {
		case -1:
			h, err = p.rest(0)
		case len(d.turns):
			h, err = p.finish()
		default:
			a := d.turns[i]
			p.say(a)
			h, err = p.rest(a.client)
		}
		all = append(all, h)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (p *performer) say(a turn) {
	c, text, from := p.clients[a.client], a.text(), 0
	c.open = a.open
	for _, op := range a.ops {
		if len(op) > 4 && strings.EqualFold(op[:4], "PING") {
			c.pongs++
		}
	}
	for _, cut := range append(slices.Clone(a.cuts), len(text)) {
		if cut = min(cut, len(text)); cut > from {
			_, _ = c.conn.Write([]byte(text[from:cut])) // a closed stream shows in reading
			from = cut
		}
	}
}

// rest waits until every client has been answered a PING, first the one that
// has spoken, and until the broker has forgotten those it has closed.
func (p *performer) rest(first int) (heard, error) {
	h := heard{byClient: make([][]string, len(p.clients)), raw: make([][]string, len(p.clients))}
	served := 0
	for i := range p.clients {
		n := (first + i) % len(p.clients)
		if c := p.clients[n]; !c.closed && !c.open {
			_, _ = c.conn.Write([]byte("PING\r\n"))
			c.pongs++
			events, err := c.listen(time.Now().Add(p.wait), true)
			h.raw[n] = events
			if err != nil {
				return h, err
			}
		}
		if c := p.clients[n]; c.closed {
			c.conn.Close()
		} else {
			served++
		}
	}
	h.normalise()
	return h, p.rival.await(served)
}

// finish ends every client's input and listens to the end.
func (p *performer) finish() (heard, error) {
	h := heard{byClient: make([][]string, len(p.clients)), raw: make([][]string, len(p.clients))}
	for n, c := range p.clients {
		if c.closed {
			continue
		}
		_ = closeWrite(c.conn)
		events, err := c.listen(time.Now().Add(p.wait), false)
		h.raw[n] = events
		if err != nil {
			return h, err
		}
	}
	h.normalise()
	return h, nil
}

// listen returns what comes up to the last PONG, if that is waited for, or the
// end.
func (c *speaker) listen(until time.Time, pong bool) ([]string, error) {
	var events []string
	_ = c.conn.SetReadDeadline(until)
	for {
		event, err := readEvent(c.in)
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return append(events, event, eventSilent), errStall
		case err != nil: // a reset, if the broker had not read everything
			c.closed = true
			if event != "" {
				events = append(events, event)
			}
			return append(events, eventClosed), nil
		case event == "PING\r\n":
			_, _ = c.conn.Write([]byte("PONG\r\n"))
		default:
			events = append(events, event)
			if event == "PONG\r\n" {
				c.pongs--
			}
			if pong && c.pongs == 0 {
				return events, nil
			}
		}
	}
}

var messageLine = regexp.MustCompile(`^H?MSG .* (\d+)\r\n$`)

// readEvent reads a line, with the payload if it announces one.
func readEvent(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return line, err
	}
	m := messageLine.FindStringSubmatch(line)
	if m == nil {
		return line, nil
	}
	size, _ := strconv.Atoi(m[1])
	payload := make([]byte, size+2)
	for i := range payload {
		if payload[i], err = in.ReadByte(); err != nil {
			return line + string(payload[:i]), err
		}
	}
	return line + string(payload), nil
}

// normalise makes byClient and queues of raw: it takes away what the protocol
// leaves to the broker. These are the ids in INFO, the order between copies of
// one message, which member of a queue group gets it, and which of its
// subscriptions a client is told on that nobody responds.
//
// Queue subscriptions are known by their sid: the group's name, a capital
// letter, and a digit.
func (h *heard) normalise() {
	for n, events := range h.raw {
		var kept []string
		copies := 0 // how many events at the end of kept are copies of one message
		var last string
		for _, event := range events {
			if strings.HasPrefix(event, "INFO ") {
				event = "INFO, connect_info " + strconv.FormatBool(strings.Contains(event, `"connect_info":true`))
			}
			// nats-server says this again when the payload comes in another read.
			if len(kept) > 0 && event == kept[len(kept)-1] && strings.HasPrefix(event, "-ERR 'Invalid Publish") {
				continue
			}
			m := parseMessage(event)
			if m != nil && m.group != "" {
				h.queues = append(h.queues, m.group+" "+m.body)
				continue
			}
			if m == nil || m.key != last {
				copies = 0
			}
			last = ""
			if m != nil {
				last, event = m.key, m.text
			}
			kept = append(kept, event)
			copies++
			sort.Strings(kept[len(kept)-copies:])
		}
		h.byClient[n] = kept
	}
}

// message is a delivery taken apart.
type message struct {
	text  string // as it came, but for what is left to the broker
	key   string // what all copies to one client have in common
	group string // the queue group, "" for a plain subscription
	body  string // subject, reply, payload without header
}

var queueSID = regexp.MustCompile(`^([A-Z])\d$`)

func parseMessage(event string) *message {
	if !strings.HasPrefix(event, "MSG ") && !strings.HasPrefix(event, "HMSG ") {
		return nil
	}
	line, payload, _ := strings.Cut(event, "\r\n")
	f := strings.Fields(line)
	sizes, header := 1, 0
	if f[0] == "HMSG" {
		sizes = 2
	}
	if len(f) < 3+sizes {
		return nil
	}
	if sizes == 2 {
		header, _ = strconv.Atoi(f[len(f)-2])
	}
	reply := strings.Join(f[3:len(f)-sizes], " ")
	m := &message{text: event, key: f[0] + f[1] + " " + reply + " " + payload}
	m.body = fmt.Sprintf("%s (%s) %q", f[1], reply, payload[min(header, len(payload)):])
	if g := queueSID.FindStringSubmatch(f[2]); g != nil {
		m.group = g[1]
	}
	if sizes == 2 && strings.HasPrefix(payload, "NATS/1.0 503\r\n") {
		m.text = strings.Replace(event, " "+f[2]+" ", " ? ", 1)
	}
	return m
}
