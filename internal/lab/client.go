package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vigil/internal/fault"
	"vigil/publisher"
	"vigil/subscriber"
)

// ClientCommand is the hidden command of the lab's own program that uses a
// client library under load: its arguments are the library's name, what it is
// to do, and its broker's URL.
const ClientCommand = "client"

// The client libraries beside Vigil's own, which has the name of its broker.
const (
	NATSGo     = "nats.go"     // the stock one
	VigilReuse = "vigil reuse" // Vigil's, where it uses the memory of messages again
	// VigilResend is Vigil's with Config.Confirmed, where what a loss leaves unconfirmed is sent again.
	VigilResend = "vigil resend"
)

// role is something that a client does until ctx ends. It is done with what it
// had begun when it returns. Before it begins, and when it is connected, it
// calls ready.
type role func(ctx context.Context, url string, p *pace) error

// roles are what each client can do, by its name and then by the role.
var roles = map[string]map[string]role{
	Vigil: {
		"loop": vigilLoop(), "handler": vigilHandler(), "publish": vigilPublish(publisher.Config{}),
		"request": vigilRequests(1), "requests": vigilRequests(64),
	},
	VigilReuse: {
		"loop": vigilLoop(subscriber.Reuse()), "handler": vigilHandler(subscriber.Reuse()),
	},
	VigilResend: {"publish": vigilPublish(publisher.Config{Confirmed: true})},
	NATSGo: {
		"loop": natsLoop, "handler": natsHandler, "publish": natsPublish,
		"request": natsRequests(1), "requests": natsRequests(64),
	},
}

// The subjects of a client's work, and what it publishes.
const (
	flowSubject    = "bench.flow"
	serviceSubject = "bench.service"
	flowSize       = 128
	requestSize    = 16
)

// letters returns so many bytes that are no part of any protocol.
func letters(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

// Client lets the named client library play a role. It writes a control
// URL to out once it is connected, and begins when that is dialled; then it
// reports when it is asked, and ends when it is told to, or loses its parent. Of
// the options CPUProfile counts.
func Client(name, as, url string, o ServeOptions, out io.Writer) (err error) {
	fault.ExitWithParent()
	w := roles[name][as]
	if w == nil {
		return fmt.Errorf("lab: client: unknown client %q or role %q", name, as)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	if o.CPUProfile != "" {
		finish, failed := profile(o.CPUProfile)
		if failed != nil {
			return fmt.Errorf("lab: client %s: %w", name, failed)
		}
		defer func() { err = errors.Join(err, finish()) }()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("lab: client %s: control: %w", name, err)
	}
	defer l.Close()
	p := newPace(l, out)
	// Ends with the process at the latest.
	go func() { p.finish(w(p.ctx, url, p)) }()
	if err := p.serve(); err != nil {
		return fmt.Errorf("lab: client %s: control: %w", name, err)
	}
	<-ended
	return nil
}

// pace is what a client has done.
type pace struct {
	// Fixed after construction.
	l      net.Listener
	out    io.Writer
	ctx    context.Context // of the work
	cancel context.CancelFunc
	begun  chan struct{} // closed when the work shall begin
	done   chan struct{} // closed when it has ended
	ops    atomic.Int64

	mu    sync.Mutex
	times []time.Duration // guarded by mu: of requests since the last reset
	err   error           // set before done is closed
}

// maxTimes bounds the requests of a round whose time is kept.
const maxTimes = 1 << 22

func newPace(l net.Listener, out io.Writer) *pace {
	p := &pace{l: l, out: out, begun: make(chan struct{}), done: make(chan struct{}), times: make([]time.Duration, 0, 1<<18)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// ready tells the control address and waits until the work is to begin.
func (p *pace) ready() error {
	if _, err := fmt.Fprintf(p.out, "control://%s\n", p.l.Addr()); err != nil {
		return err
	}
	<-p.begun
	return nil
}

// countEvery is by how many operations a stream counts: an atomic store for each
// would be a part of what is measured.
const countEvery = 256

// took notes a request that was answered.
func (p *pace) took(d time.Duration) {
	p.ops.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.times) < maxTimes {
		p.times = append(p.times, d)
	}
}

func (p *pace) finish(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		p.err = err
	}
	close(p.done)
}

// serve answers on the control connection until it ends.
func (p *pace) serve() error {
	accepted := make(chan error, 1)
	var nc net.Conn
	// Ends with the listener.
	go func() {
		var err error
		nc, err = p.l.Accept()
		accepted <- err
	}()
	select {
	case <-p.done:
		return p.err
	case err := <-accepted:
		if err != nil {
			return err
		}
	}
	defer nc.Close()
	close(p.begun)
	lines := bufio.NewScanner(nc)
	for lines.Scan() {
		switch lines.Text() {
		case "stop":
			p.cancel()
			<-p.done
		case "reset":
			p.mu.Lock()
			p.times = p.times[:0]
			p.mu.Unlock()
		}
		if err := json.NewEncoder(nc).Encode(p.report()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// paceReport is what a client says of itself.
type paceReport struct {
	Ops     int64   `json:"ops"`
	Mallocs uint64  `json:"mallocs"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Err     string  `json:"error"`
}

func (p *pace) report() paceReport {
	objects := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(objects)
	r := paceReport{Ops: p.ops.Load(), Mallocs: objects[0].Value.Uint64() + objects[1].Value.Uint64()}
	p.mu.Lock()
	times := slices.Clone(p.times)
	p.mu.Unlock()
	if len(times) > 0 {
		slices.Sort(times)
		at := func(share float64) float64 {
			rank := int(math.Ceil(share * float64(len(times))))
			return float64(times[rank-1]) / float64(time.Microsecond)
		}
		r.P50, r.P99 = at(0.50), at(0.99)
	}
	select {
	case <-p.done:
		if p.err != nil {
			r.Err = p.err.Error()
		}
	default:
	}
	return r
}

// crowd runs n loops of requests until ctx ends or one fails.
func (p *pace) crowd(ctx context.Context, n int, ask func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if err := ask(ctx); err != nil {
					cancel(err)
					return
				}
				p.took(time.Since(began))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
