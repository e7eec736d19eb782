package lab

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Timeline writes the lines of a run as they come and, on a terminal, keeps a
// progress line below them. Its methods may be called concurrently.
type Timeline struct {
	out io.Writer
	// live is set on a terminal.
	live bool
	ends time.Time
	all  time.Duration

	mu       sync.Mutex
	progress string // what stands on the terminal's last line
}

// NewTimeline returns a timeline for a run of the given length that writes to
// out; live says that out is a terminal.
func NewTimeline(out io.Writer, live bool, length time.Duration) *Timeline {
	return &Timeline{out: out, live: live, ends: time.Now().Add(length), all: length}
}

// Tell writes a line.
func (t *Timeline) Tell(l Line) {
	colour := text.Colors{}
	switch {
	case l.Good:
		colour = text.Colors{text.FgGreen}
	case l.Bad:
		colour = text.Colors{text.FgRed}
	}
	who := l.Contender
	if who == "" {
		who = "(the lab)"
	}
	line := fmt.Sprintf("%10s  %-11s  %-12s  %s", fmt.Sprintf("t%+.3fs", l.At.Seconds()), l.Broker, who, colour.Sprint(l.Text))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	fmt.Fprintln(t.out, line)
	t.draw()
}

// Tick brings the progress line up to date.
func (t *Timeline) Tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	t.progress = progressLine(t.all-time.Until(t.ends), t.all)
	t.draw()
}

// End removes the progress line.
func (t *Timeline) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	t.progress = ""
}

func progressLine(done, all time.Duration) string {
	const width = 40
	done = min(max(done, 0), all)
	filled := int(width * done / all)
	return fmt.Sprintf("[%s%s] %2.0f of %.0f s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled),
		done.Seconds(), all.Seconds())
}

func (t *Timeline) erase() {
	if t.live && t.progress != "" {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
}

func (t *Timeline) draw() {
	if t.live && t.progress != "" {
		fmt.Fprint(t.out, t.progress)
	}
}
