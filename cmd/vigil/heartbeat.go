package main

import (
	"time"

	"vigil/heartbeat"
	"vigil/internal/cli"
)

// heartbeat returns what --within asks for.
func (f *clientFlags) heartbeat() (heartbeat.Config, error) {
	if f.within == "lesson" {
		return heartbeat.Lesson(), nil
	}
	d, err := time.ParseDuration(f.within)
	if err != nil {
		return heartbeat.Config{}, cli.Usagef("--within %q: want a duration such as 2s or 500ms, or lesson", f.within)
	}
	beat := heartbeat.Within(d)
	if err := beat.Validate(); err != nil {
		return heartbeat.Config{}, cli.Usagef("--within %v: %v", d, err)
	}
	return beat, nil
}
