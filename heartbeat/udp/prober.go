package udp

import (
	"context"
	"fmt"
	"net"
	"time"

	"vigil/heartbeat"
)

// Prober watches one peer. The zero Prober has the defaults. It is read-only
// after use and may watch several peers.
type Prober struct {
	// Method is how silence is judged; nil is heartbeat.Default: within 2 s.
	// An Objective should have Datagrams set.
	Method heartbeat.Method

	// Changed, if not nil, is called with each change between alive and suspect,
	// and of the Bound that the Detector promises or whether it is the one that
	// was asked for. It is called by Watch and delays what that does next: it
	// must not wait.
	Changed func(Status)
}

// Status is what a Prober knows of its peer.
type Status struct {
	At       time.Time
	State    heartbeat.State
	Evidence heartbeat.Evidence
	Promise  heartbeat.Promise
}

// DeadError says that a peer does not answer any more, and what that rests on.
type DeadError struct {
	Peer     net.Addr
	Evidence heartbeat.Evidence
}

// Error tells the peer, the silence and the unanswered probes.
func (e *DeadError) Error() string {
	return fmt.Sprintf("udp: %v is dead: silent for %.1f s, %d probes unanswered", e.Peer, e.Evidence.Silence.Seconds(), e.Evidence.Probes)
}

// Timeout returns true: a DeadError is a net.Error.
func (e *DeadError) Timeout() bool { return true }

// Temporary returns false.
func (e *DeadError) Temporary() bool { return false }

// Validate returns nil or the error of the Method.
func (p Prober) Validate() error { return p.method().Validate() }

func (p Prober) method() heartbeat.Method {
	if p.Method == nil {
		return heartbeat.Default()
	}
	return p.Method
}

// Watch probes the peer to which conn, a connected UDP socket, leads. It returns
// a *DeadError when the peer is dead, the cause of ctx when that is done, and
// another error when the socket fails. It does not close conn.
func (p Prober) Watch(ctx context.Context, conn net.Conn) error {
	if err := p.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{conn: conn, changed: p.Changed, detector: p.method().Detector(time.Now()), answers: make(chan answer, maxUnanswered)}
	w.told.Promise = w.detector.Promise()
	restore := interruptReads(ctx, conn)
	ended := make(chan struct{})
	// Owned by Watch; ends with ctx, or when the socket fails, and is waited for.
	go func() {
		defer close(ended)
		cancel(w.read(ctx))
	}()
	err := w.run(ctx)
	cancel(nil)
	<-ended
	restore()
	return err
}

// maxUnanswered bounds the probes that are waited for, and the answers that wait
// to be looked at.
const maxUnanswered = 128

// watch is one Watch.
type watch struct {
	conn    net.Conn
	changed func(Status)

	// From the reader to the others.
	answers chan answer

	// Owned by run.
	detector heartbeat.Detector
	waiting  [maxUnanswered]question // a ring: the oldest is forgotten
	asked    int
	told     Status
}

type question struct {
	id   nonce
	sent time.Time // zero when it was answered, or there is none
}

// answer is one that was read, or a hint, without a nonce, that the network has
// said something against the peer.
type answer struct {
	id   nonce
	at   time.Time
	hint bool
}

// read passes answers on until the socket fails, or ctx is done.
func (w *watch) read(ctx context.Context) error {
	buf := make([]byte, packetSize+1)
	for {
		n, err := w.conn.Read(buf)
		now := time.Now()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a := answer{at: now}
		var ok bool
		switch {
		case err == nil:
			if a.id, ok = parseAnswer(buf[:n]); !ok {
				continue
			}
		case passing(err):
			a.hint = true
		default:
			return fmt.Errorf("udp: read an answer of %v: %w", w.conn.RemoteAddr(), err)
		}
		select {
		case w.answers <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run asks the detector what to do and does it.
func (w *watch) run(ctx context.Context) error {
	timer := time.NewTimer(time.Until(w.detector.Next()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case a := <-w.answers:
			w.take(a)
		case <-timer.C:
		}
		for drained := false; !drained; { // what waits is older than the time of a Step
			select {
			case a := <-w.answers:
				w.take(a)
			default:
				drained = true
			}
		}
		now := time.Now()
		switch w.detector.Step(now) {
		case heartbeat.Probe:
			w.ask(now)
		case heartbeat.Dead:
			return &DeadError{Peer: w.conn.RemoteAddr(), Evidence: w.detector.Evidence(now)}
		}
		w.tell(now)
		timer.Reset(time.Until(w.detector.Next()))
	}
}

// ask sends a probe. What cannot be sent is lost, as it might have been on its
// way.
func (w *watch) ask(now time.Time) {
	q := question{newNonce(), now}
	w.waiting[w.asked%maxUnanswered] = q
	w.asked++
	_ = w.conn.SetWriteDeadline(now.Add(writeWait))
	_, _ = w.conn.Write(appendProbe(make([]byte, 0, packetSize), q.id))
}

// writeWait is how long a full socket may hold up the watch.
const writeWait = 5 * time.Millisecond

// take takes in an answer, if it is one to a question of ours.
func (w *watch) take(a answer) {
	if a.hint {
		w.detector.Hint(a.at)
		return
	}
	for i := range w.waiting {
		if q := &w.waiting[i]; q.id == a.id && !q.sent.IsZero() {
			w.detector.Answered(q.sent, a.at)
			q.sent = time.Time{}
			return
		}
	}
}

// tell tells what has changed.
func (w *watch) tell(now time.Time) {
	s := Status{At: now, State: w.detector.State(), Promise: w.detector.Promise()}
	if w.changed == nil || s.State == w.told.State && s.Promise.Bound == w.told.Promise.Bound && s.Promise.Broken == w.told.Promise.Broken {
		return
	}
	s.Evidence = w.detector.Evidence(now)
	w.told = s
	w.changed(s)
}
