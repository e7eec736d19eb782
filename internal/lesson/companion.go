package lesson

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"vigil/heartbeat/udp"
	"vigil/internal/fault"
)

// CompanionCommand is the hidden command of the lab's own program that is the
// other end in the experiments with hosts that vanish: its argument is an address.
const CompanionCommand = "lesson-companion"

// companionRate is how many probes a companion answers a second: all.
const companionRate = 100_000

// Companion says nothing until it is spoken to: over TCP it sends back what comes,
// and over UDP it answers probes. It ends with its parent, or with ctx, and writes
// a line to ready when it listens.
func Companion(ctx context.Context, address string, ready io.Writer) error {
	fault.ExitWithParent()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("lesson: companion: %w", err)
	}
	defer l.Close()
	datagrams, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return fmt.Errorf("lesson: companion: %w", err)
	}
	defer datagrams.Close()
	ctx, cancel := context.WithCancel(ctx)
	var answering sync.WaitGroup
	defer answering.Wait()
	defer cancel()
	// Owned by Companion; ends with ctx, and is waited for.
	answering.Go(func() { _ = udp.Responder{Rate: companionRate, Burst: companionRate}.Serve(ctx, datagrams) })
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	if _, err := fmt.Fprintln(ready, l.Addr()); err != nil {
		return fmt.Errorf("lesson: companion: tell: %w", err)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("lesson: companion: accept: %w", err)
		}
		// Ends with its connection, which the experiment closes, or the process.
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

// companion is one that has been started on a host of its own.
type companion struct {
	host    *fault.Host
	proc    *fault.Process
	address string
}

// startCompanion starts one on host n of the switch.
func startCompanion(ctx context.Context, sw *fault.Switch, n int) (*companion, error) {
	host, err := sw.NewHost(n)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c := &companion{host: host, address: net.JoinHostPort(host.Addr().String(), fmt.Sprint(DefaultPort))}
	c.proc, err = fault.StartProcess(ctx, fault.Command{Args: []string{CompanionCommand, c.address}, Host: host})
	return c, err
}

// companions starts n of them, side by side.
func companions(ctx context.Context, sw *fault.Switch, n int) ([]*companion, error) {
	all, errs := make([]*companion, n), make([]error, n)
	var starting sync.WaitGroup
	for k := range n {
		starting.Go(func() { all[k], errs[k] = startCompanion(ctx, sw, firstHost+k) })
	}
	starting.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// firstHost is the number of the first companion's host; this process is 1.
const firstHost = 2
