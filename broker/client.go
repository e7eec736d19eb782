package broker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// client is one connection: a session and the pumps around it.
type client struct {
	// Fixed after construction.
	broker *Broker
	id     uint64
	remote string // host and port
	stream transport
	began  time.Time
	polled
	// rejected says that the client is only being turned away; set before it
	// starts.
	rejected bool

	// Owned by the read loop, or whoever has the client's turn.
	in      inbox
	parser  wire.Parser
	session session
	publish publisher

	// subs are the client's subscriptions by sid, guarded by routing.mu.
	subs textMap[*subscription]
	// subscribed is set once publishers may keep routes to the client; the same.
	subscribed bool

	// out is shared; it guards itself.
	out outbox

	// headers mirrors session.headers for those who publish to this client.
	headers atomic.Bool
	// heard is when the last byte came from the client, in nanoseconds since
	// the broker started.
	heard atomic.Int64
	// about is what the client tells of itself; nil before its CONNECT.
	about atomic.Pointer[about]
	// welcomed is set when another INFO may be sent: behind the first PONG, to
	// a client that understands it.
	welcomed atomic.Bool
	// round measures the round trip.
	round roundTrip
	// unheard is how long the client had not heard us, in milliseconds, when it
	// last said so.
	unheard atomic.Int64
	// begun is set when the first operation is complete. Until then the
	// handshake deadline runs.
	begun atomic.Bool
	// working is set while the client is asked about soon, since it was sent
	// what others of a queue group could have been sent.
	working atomic.Bool
	// suspect is set while such a client, or any, owes an answer: queue groups
	// pass it over.
	suspect atomic.Bool
	// watch belongs to the liveness sweep.
	watch watch
	// account is the client's part of the memory budget.
	account memoryAccount
	stats   clientStats

	// lingers is set before the output is finished if the client is to see its
	// end first and close its side.
	lingers   bool
	closeOnce sync.Once
	reason    closeReason // valid once the stream is closed
	// left is what the client had subscribed to when it ended.
	left subsLeft
}

// lingerFor is how long a client has to take its last output. One that broke
// the protocol is also waited for so long to close its side: a socket closed
// with input unread makes the kernel send a reset, upon which the other end may
// drop what it had not read yet, such as the -ERR.
const lingerFor = time.Second

// newClient makes a client of a connection, of which nothing has been read yet.
// It may take the connection over.
func newClient(b *Broker, id uint64, conn net.Conn) *client {
	c := blankClient(b, id, conn.RemoteAddr())
	if !c.pollFor(conn) {
		c.stream = &plainTransport{Conn: conn}
	}
	c.prepare()
	return c
}

// blankClient makes a client that lacks its stream. The caller sets it, and calls
// prepare.
func blankClient(b *Broker, id uint64, remote net.Addr) *client {
	return &client{
		broker:  b,
		id:      id,
		remote:  remote.String(),
		began:   time.Now(),
		session: newSession(),
		parser:  wire.Parser{MaxControlLine: b.cfg.MaxControlLine, MaxPayload: b.cfg.MaxPayload},
	}
}

// prepare makes the parts of a client that has its stream.
func (c *client) prepare() {
	b := c.broker
	c.publish.init(c)
	c.account.ledger = b.ledger
	c.in.account = &c.account
	c.out = outbox{
		account:  &c.account,
		stream:   c.stream,
		calls:    c.socketed(),
		limit:    b.cfg.MaxPending,
		mark:     min(congestion, b.cfg.MaxPending/2),
		deadline: b.cfg.WriteDeadline,
		broken:   c.outputEnded,
		spawn:    b.pumps.Go,
	}
}

// begin greets the client and has it watched.
func (c *client) begin() {
	c.heardNow()
	c.sendNow(wire.AppendInfo(getBuffer(minBuffer), c.broker.infoFor(c)))
	c.broker.liveness.add(c)
}

// readLoop is the life of a client with a plain stream.
func (c *client) readLoop(stream *plainTransport) {
	for {
		n, err := stream.read(&c.in)
		if broken, over := c.took(n, err); over {
			c.depart(broken)
			return
		}
	}
}

// took obeys what a read has brought. It reports whether the client is over, and
// what it has broken, nil if nothing.
func (c *client) took(n int, err error) (broken *violation, over bool) {
	if err != nil {
		c.reasonIs(readReason(err))
		return nil, true
	}
	c.heardNow()
	c.in.received(n)
	broken = c.parse()
	return broken, broken != nil
}

// depart ends a client whose reading is over. It takes no longer than lingerFor.
func (c *client) depart(broken *violation) {
	if broken != nil {
		c.reasonIs(broken.reason())
		if broken.text != "" {
			own := c.publish.own()
			own.buf = wire.AppendErr(own.buf, broken.text)
		}
	}
	c.publish.forget()
	c.publish.flush()
	c.broker.liveness.remove(c)
	c.left = c.broker.routes.leave(c)
	c.end(broken != nil)
	c.account.settle()
	log := c.broker.log
	if log.Enabled(context.Background(), slog.LevelInfo) {
		log = log.With("client", c.id, "remote", c.remote, "reason", string(c.reason))
		if broken != nil {
			log = log.With("error", broken.cause)
		}
		log.Info("client gone")
	}
	c.broker.remove(c)
}

// fewLeft is how many subscriptions are ended in no more than a turn's time.
const fewLeft = 16

// departsAtOnce reports whether depart, of a client that has broken nothing, has
// nothing to wait for, and little to do.
func (c *client) departsAtOnce() bool {
	return c.out.empty() && c.broker.routes.countOf(c) <= fewLeft
}

// parse obeys the operations that have arrived, and flushes what they led to.
func (c *client) parse() *violation {
	var op wire.Op
	taken := 0
	c.publish.patience = holdBack
	for {
		n, err := c.parser.Next(c.in.buf[taken:], &op)
		if err != nil {
			if op.Kind == wire.HPub && !c.session.headers {
				err = errNoHeaders // whatever else is wrong with it
			}
			return violationOf(err)
		}
		if n == 0 {
			break
		}
		taken += n
		if op.Kind == wire.None {
			continue
		}
		if !c.begun.Load() {
			c.begun.Store(true)
		}
		if v := c.obey(&op); v != nil {
			return v
		}
	}
	c.in.consumed(taken)
	c.in.recharge()
	c.publish.keepUp()
	c.publish.flush()
	c.account.check()
	if c.account.mustPause() {
		c.wait(c.account.pause)
	}
	return nil
}

// obey lets the session judge an operation and carries out what it says.
func (c *client) obey(op *wire.Op) *violation {
	if c.session.passes(op) {
		c.publish.route(op)
		return nil
	}
	own := c.publish.own()
	reply, do, broken := c.session.step(op, own.buf)
	own.buf = reply
	if broken != nil {
		return broken
	}
	switch do {
	case doPublish:
		c.publish.route(op)
	case doSubscribe:
		if text := c.subscribe(op); text != "" {
			own.buf = wire.AppendErr(own.buf, text)
		} else {
			own.buf = c.session.acknowledge(own.buf)
		}
	case doUnsubscribe:
		if c.broker.routes.countExactly(c, op) {
			c.publish.self.count()
			c.settle()
		}
		if c.broker.routes.unsubscribe(c, op) {
			c.settle()
		}
	case doReset:
		c.broker.routes.removeAll(c)
		c.settle()
	case doWelcome:
		c.greetAgain()
	}
	switch op.Kind {
	case wire.Connect:
		c.headers.Store(c.session.headers)
		c.introduced()
	case wire.Ping:
		c.toldUnheard(op.Arg)
	case wire.Pong:
		c.round.ended()
	}
	return nil
}

// subscribe obeys a SUB and returns the text of the -ERR if it is refused.
func (c *client) subscribe(op *wire.Op) (refusal string) {
	if tokens := c.broker.cfg.MaxSubTokens; tokens > 0 && 1+bytes.Count(op.Subject, dot) > tokens {
		return fmt.Sprintf(textTooManyTokens, op.Subject)
	}
	refusal = c.broker.routes.subscribe(c, op, c.broker.cfg.MaxSubscriptions)
	c.account.check()
	return refusal
}

var dot = []byte(".")

// settle waits until no message is on its way that was routed to a
// subscription which has ended since. So none comes behind the PONG that
// follows an UNSUB, the sid may be used again, and a member that leaves a queue
// group in order takes no message with it.
//
// The wait is for other clients' read loops to end their batch. They do not
// wait for anything meanwhile: a read loop waits here, in publisher.hold and in
// memoryAccount.pause alone, and holds no claim in any of them.
func (c *client) settle() {
	if !c.out.claimed() {
		return
	}
	c.publish.handOver()
	c.wait(c.out.settle)
}

// end closes the stream behind what the client has earned, and gives back what
// it holds. With linger it waits for the client to close its side. It takes no
// longer than lingerFor.
func (c *client) end(linger bool) {
	until := time.Now().Add(lingerFor)
	c.lingers = linger
	flushed := c.out.finish()
	c.in.release()
	if linger {
		c.stream.drain(until)
	}
	select {
	case <-flushed:
	default:
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		select {
		case <-flushed:
		case <-timer.C:
		}
	}
	_ = c.stream.close()
	c.out.discard()
}

// sendNow sends b, a pooled buffer, from outside the read loop.
func (c *client) sendNow(b []byte) { c.out.send(b) }

// outputEnded is told by the outbox that nothing more will be written. It must
// not wait: a publisher may be the one who tells.
func (c *client) outputEnded(reason closeReason) {
	switch {
	case reason != finished:
		c.close(reason)
	case c.lingers: // else the stream is closed now
		_ = c.stream.closeWrite()
	}
}

// close ends the connection; the read loop notices and cleans up. The first
// reason given stays.
func (c *client) close(reason closeReason) {
	c.reasonIs(reason)
	_ = c.stream.close()
}

func (c *client) reasonIs(reason closeReason) {
	c.closeOnce.Do(func() { c.reason = reason })
}

func (c *client) heardNow() {
	c.heard.Store(int64(time.Since(c.broker.started)))
	if c.suspect.Load() {
		c.trust()
	}
}

// trust ends a suspicion. The next work for the client has it asked about anew.
func (c *client) trust() {
	c.suspect.Store(false)
	c.working.Store(false)
}
