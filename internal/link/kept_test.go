package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

func TestAtRiskHoldsTheUnconfirmedMessages(t *testing.T) {
	bubble(t, Config{KeepUnconfirmed: minKeep}, func(r *rig) {
		r.publish("1", "2", "3")
		r.flush()
		r.net.Cut(address)
		header := wire.Header{"A": {"b"}}
		if err := r.link.Publish(r.t.Context(), "s", "answers.here", wire.AppendHeader(nil, header), []byte("4")); err != nil {
			t.Fatal(err)
		}
		r.publish("5")
		time.Sleep(time.Second)
		r.net.Vanish(address)
		time.Sleep(2 * time.Second)
		lost := r.last(EventLost)
		if n := len(lost.AtRisk); n != 2 || lost.Unconfirmed.Messages != 2 {
			t.Fatalf("%d messages, %v", n, lost.Unconfirmed)
		}
		first, second := lost.AtRisk[0], lost.AtRisk[1]
		if first.Subject != "s" || first.Reply != "answers.here" || first.Header.Get("A") != "b" || string(first.Data) != "4" {
			t.Errorf("the first is %+v", first)
		}
		if second.Header != nil || second.Reply != "" || string(second.Data) != "5" {
			t.Errorf("the second is %+v", second)
		}
		r.net.Heal(address)
		r.peer.start()
		r.publish("6")
		r.flush()
		if got, err := r.peer.lately(); err != nil || !slices.Equal(got, []string{"6"}) {
			t.Errorf("the next connection got %q, %v", got, err)
		}
	})
}

func TestAtRiskIsBounded(t *testing.T) {
	bubble(t, Config{KeepUnconfirmed: 4 * chunkSize}, func(r *rig) {
		r.net.SetBuffer(100 << 20)
		r.peer.conn(0).nc.Close()
		time.Sleep(5 * time.Second) // a connection with that buffer
		r.net.Cut(address)
		const messages = 100
		for i := range messages {
			if err := r.link.Publish(r.t.Context(), "s", "", nil, append(strconv.AppendInt(nil, int64(i), 10), make([]byte, 50_000)...)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		lost := r.last(EventLost)
		size := 0
		for _, m := range lost.AtRisk {
			size += len(m.Data)
		}
		if n := len(lost.AtRisk); n == 0 || n == messages || size > 5*chunkSize {
			t.Fatalf("%d messages of %v kept, %d bytes", n, lost.Unconfirmed, size)
		}
		r.net.Heal(address)
		time.Sleep(5 * time.Second)
	})
}

func TestResendIsInOrderAndFirst(t *testing.T) {
	bubble(t, Config{KeepUnconfirmed: minKeep, Resend: true}, func(r *rig) {
		r.publish("1", "2", "3")
		r.flush()
		r.net.Cut(address)
		r.publish("4", "5")
		time.Sleep(time.Second)
		r.net.Vanish(address)
		time.Sleep(2 * time.Second)
		r.publish("6")
		if e := r.last(EventLost); e.Unconfirmed.Messages != 2 || e.AtRisk != nil {
			t.Errorf("lost event %+v", e)
		}
		r.net.Heal(address)
		r.peer.start()
		r.flush()
		got, err := r.peer.lately()
		if err != nil || !slices.Equal(got, []string{"4", "5", "6"}) {
			t.Errorf("sent %q, %v", got, err)
		}
		if s := r.link.Stats(); s.Unconfirmed != (Tally{}) {
			t.Errorf("stats %+v: they were sent again", s)
		}
		if s := r.link.Status(); s.Unconfirmed.Messages != 0 || s.Queued.Messages != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// With Resend every message arrives whatever the network does, in order, and
// what arrives twice is a run that was sent again.
func TestResendThroughManyLosses(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			bubble(t, Config{KeepUnconfirmed: minKeep + rng.IntN(1<<20), Resend: true}, func(r *rig) {
				r.net.SetBuffer(1 + rng.IntN(50_000))
				const messages = 2000
				published := make(chan struct{})
				go func() {
					defer close(published)
					pad, rng := make([]byte, 1000), rand.New(rand.NewPCG(seed, 8))
					for i := range messages {
						text := append(strconv.AppendInt(nil, int64(i), 10), ' ')
						if err := r.link.Publish(r.t.Context(), "s", "", nil, append(text, pad[:rng.IntN(1000)]...)); err != nil {
							t.Error(err)
						}
						if i%20 == 0 {
							time.Sleep(10 * time.Millisecond)
						}
					}
				}()
				for range 6 {
					time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
					switch rng.IntN(3) {
					case 0:
						r.net.Cut(address)
						time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
						r.net.Heal(address)
					case 1:
						c := r.peer.conn(r.peer.count() - 1)
						c.nc.(interface{ SetLinger(int) error }).SetLinger(0)
						c.nc.Close()
					case 2:
						r.net.Freeze(address)
						time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
						r.net.Thaw(address)
					}
				}
				<-published
				for {
					err := r.link.Flush(r.t.Context())
					if _, interrupted := errors.AsType[*InterruptedError](err); !interrupted {
						break
					}
				}
				next := 0
				for i := range r.peer.count() {
					got, err := r.peer.conn(i).payloads()
					if err != nil {
						t.Errorf("connection %d: %v", i, err)
					}
					for k, p := range got {
						var n int
						fmt.Sscanf(p, "%d ", &n)
						if n > next || k > 0 && n != next {
							t.Fatalf("connection %d: message %d where %d was due", i, n, next)
						}
						next = n + 1
					}
				}
				if next != messages {
					t.Errorf("%d of %d arrived", next, messages)
				}
			})
		})
	}
}

func TestPublishWaitsForConfirmationWhenFull(t *testing.T) {
	bubble(t, Config{KeepUnconfirmed: minKeep, Resend: true}, func(r *rig) {
		c := r.peer.conn(0)
		c.set(true, false)
		go func() {
			for range 100 {
				c.send("+OK\r\n")
				time.Sleep(100 * time.Millisecond)
			}
		}()
		ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
		defer cancel()
		taken := 0
		for r.link.Publish(ctx, "s", "", nil, make([]byte, 1000)) == nil {
			taken++
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || taken > minKeep/1000 {
			t.Errorf("%d messages taken, %v", taken, ctx.Err())
		}
		c.set(false, false)
		c.send("PONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\nPONG\r\n")
		time.Sleep(time.Second)
		r.publish("there is room")
		time.Sleep(10 * time.Second)
	})
}

// A PONG that confirms a part of a chunk makes no room. Publish asks for the rest
// at once, and does not wait until the heartbeat would.
func TestPublishAsksForRoom(t *testing.T) {
	bubble(t, Config{KeepUnconfirmed: minKeep, Resend: true}, func(r *rig) {
		r.net.SetBuffer(2000)
		r.peer.conn(0).nc.Close()
		time.Sleep(5 * time.Second) // a connection with that buffer
		r.net.Delay(address, time.Millisecond)
		r.publish(string(make([]byte, 4000))) // keeps the writer busy
		synctest.Wait()
		r.publish(string(make([]byte, 45_000)))
		go r.link.Flush(r.t.Context())
		synctest.Wait()
		r.publish(string(make([]byte, 4000))) // behind the PING of Flush
		start := time.Now()
		r.publish(string(make([]byte, 20_000)))
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Publish waited for %v", d)
		}
	})
}

func TestAwayAge(t *testing.T) {
	const age = 8 * time.Second
	bubble(t, Config{AwayAge: age}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		for i := range 20 {
			r.publish(strconv.Itoa(i))
			time.Sleep(time.Second)
		}
		r.net.Heal(address)
		r.peer.start()
		r.flush()
		resumed := r.last(EventResumed)
		got, _ := r.peer.lately()
		oldest, err := strconv.Atoi(got[0])
		if err != nil || len(got) != 20-oldest || oldest < 20-10 || oldest > 20-8 {
			t.Errorf("%q arrived, want those not older than %v", got, age)
		}
		dropped := int64(0)
		for _, e := range r.all() {
			if e.Kind == EventDropped {
				dropped += e.Dropped.Messages
				if !errors.Is(e.Err, ErrTooOld) || e.At.After(resumed.At) {
					t.Errorf("event %v", e)
				}
			}
		}
		if dropped != int64(oldest) || r.link.Stats().Dropped.Messages != dropped {
			t.Errorf("%d told as dropped, %v counted, %d are missing", dropped, r.link.Stats().Dropped, oldest)
		}
	})
}

// What is too old makes room for what is not.
func TestAwayAgeMakesRoom(t *testing.T) {
	const age = time.Second
	bubble(t, Config{AwayAge: age, AwayBuffer: 100, RetryBase: time.Hour, RetryCap: time.Hour, NoStandby: true}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		full := func() bool {
			return errors.Is(r.link.Publish(r.t.Context(), "s", "", nil, make([]byte, 60)), ErrAwayBufferFull)
		}
		if full() || !full() {
			t.Fatal("one message fits, two do not")
		}
		time.Sleep(2 * age)
		if full() {
			t.Error("what is too old takes room")
		}
		if n := r.link.Stats().Dropped.Messages; n != 1 {
			t.Errorf("%d messages dropped, want the first", n)
		}
	})
}

// What fills more than a chunk at once grows old as well.
func TestAwayAgeOfMuch(t *testing.T) {
	const age = 8 * time.Second
	bubble(t, Config{AwayAge: age}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		for range 20 {
			r.publish(string(make([]byte, 50_000)))
		}
		time.Sleep(2 * age)
		if s := r.link.Status(); s.Queued != (Tally{}) {
			t.Errorf("%v are still queued", s.Queued)
		}
		if n := r.link.Stats().Dropped.Messages; n != 20 {
			t.Errorf("%d dropped", n)
		}
		r.net.Heal(address)
		r.peer.start()
		time.Sleep(5 * time.Second)
	})
}

// Nor does the PING of a Flush, which a lame duck left, keep what is behind it.
func TestAwayAgeBehindAPing(t *testing.T) {
	l := newLink([]server{{address: address}}, Config{AwayAge: time.Minute}.withDefaults())
	defer l.end()
	defer l.shut(nil)
	now := time.Now()
	for i := range 3 {
		if err := l.Publish(t.Context(), "s", "", nil, nil); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			l.out.ping(nil)
		}
		now = now.Add(time.Hour)
		l.expire(now)
		if n := l.Stats().Dropped.Messages; n != int64(i+1) {
			t.Fatalf("%d messages dropped of %d", n, i+1)
		}
	}
	if l.out.size != len(wire.PingLine) {
		t.Errorf("%d bytes are left, want the PING", l.out.size)
	}
}

// A broker that takes less than the one before would end the connection each
// time, for ever.
func TestTooLargeForTheNextBroker(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		r.publish("small")
		r.publish(string(make([]byte, 5000)))
		r.publish("small too")
		r.peer.info.MaxPayload = 1000
		r.net.Heal(address)
		r.peer.start()
		r.flush()
		if got, err := r.peer.lately(); err != nil || !slices.Equal(got, []string{"small", "small too"}) {
			t.Errorf("arrived: %q, %v", got, err)
		}
		e := r.last(EventDropped)
		if tooLarge, ok := errors.AsType[*PayloadError](e.Err); !ok || tooLarge.Size != 5000 || tooLarge.Max != 1000 || e.Dropped.Messages != 1 {
			t.Errorf("event %v", e)
		}
		if s := r.link.Status(); s.Queued.Messages != 0 {
			t.Errorf("queued: %v", s.Queued)
		}
	})
}

func TestHeadersThatTheNextBrokerDoesNotTake(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.net.Vanish(address)
		time.Sleep(5 * time.Second)
		r.publish("bare")
		header := wire.AppendHeader(nil, wire.Header{"A": {"b"}})
		if err := r.link.Publish(r.t.Context(), "s", "", header, []byte("with a header")); err != nil {
			t.Fatal(err)
		}
		r.peer.info.Headers = false
		r.net.Heal(address)
		r.peer.start()
		r.flush()
		if got, err := r.peer.lately(); err != nil || !slices.Equal(got, []string{"bare"}) {
			t.Errorf("arrived: %q, %v", got, err)
		}
		if e := r.last(EventDropped); !errors.Is(e.Err, ErrNoHeaders) || e.Dropped.Messages != 1 {
			t.Errorf("event %v", e)
		}
	})
}
