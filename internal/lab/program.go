package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"vigil/internal/fault"
)

// URLPlaceholder stands in a program's command line for the broker's URL.
const URLPlaceholder = "{url}"

// WatchCommand is the hidden command of the lab's own program that watches the
// connections of a program of somebody's own, in a child process on the same
// host: its argument is the broker's address.
const WatchCommand = "watch"

// programContender is a NATS program of somebody's own. All that is known of it
// is what its connections are seen to do: nothing else is on its host.
func programContender(n int, command string) contender {
	name := "program"
	if n > 0 {
		name += "-" + strconv.Itoa(n+1)
	}
	return contender{name: name, about: command, computed: "unknown", command: command}
}

// enterProgram starts a program, and what watches it, and waits until it is
// connected.
func (t *trial) enterProgram(ctx context.Context, x *contestant) (err error) {
	// The program's first line is the shell's, so that it need not write any.
	line := "echo started; exec " + strings.ReplaceAll(x.command, URLPlaceholder, "nats://"+t.node.addr())
	x.proc, err = fault.StartProcess(ctx, fault.Command{Path: "/bin/sh", Args: []string{"-c", line}, Host: x.host})
	if err != nil {
		return err
	}
	x.watcher, err = fault.StartProcess(ctx, fault.Command{Args: []string{WatchCommand, t.node.addr()}, Host: x.host, Stderr: x.diary})
	if err != nil && x.proc.Err() != nil {
		return fmt.Errorf("%q ended: %w", x.command, x.proc.Err())
	}
	return err
}

// watchEvery is how often the table of connections is read.
const watchEvery = 20 * time.Millisecond

// Watch watches the connections of this host until the process is told to end
// or loses its parent. It writes a line to ready once there is one to port 4222,
// and what happens then as lines of JSON to events: a connection that is given
// up, and one that is made after that.
func Watch(ctx context.Context, addr string, ready, events io.Writer) error {
	fault.ExitWithParent()
	broker, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("lab: watch: %w", err)
	}
	reports := &reporter{out: json.NewEncoder(events)}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var seen connections
	for told := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, err := readConnections(broker.Port())
		if err != nil {
			return fmt.Errorf("lab: watch: %w", err)
		}
		switch {
		case !told && len(now) > 0:
			if _, err := fmt.Fprintln(ready, "connected"); err != nil {
				return fmt.Errorf("lab: watch: tell: %w", err)
			}
			told = true
		case told:
			lost, made := seen.changes(now)
			for range lost {
				reports.noticed(loss{own: true}) // whose doing it was is not seen
			}
			for range made {
				reports.reconnected("")
			}
		}
		seen = now
	}
}

// connections are the established connections of processes, by inode.
type connections map[uint64]bool

// changes returns how many connections are gone and how many are new.
func (c connections) changes(now connections) (lost, made int) {
	for inode := range c {
		if !now[inode] {
			lost++
		}
	}
	for inode := range now {
		if !c[inode] {
			made++
		}
	}
	return lost, made
}

// readConnections returns the established connections to a port, of this network
// namespace. What a process has closed has no inode any more, whatever its
// kernel still does about it.
func readConnections(port uint16) (connections, error) {
	all := make(connections)
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		table, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(file, "6") {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		if err := parseConnections(table, port, all); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
}

// parseConnections adds to all the connections to a port in a table in the
// format of proc_net_tcp(5).
func parseConnections(table []byte, port uint16, all connections) error {
	const (
		remote, state, inode = 2, 3, 9
		established          = "01"
	)
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode {
			return fmt.Errorf("line %q: want %d fields", lines.Text(), inode+1)
		}
		if fields[state] != established {
			continue
		}
		_, hex, _ := strings.Cut(fields[remote], ":")
		p, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			return fmt.Errorf("port %q: %w", hex, err)
		}
		n, err := strconv.ParseUint(fields[inode], 10, 64)
		if err != nil {
			return fmt.Errorf("inode %q: %w", fields[inode], err)
		}
		if uint16(p) == port && n != 0 {
			all[n] = true
		}
	}
	return lines.Err()
}
