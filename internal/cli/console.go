package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// Console is where a program tells how it goes: lines that stay and, on a
// terminal, one line below them that is replaced again and again. All methods may
// be called concurrently.
type Console struct {
	// Fixed after construction.
	out      io.Writer
	terminal bool

	mu sync.Mutex

	// Guarded by mu.
	status string // the line shown below, if any
}

// NewConsole returns the console on f.
func NewConsole(f *os.File) *Console { return &Console{out: f, terminal: Terminal(f)} }

// clearLine returns to the beginning of the line and clears it (ECMA-48).
const clearLine = "\r\x1b[K"

// Terminal reports whether the status is shown at all.
func (c *Console) Terminal() bool { return c.terminal }

// Println writes a line that stays, above the status.
func (c *Console) Println(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != "" {
		fmt.Fprint(c.out, clearLine)
	}
	fmt.Fprintln(c.out, line)
	fmt.Fprint(c.out, c.status)
}

// SetStatus replaces the status; "" takes it away. Off a terminal it does
// nothing.
func (c *Console) SetStatus(status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.terminal || status == c.status {
		return
	}
	c.status = status
	fmt.Fprint(c.out, clearLine, status)
}
