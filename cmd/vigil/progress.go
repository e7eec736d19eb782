package main

import (
	"fmt"
	"time"

	"vigil/internal/cli"
)

// progress shows on a terminal how far a long row of messages has come. Nil shows
// nothing.
type progress struct {
	console *cli.Console
	total   int // 0 is not known
	started time.Time
	shown   time.Time
	n       int
}

// progressEvery is how often progress is shown.
const progressEvery = 200 * time.Millisecond

// newProgress returns nil where nothing is to be shown: off a terminal, and for
// one message.
func newProgress(console *cli.Console, total int) *progress {
	if !console.Terminal() || total == 1 {
		return nil
	}
	now := time.Now()
	return &progress{console: console, total: total, started: now, shown: now}
}

// step notes another message.
func (p *progress) step() {
	if p == nil {
		return
	}
	p.n++
	if now := time.Now(); now.Sub(p.shown) >= progressEvery {
		p.shown = now
		p.console.SetStatus(p.line(now))
	}
}

func (p *progress) line(now time.Time) string {
	rate := float64(p.n) / now.Sub(p.started).Seconds()
	if p.total == 0 {
		return fmt.Sprintf("%d messages, %.0f/s", p.n, rate)
	}
	return fmt.Sprintf("%d of %d messages (%d %%), %.0f/s", p.n, p.total, int64(p.n)*100/int64(p.total), rate)
}

// end takes away what was shown.
func (p *progress) end() {
	if p != nil {
		p.console.SetStatus("")
	}
}
