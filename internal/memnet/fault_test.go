package memnet

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCutHoldsAndHealDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		n.Cut(broker)
		write(t, client, "one ")
		write(t, client, "two")
		write(t, server, "three")
		server.Close()
		wantSilence(t, client, time.Hour)
		n.Heal(broker)
		wantRead(t, client, "three")
		wantReadError(t, client, io.EOF)
	})
}

func TestCutOneWay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		n.CutTo(broker)
		write(t, client, "held")
		wantSilence(t, server, time.Minute)
		write(t, server, "passes")
		wantRead(t, client, "passes")
		n.Heal(broker)
		wantRead(t, server, "held")

		n.CutFrom(broker)
		write(t, server, "held")
		wantSilence(t, client, time.Minute)
		write(t, client, "passes")
		wantRead(t, server, "passes")
		n.Heal(broker)
		wantRead(t, client, "held")
	})
}

// TestCutHoldsAcknowledgements: what arrives but cannot be acknowledged keeps
// its place in the sender's buffer.
func TestCutHoldsAcknowledgements(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(4)
		client, server := connected(t, n)
		n.CutFrom(broker)
		write(t, client, "full")
		wantRead(t, server, "full")
		wrote := later(t, func() { write(t, client, "more") })
		wrote(false)
		n.Heal(broker)
		wrote(true)
		wantRead(t, server, "more")
	})
}

// TestCutOneConnection: the address of a client's end names its connection alone.
func TestCutOneConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		one := dial(t, n)
		oneServer := accept(t, l)
		two := dial(t, n)
		twoServer := accept(t, l)
		n.Cut(one.LocalAddr().String())
		write(t, oneServer, "x")
		write(t, twoServer, "y")
		wantRead(t, two, "y")
		wantSilence(t, one, time.Minute)

		n.Vanish(two.LocalAddr().String())
		wantSilence(t, twoServer, time.Minute)
	})
}

func TestVanishIsSilent(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(8)
		l := listen(t, n)
		client := dial(t, n)
		server := accept(t, l)
		waiting := dial(t, n) // in the backlog
		write(t, server, "last")
		read := later(t, func() { wantReadError(t, server, net.ErrClosed) })
		n.Vanish(broker)
		read(true)
		wantWriteError(t, server, net.ErrClosed)
		server.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept of a host that vanished: %v", err)
		}
		l.Close()

		wantRead(t, client, "last") // it had arrived
		wantSilence(t, client, 2*time.Hour)
		wantSilence(t, waiting, 2*time.Hour)
		write(t, client, "12345678") // the kernel takes what it has room for
		client.SetWriteDeadline(time.Now().Add(time.Hour))
		if _, err := client.Write([]byte("9")); err == nil {
			t.Error("a full buffer takes more")
		}
	})
}

func TestReturnAnswersTheUnacknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := connected(t, n)
		n.Vanish(broker)
		write(t, client, "in vain")
		read := later(t, func() { wantReadError(t, client, syscall.ECONNRESET) })
		read(false)
		listen(t, n)
		read(true)
		wantWriteError(t, client, syscall.ECONNRESET)
		wantReadError(t, client, syscall.ECONNRESET)
	})
}

func TestReturnAnswersTheNextWrite(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, _ := connected(t, n)
		n.Vanish(broker)
		l := listen(t, n)
		wantSilence(t, client, time.Hour) // nothing of ours is out: nobody asks, nobody answers
		write(t, client, "PING")
		wantReadError(t, client, syscall.ECONNRESET)

		// The returned host serves new connections, and can vanish again.
		client = dial(t, n)
		server := accept(t, l)
		write(t, client, "hello")
		wantRead(t, server, "hello")
		n.Vanish(broker)
		wantSilence(t, client, time.Hour)
	})
}

// TestReturnBehindACut: the reset, too, has to pass the link.
func TestReturnBehindACut(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		n.Cut(broker)
		write(t, server, "lost: held by the cut, and its sender forgot it")
		n.Vanish(broker)
		write(t, client, "PING")
		listen(t, n)
		wantSilence(t, client, time.Hour)
		n.Heal(broker)
		wantReadError(t, client, syscall.ECONNRESET)
	})
}

func TestFreeze(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(4)
		l := listen(t, n)
		client := dial(t, n)
		server := accept(t, l)
		server.SetReadDeadline(time.Now().Add(time.Second))
		n.Freeze(broker)

		read := later(t, func() { wantReadError(t, server, os.ErrDeadlineExceeded) })
		accepted := later(t, func() { accept(t, l) })
		wrote := later(t, func() { write(t, server, "late") })
		dial(t, n) // the kernel completes it
		write(t, client, "full")
		filled := later(t, func() { write(t, client, "x") })
		wantSilence(t, client, time.Hour)
		read(false)
		accepted(false)
		wrote(false)
		filled(false)
		n.Thaw(broker)
		read(true) // its deadline has passed long ago
		accepted(true)
		wrote(true)
		wantRead(t, client, "late")
		server.SetReadDeadline(time.Time{})
		wantRead(t, server, "fullx")
		filled(true)
	})
}

// TestFrozenClose: what a frozen end closes, its peer learns after Thaw.
func TestFrozenClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		write(t, server, "sent before")
		n.Freeze(broker)
		server.Close()
		wantRead(t, client, "sent before")
		wantSilence(t, client, time.Hour)
		n.Thaw(broker)
		wantReadError(t, client, io.EOF)
	})
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		n.Freeze(broker)
		server.Close()
		write(t, client, "taken by the kernel, and lost")
		wantSilence(t, client, time.Hour)
		n.Thaw(broker)
		wantReadError(t, client, syscall.ECONNRESET)
	})
}

func TestDelay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		start := time.Now()
		elapsed := func(want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Fatalf("arrived after %v, want %v", got, want)
			}
		}
		n.Delay(broker, 100*time.Millisecond)
		write(t, client, "to ")
		wantRead(t, server, "to ")
		elapsed(100 * time.Millisecond)
		write(t, server, "fro")
		wantRead(t, client, "fro")
		elapsed(200 * time.Millisecond)

		// A shorter delay overtakes nothing.
		write(t, client, "slow ")
		n.Delay(broker, 0)
		write(t, client, "fast")
		wantRead(t, server, "slow fast")
		elapsed(300 * time.Millisecond)

		// A cut holds what is on its way.
		n.Delay(broker, time.Second)
		write(t, client, "held")
		n.Cut(broker)
		wantSilence(t, server, time.Minute)
		n.Heal(broker)
		wantRead(t, server, "held")

		// What is on its way when the host vanishes still arrives.
		write(t, server, "farewell")
		n.Vanish(broker)
		wantRead(t, client, "farewell")
		wantSilence(t, client, time.Minute)
	})
}

// TestStreamSurvivesAnyFault sends a counted stream both ways through random
// faults, those that end: all of it arrives, in order and once.
func TestStreamSurvivesAnyFault(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T, n *Network) {
			r := rand.New(rand.NewPCG(seed, 3))
			n.SetBuffer(1 + r.IntN(300))
			client, server := connected(t, n)
			var streams sync.WaitGroup
			for _, c := range []*Conn{client, server} {
				streams.Go(func() { sendCount(t, c, 5000) })
				streams.Go(func() { wantCount(t, c, 5000) })
			}
			for range 200 {
				address := []string{broker, client.LocalAddr().String()}[r.IntN(2)]
				[]func(string){n.Cut, n.CutTo, n.CutFrom, n.Heal, n.Heal, n.Freeze, n.Thaw, n.Thaw,
					func(a string) { n.Delay(a, time.Duration(r.IntN(int(time.Second)))) }}[r.IntN(9)](address)
				time.Sleep(time.Duration(r.IntN(int(time.Second))))
			}
			for _, address := range []string{broker, client.LocalAddr().String()} {
				n.Heal(address)
				n.Thaw(address)
				n.Delay(address, 0)
			}
			streams.Wait()
		})
	}
}

// sendCount writes the numbers up to count, and a FIN.
func sendCount(t *testing.T, c *Conn, count uint32) {
	for i := range count {
		if _, err := c.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Errorf("write %d: %v", i, err)
			return
		}
	}
	c.CloseWrite()
}

// wantCount reads what sendCount writes.
func wantCount(t *testing.T, c *Conn, count uint32) {
	var b [4]byte
	for i := range count {
		if _, err := io.ReadFull(c, b[:]); err != nil || binary.BigEndian.Uint32(b[:]) != i {
			t.Errorf("read %d, %v, want %d", binary.BigEndian.Uint32(b[:]), err, i)
			return
		}
	}
	if _, err := c.Read(b[:]); err != io.EOF {
		t.Errorf("after the last: %v, want EOF", err)
	}
}
