package lesson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"vigil/internal/fault"
)

// KeepAlive lets TCP's own keep-alive meet a peer that is well, one that has
// rebooted, and one that cannot be reached, each on a host of its own, and a fourth
// that the lesson does not tell of: one that cannot be reached while something is
// unacknowledged, in which case keep-alive never asks. The zero value of a field is
// its default.
type KeepAlive struct {
	// Idle is the silence after which the kernel asks, 2 s by default; Interval
	// the time between two probes, 1 s by default. Both in whole seconds, as
	// TCP_KEEPIDLE and TCP_KEEPINTVL are.
	Idle, Interval time.Duration
	// Count is TCP_KEEPCNT, how many are sent. 0 is 3.
	Count int
}

func (k KeepAlive) withDefaults() KeepAlive {
	if k.Idle == 0 {
		k.Idle = 2 * time.Second
	}
	if k.Interval == 0 {
		k.Interval = time.Second
	}
	if k.Count == 0 {
		k.Count = 3
	}
	return k
}

// Limits of Linux.
const (
	maxKeepSeconds = 32767
	maxKeepCount   = 127
)

// Validate returns why the kernel would not take k, or nil.
func (k KeepAlive) Validate() error {
	k = k.withDefaults()
	for what, d := range map[string]time.Duration{"idle": k.Idle, "interval": k.Interval} {
		if d < time.Second || d > maxKeepSeconds*time.Second || d%time.Second != 0 {
			return fmt.Errorf("lesson: keep-alive: %s %v: want whole seconds, 1s to %ds", what, d, maxKeepSeconds)
		}
	}
	if k.Count < 1 || k.Count > maxKeepCount {
		return fmt.Errorf("lesson: keep-alive: count %d: want 1 to %d", k.Count, maxKeepCount)
	}
	return nil
}

// Bound returns when keep-alive gives up a peer that cannot be reached, behind the
// last segment that came.
func (k KeepAlive) Bound() time.Duration {
	k = k.withDefaults()
	return k.Idle + time.Duration(k.Count)*k.Interval
}

// Length returns how long a run takes.
func (k KeepAlive) Length() time.Duration { return k.Bound() + keepMargin }

// keepMargin is how long the cases are watched on top of the bound.
const keepMargin = 2 * time.Second

// Retransmission is how long Linux sends again what nobody acknowledges, with its
// default tcp_retries2 of 15: from RTO_MIN on, 200 ms, doubled up to 120 s.
const Retransmission = 924600 * time.Millisecond

// KeepAliveCase is what became of one peer.
type KeepAliveCase struct {
	Case string `json:"case"`
	// Result is what a pending read returned: "", if it was still waiting at the
	// end; and AfterMS when, behind the last segment that came.
	Result  string   `json:"result"`
	AfterMS *float64 `json:"after_ms"`
	// ComputedMS is when it is due by the settings; null if never.
	ComputedMS *float64 `json:"computed_ms"`
	// Sent and Received count the segments since the connection stood. A probe
	// and its acknowledgement are one each.
	Sent     int `json:"segments_sent"`
	Received int `json:"segments_received"`

	want error // what the read is to return
}

// KeepAliveFindings are the cases, the settings as the kernel gave them back, and
// what the kernel's own come to.
type KeepAliveFindings struct {
	KeepAlive
	Cases []KeepAliveCase
	// System are the kernel's settings for who switches keep-alive on and sets
	// nothing.
	System KeepAlive
}

// Run runs the cases side by side. The process must be isolated
// (fault.RunIsolated).
func (k KeepAlive) Run(ctx context.Context) (found KeepAliveFindings, err error) {
	k = k.withDefaults()
	if err := k.Validate(); err != nil {
		return found, err
	}
	sw, err := fault.NewSwitch()
	if err != nil {
		return found, fmt.Errorf("lesson: keep-alive: hosts that vanish need network namespaces: %w", err)
	}
	defer func() { err = errors.Join(err, sw.Close()) }()
	bound := ms(k.Bound())
	unacknowledged := error(nil) // within the run, unless that is a long one
	if k.Length() > Retransmission {
		unacknowledged = syscall.ETIMEDOUT
	}
	cases := []struct {
		KeepAliveCase
		strike func(*companion, net.Conn) error
	}{
		{KeepAliveCase{Case: "the peer is well"}, func(*companion, net.Conn) error { return nil }},
		{KeepAliveCase{Case: "the peer has rebooted", ComputedMS: new(ms(k.Idle)), want: syscall.ECONNRESET},
			func(c *companion, _ net.Conn) error { return c.host.Reboot() }},
		{KeepAliveCase{Case: "the peer cannot be reached", ComputedMS: &bound, want: syscall.ETIMEDOUT},
			func(c *companion, _ net.Conn) error { return c.host.Drop(fault.Both) }},
		{KeepAliveCase{Case: "the same, and something is unacknowledged", ComputedMS: new(ms(Retransmission)), want: unacknowledged},
			func(c *companion, conn net.Conn) error {
				if err := c.host.Drop(fault.Both); err != nil {
					return err
				}
				_, err := conn.Write([]byte("x"))
				return err
			}},
	}
	all, err := companions(ctx, sw, len(cases))
	if err != nil {
		return found, fmt.Errorf("lesson: keep-alive: %w", err)
	}
	found = KeepAliveFindings{KeepAlive: k, Cases: make([]KeepAliveCase, len(cases))}
	if found.System, err = systemKeepAlive(); err != nil {
		return found, err
	}
	errs := make([]error, len(cases))
	var watching sync.WaitGroup
	for n, c := range cases {
		watching.Go(func() {
			found.Cases[n], errs[n] = k.watch(ctx, all[n], c.KeepAliveCase, c.strike)
		})
	}
	watching.Wait()
	if err := errors.Join(errs...); err != nil {
		return found, fmt.Errorf("lesson: keep-alive: %w", err)
	}
	return found, nil
}

// watch connects to a companion, lets it be struck, and waits for what a read
// returns.
func (k KeepAlive) watch(ctx context.Context, c *companion, result KeepAliveCase, strike func(*companion, net.Conn) error) (KeepAliveCase, error) {
	dialer := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: k.Idle, Interval: k.Interval, Count: k.Count}}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return result, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if set, err := readKeepAlive(conn); err != nil {
		return result, err
	} else if set != k {
		return result, fmt.Errorf("the kernel took %+v for %+v", set, k)
	}
	// The last segment is to come now, and keep-alive counts from it.
	if err := echo(conn, []byte("hello")); err != nil {
		return result, err
	}
	last := time.Now()
	before, err := countSegments(conn)
	if err != nil {
		return result, err
	}
	if err := strike(c, conn); err != nil {
		return result, err
	}
	if err := conn.SetReadDeadline(last.Add(k.Length())); err != nil {
		return result, err
	}
	_, err = conn.Read(make([]byte, 1))
	after := time.Since(last)
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	// The counters outlive the connection's end.
	if now, err := countSegments(conn); err == nil {
		result.Sent, result.Received = now.sent-before.sent, now.received-before.received
	}
	switch {
	case err == nil:
		return result, errors.New("a peer that was not asked said something")
	case errors.Is(err, os.ErrDeadlineExceeded):
	default:
		result.AfterMS = new(ms(after))
		result.Result = cause(err)
	}
	return result, nil
}

// cause returns the system's own words for an error of a socket.
func cause(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// echo sends something to a companion and waits until it is back.
func echo(conn net.Conn, data []byte) error {
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(data); err != nil {
		return err
	}
	for left := len(data); left > 0; {
		n, err := conn.Read(make([]byte, left))
		if err != nil {
			return err
		}
		left -= n
	}
	return conn.SetDeadline(time.Time{})
}

// segments are those of one connection.
type segments struct{ sent, received int }

// Verdict returns nil if every case went as TCP has it.
func (f KeepAliveFindings) Verdict() error {
	for _, c := range f.Cases {
		want := ""
		if c.want != nil {
			want = cause(c.want)
		}
		switch {
		case c.Result != want:
			return fmt.Errorf("lesson: keep-alive: %s: the read returned %q, want %q", c.Case, c.Result, want)
		case c.AfterMS != nil && *c.AfterMS < *c.ComputedMS-ms(keepSlack):
			return fmt.Errorf("lesson: keep-alive: %s: after %.0f ms, sooner than the %.0f ms that are due", c.Case, *c.AfterMS, *c.ComputedMS)
		case c.want == nil && c.ComputedMS == nil && c.Received == 0:
			return fmt.Errorf("lesson: keep-alive: %s: no probe was acknowledged", c.Case)
		}
	}
	return nil
}

// keepSlack is the resolution of the kernel's timers at the slowest usual rate,
// and what passes between the last segment and our look at the clock.
const keepSlack = 50 * time.Millisecond
