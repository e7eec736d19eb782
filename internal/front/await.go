package front

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/internal/wire"
)

// StoryError says in one line what is wrong, such as what did not happen in time, and
// tells the story.
type StoryError struct {
	Text  string
	Story string
	Err   error // the context's, or nil
}

// Error returns all of it, the story last.
func (e *StoryError) Error() string { return e.Text + "\n" + e.Story }

// Unwrap returns Err.
func (e *StoryError) Unwrap() error { return e.Err }

// late is the error of a wait.
func (f *Front) late(ctx context.Context, what, have string, start time.Time) error {
	text := fmt.Sprintf("awaited %s for %s: %s", what, seconds(time.Since(start)), have)
	return &StoryError{Text: text, Story: f.Story(), Err: ctx.Err()}
}

// await waits until met, which is called under mu, reports that what is there.
// have is how far it has come.
func (f *Front) await(ctx context.Context, what string, met func() (have string, ok bool)) error {
	start := time.Now()
	for {
		f.mu.Lock()
		have, ok := met()
		changed, closed := f.changed, f.closed
		f.mu.Unlock()
		if ok {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return f.late(ctx, what, have, start)
		}
	}
}

// count writes so many things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// of says whose it is that is awaited.
func of(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" of client %q", name)
}

// AwaitConnect waits until a client of that name, any with "", is connected: the
// broker has read its CONNECT and the answer to its first PING was handed to it. It
// returns its name and number.
func (f *Front) AwaitConnect(ctx context.Context, name string) (called string, number uint64, err error) {
	err = f.await(ctx, "a connection"+of(name), func() (string, bool) {
		open := f.openLocked()
		for _, r := range open {
			if r.greeted && (name == "" || r.name == name) {
				called, number = r.name, r.number
				return "", true
			}
		}
		return fmt.Sprintf("of %s it is none", count(len(open), "open connection")), false
	})
	return called, number, err
}

// AwaitSubscribers waits until at least n subscriptions, of clients of that name or
// with "" of all, get what is published to subject, which may be a pattern, and the
// broker has read them.
func (f *Front) AwaitSubscribers(ctx context.Context, subject string, n int, name string) error {
	what := fmt.Sprintf("%s to %q%s", count(n, "subscription"), subject, of(name))
	return f.await(ctx, what, func() (string, bool) {
		have := 0
		for _, r := range f.openLocked() {
			if name == "" || r.name == name {
				have += r.covering(subject)
			}
		}
		return fmt.Sprintf("there are %d", have), have >= n
	})
}

// Reconnect is how long a reconnect took.
type Reconnect struct {
	// Fault is what the client survived.
	Fault string
	// Noticed is the time from the fault until the client closed the old connection.
	// It is 0 where that cannot be seen: when the front closed first (Kill, Reset),
	// and when the kernel drops the client's packets.
	Noticed time.Duration
	// Back is the time from the fault until the client was connected again and all
	// that it had subscribed to was in effect, but for reply subjects.
	Back time.Duration
}

// AwaitReconnect waits until the clients that the last fault harmed, those of that
// name or with "" all, have connected again and are subscribed as before. Of
// several it tells the slowest.
func (f *Front) AwaitReconnect(ctx context.Context, name string) (Reconnect, error) {
	f.mu.Lock()
	m := f.mark
	f.mu.Unlock()
	if m == nil {
		return Reconnect{}, errors.New("await reconnect: no fault has met a connected client yet")
	}
	var lost []*record
	var subs [][]string
	for i, r := range m.lost {
		if name == "" || r.name == name {
			lost, subs = append(lost, r), append(subs, m.subs[i])
		}
	}
	if len(lost) == 0 {
		return Reconnect{}, fmt.Errorf("await reconnect: %s met no client named %q", m.text, name)
	}
	err := f.await(ctx, fmt.Sprintf("the reconnect of %s%s since %s", count(len(lost), "client"), of(name), m.text), func() (string, bool) {
		return f.backLocked(m, lost, subs)
	})
	if err != nil {
		return Reconnect{}, err
	}
	r := Reconnect{Fault: m.text, Back: time.Since(m.at)}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range lost {
		if !old.left.IsZero() {
			r.Noticed = max(r.Noticed, old.left.Sub(m.at))
		}
	}
	return r, nil
}

// backLocked reports whether each lost client has a new connection.
func (f *Front) backLocked(m *mark, lost []*record, subs [][]string) (have string, all bool) {
	taken := make(map[*record]bool)
	var missing []string
	for i, old := range lost {
		found := slices.IndexFunc(f.openLocked(), func(r *record) bool {
			return !taken[r] && r.greeted && r.id > m.before && r.name == old.name && r.coversAll(subs[i])
		})
		if found < 0 {
			missing = append(missing, clip(fmt.Sprintf("%s %q", old.title(), subs[i])))
			continue
		}
		taken[f.openLocked()[found]] = true
	}
	if len(missing) > 0 {
		return "not back and subscribed as before: " + strings.Join(missing, ", "), false
	}
	return "", true
}

func (r *record) coversAll(patterns []string) bool {
	return !slices.ContainsFunc(patterns, func(p string) bool { return r.covering(p) == 0 })
}

// AwaitStale waits until a connection, of a client of that name or with "" of any,
// was given up for its silence: the broker said so, or the client closed while a
// fault held it. If there was a fault, it is a connection that the last one met.
func (f *Front) AwaitStale(ctx context.Context, name string) error {
	return f.await(ctx, "a stale connection"+of(name), func() (string, bool) {
		records, since := f.recordsLocked(), ""
		if f.mark != nil {
			records, since = f.mark.lost, " since "+f.mark.text
		}
		return "there is none" + since, slices.ContainsFunc(records, func(r *record) bool {
			return (name == "" || r.name == name) && (r.stale() || f.mark != nil && !r.left.IsZero())
		})
	})
}

// AwaitGone waits until no connection is left that the last fault met.
func (f *Front) AwaitGone(ctx context.Context) error {
	return f.await(ctx, "the end of the connections that a fault met", func() (string, bool) {
		if f.mark == nil {
			return "there was none", false
		}
		left := slices.ContainsFunc(f.mark.lost, func(r *record) bool { return r.left.IsZero() && r.ended.IsZero() })
		return "there are some since " + f.mark.text, !left
	})
}

// AwaitHeld waits until a connection was accepted that is met by silence.
func (f *Front) AwaitHeld(ctx context.Context) error {
	return f.await(ctx, "a connection that is met by silence", func() (string, bool) {
		for c := range f.conns {
			if c.state == stateWaiting {
				return "", true
			}
		}
		return "there is none", false
	})
}

// stale reports whether the broker said that it gives the connection up.
func (r *record) stale() bool {
	last := r.tail
	if len(last) == 0 {
		last = r.head
	}
	return len(last) > 0 && last[len(last)-1].kind == wire.Err &&
		strings.Contains(last[len(last)-1].text, "Stale Connection")
}

// AwaitIdle waits until, for the time quiet, nothing but PING and PONG has passed
// and nobody came or went.
func (f *Front) AwaitIdle(ctx context.Context, quiet time.Duration) error {
	what := fmt.Sprintf("%s without traffic", quiet)
	start := time.Now()
	for {
		f.mu.Lock()
		busy, waiting := f.busyLocked()
		changed := f.changed
		f.mu.Unlock()
		wait := quiet - time.Since(busy)
		if wait <= 0 && !waiting {
			return nil
		}
		timer := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			have := "the last traffic was " + seconds(time.Since(busy)) + " ago"
			return f.late(ctx, what, have, start)
		}
		timer.Stop()
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// busyLocked returns when something other than PING and PONG last passed, something was
// published, or somebody came or went; and whether something waits to pass that may.
func (f *Front) busyLocked() (last time.Time, waiting bool) {
	last = f.published
	for _, r := range f.recordsLocked() {
		last = latest(last, latest(latest(r.opened, r.left), latest(r.ended, r.active)))
	}
	for c := range f.conns {
		for _, d := range []Direction{ToBroker, FromBroker} {
			waiting = waiting || c.state == stateOpen && c.path(d).size > 0 && !c.lane(d).held
		}
	}
	return last, waiting
}
