package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Experiment is one of the lesson's: a client, and a server that sleeps before it
// answers. A second client comes while the server sleeps and sends a TYPE1, to see
// whether that holds it up. All over TCP on this machine. The zero value of a field
// is its default.
type Experiment struct {
	// Sleep is how long the server sleeps. The lesson has 60 s, with which the
	// client gives up, and 5 s, with which it does not.
	Sleep time.Duration
	// Scale multiplies all times. 0 is 1.
	Scale float64
	// Tell is given each line as it happens. Calls are not concurrent. Nil is
	// nobody.
	Tell func(Line)
}

// Line is a line that one end of an experiment says.
type Line struct {
	// At is since the client connected.
	At time.Duration
	// Who is "client", "server", or "second" for the second client.
	Who  string
	Text string
}

// Outcome is how an experiment went.
type Outcome struct {
	SleepS float64 `json:"sleep_s"`
	Scale  float64 `json:"scale"`
	// Heartbeats counts the PINGs that the client sent, and Answers the PONGs
	// that it received.
	Heartbeats int `json:"heartbeats"`
	Answers    int `json:"answers"`
	// Dead is set if the client gave the server up, DeadAfterMS behind the last
	// byte that it had heard. Otherwise it was stopped after as many answers as
	// come in two rounds.
	Dead        bool     `json:"dead"`
	DeadAfterMS *float64 `json:"dead_after_ms"`
	// DueMS is when that was due, computed from the lesson's times.
	DueMS float64 `json:"due_ms"`
	// Pauses is how often, in the silence that made it give up, the client's
	// process itself had not been running, so that it began to ask anew.
	Pauses int `json:"pauses"`
	// ProcessedMS is how long the second client took to connect and to have the
	// TYPE1 processed; nil if it was not before the end.
	ProcessedMS *float64 `json:"processed_ms"`
	// Bytes are those of the messages between the client and the server.
	Bytes int `json:"bytes"`
}

// The lesson's two experiments.
const (
	LongSleep  = 60 * time.Second
	ShortSleep = 5 * time.Second
)

// answersOfTwoRounds is how many PONGs the client has had when it has twice been
// on its way to give up a server that sleeps for ShortSleep: two each time.
const answersOfTwoRounds = 4

// experiment is one under way.
type experiment struct {
	Experiment
	began time.Time

	mu     sync.Mutex
	out    Outcome
	asked  time.Time     // just before the TYPE1 was sent
	asking chan struct{} // closed when the client has sent its first PING
	done   context.CancelFunc
}

// Run runs the experiment to its end: until the client has given up, or has had
// two rounds of answers. The error says why it could not be done.
func (e Experiment) Run(ctx context.Context) (Outcome, error) {
	if e.Scale == 0 {
		e.Scale = 1
	}
	if e.Tell == nil {
		e.Tell = func(Line) {}
	}
	if err := CheckScale(e.Scale); err != nil {
		return Outcome{}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Outcome{}, fmt.Errorf("lesson: experiment: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	living, enough := context.WithCancel(ctx)
	defer enough()
	x := &experiment{Experiment: e, began: time.Now(), asking: make(chan struct{}), done: enough, out: Outcome{
		SleepS: e.Sleep.Seconds(), Scale: e.Scale, DueMS: ms(clientSchedule(e.Scale).Bound()),
	}}
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	// Both owned by Run; end with ctx, and are waited for.
	others.Go(func() { _ = Server{Sleep: e.Sleep, Scale: e.Scale, Say: x.serverSays}.Serve(ctx, l) })
	others.Go(func() { x.interrupt(ctx, l.Addr().String()) })
	client := Client{Scale: e.Scale, Say: x.clientSays, Sent: x.clientSent}
	err = client.Run(living, l.Addr().String())
	dead, gaveUp := errors.AsType[*DeadError](err)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case gaveUp:
		x.out.Dead, x.out.DeadAfterMS, x.out.Pauses = true, new(ms(dead.Evidence.Silence)), dead.Evidence.Pauses
	case x.out.Answers < answersOfTwoRounds:
		return x.out, fmt.Errorf("lesson: experiment: %w", err)
	}
	return x.out, nil
}

// interrupt sends a TYPE1 while the server sleeps.
func (x *experiment) interrupt(ctx context.Context, address string) {
	select {
	case <-x.asking:
	case <-ctx.Done():
		return
	}
	x.tell("second", "connecting, sending MSG_TYPE1")
	x.mu.Lock()
	x.asked = time.Now()
	x.mu.Unlock()
	second := Client{Scale: x.Scale, Send: []Type{Type1}}
	_ = second.Run(ctx, address) // it stays, for the server to be asked by two
}

func (x *experiment) tell(who, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Tell(Line{At: time.Since(x.began), Who: who, Text: text})
}

func (x *experiment) serverSays(client int, text string) {
	if client > 1 {
		x.mu.Lock()
		if text == "process "+Type1.String() && x.out.ProcessedMS == nil {
			x.out.ProcessedMS = new(ms(time.Since(x.asked)))
		}
		x.mu.Unlock()
		text += ", of the second client"
	}
	x.tell("server", text)
}

func (x *experiment) clientSays(text string) {
	x.tell("client", text)
	if text == saysAnswer {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.out.Answers++
		x.out.Bytes += MessageSize
		if x.out.Answers == answersOfTwoRounds {
			x.done()
		}
	}
}

func (x *experiment) clientSent(t Type) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out.Bytes += MessageSize
	if t == Ping {
		if x.out.Heartbeats++; x.out.Heartbeats == 1 {
			close(x.asking)
		}
	}
}

// Verdict returns nil if the experiment went as the lesson says.
func (o Outcome) Verdict() error {
	switch sleeps, cfg := time.Duration(o.SleepS*float64(time.Second)), clientSchedule(1); {
	case sleeps < time.Duration(cfg.Probes)*cfg.Interval:
		if o.Dead {
			return fmt.Errorf("lesson: the client gave up a server that sleeps for %v only", sleeps)
		}
	case !o.Dead || o.Answers != 0 || o.Heartbeats < cfg.Probes || o.Pauses == 0 && o.Heartbeats > cfg.Probes:
		// A client whose process did not run asks anew, and then more often.
		return fmt.Errorf("lesson: the client of a server that sleeps for %v should have given up after %d heartbeats: %d were sent, %d answered", sleeps, cfg.Probes, o.Heartbeats, o.Answers)
	case o.DeadAfterMS == nil || *o.DeadAfterMS < o.DueMS:
		return fmt.Errorf("lesson: the client gave up too soon, before %v ms", o.DueMS)
	}
	if o.ProcessedMS == nil {
		return errors.New("lesson: the server did not process the second client's message while it slept")
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
