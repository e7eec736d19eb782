package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Senders at once over a stream that takes random parts: every sender's output
// arrives complete and in its order.
func TestOutboxOrder(t *testing.T) {
	t.Run("writer goroutine", func(t *testing.T) { checkOutboxOrder(t, false) })
	t.Run("called", func(t *testing.T) { checkOutboxOrder(t, true) })
}

func checkOutboxOrder(t *testing.T, calls bool) {
	const senders, each = 8, 2000
	r := newOutboxRig(calls, -1, 64<<20)
	r.stream.moody = true
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			var shared []byte // the sender's own, which writes it anew each time
			for i := range each {
				text := fmt.Sprintf("%d %d %s\n", s, i, strings.Repeat("x", i%700))
				if s%2 == 0 {
					r.put(text)
					continue
				}
				shared = append(shared[:0], text...)
				r.sendShared(shared, r.claim())
			}
		})
	}
	wg.Wait()
	<-r.finish()
	r.writers.Wait()
	next := [senders]int{}
	for line := range strings.SplitSeq(strings.TrimSuffix(r.stream.text(), "\n"), "\n") {
		var s, i int
		var pad string
		_, _ = fmt.Sscan(line, &s, &i, &pad)
		if i != next[s] || len(pad) != i%700 {
			t.Fatalf("sender %d: got message %d of %d bytes, want %d", s, i, len(pad), next[s])
		}
		next[s]++
	}
	for s, n := range next {
		if n != each {
			t.Errorf("sender %d: %d messages, want %d", s, n, each)
		}
	}
	if !r.empty() {
		t.Errorf("the outbox holds %d buffers, %d bytes", len(r.queue), r.pending)
	}
}

func TestOutboxWaitsForTheStream(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 3, 1000)
		r.put("hello ")
		r.put("world")
		synctest.Wait()
		if got := r.stream.text(); got != "hel" {
			t.Errorf("before there is room: %q", got)
		}
		r.stream.allow(100)
		synctest.Wait()
		if got := r.stream.text(); got != "hello world" {
			t.Errorf("with room: %q", got)
		}
		r.writers.Wait() // the writer has gone
		r.put("!")
		if got := r.stream.text(); got != "hello world!" {
			t.Errorf("the sender writes again itself: %q", got)
		}
	})
}

func TestOutboxSlowByPending(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 0, 1000)
		for range 10 {
			r.put(strings.Repeat("x", 100))
		}
		synctest.Wait()
		if len(r.ended) > 0 {
			t.Fatalf("at the limit: %s", <-r.ended)
		}
		r.put("x")
		if got := <-r.ended; got != slowPending {
			t.Errorf("over the limit: %q, want %q", got, slowPending)
		}
		r.writers.Wait()
		if !r.empty() {
			t.Error("what was queued is not given back")
		}
		r.stream.allow(1000)
		r.put("more")
		if got := r.stream.text(); got != "" {
			t.Errorf("written after the end: %q", got)
		}
	})
}

// The deadline is for a stream that takes nothing, not for all of the output.
func TestOutboxSlowByDeadline(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 0, 1000)
		r.put("hello")
		for range 4 {
			time.Sleep(9 * time.Second)
			r.stream.allow(1)
		}
		synctest.Wait()
		if len(r.ended) > 0 {
			t.Fatalf("while the stream takes a byte now and then: %s", <-r.ended)
		}
		before := time.Now()
		if got := <-r.ended; got != slowDeadline || time.Since(before) != 10*time.Second {
			t.Errorf("%q after %v, want %q after 10s", got, time.Since(before), slowDeadline)
		}
		r.writers.Wait()
		if got := r.stream.text(); got != "hell" {
			t.Errorf("got %q", got)
		}
	})
}

func TestOutboxFinish(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 0, 1000)
		r.put("last words")
		flushed := r.finish()
		r.put("too late")
		synctest.Wait()
		select {
		case <-flushed:
			t.Fatal("flushed before the stream has taken anything")
		default:
		}
		r.stream.allow(100)
		<-flushed
		if got := <-r.ended; got != finished || r.stream.text() != "last words" {
			t.Errorf("ended as %q with %q", got, r.stream.text())
		}
		<-r.finish() // again, at once
		r.writers.Wait()
	})
}

func TestOutboxFailure(t *testing.T) {
	r := newOutboxRig(false, -1, 1000)
	r.stream.failing = errors.New("reset")
	r.put("x")
	if got := <-r.ended; got != writeError {
		t.Errorf("ended as %q, want %q", got, writeError)
	}
	<-r.finish()
	r.put("x")
	if r.stream.got.Len() > 0 || !r.empty() {
		t.Error("something is left")
	}
}

// Publishers are held back for a stream that takes, and not for one that does
// not.
func TestOutboxCongestion(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 0, 1000)
		r.put(strings.Repeat("x", 400))
		if r.put(strings.Repeat("x", 50)) {
			t.Error("held back below the mark")
		}
		if !r.put(strings.Repeat("x", 100)) {
			t.Error("not held back above the mark")
		}
		drained := r.drainedOrClosed()
		r.stream.allow(200)
		synctest.Wait()
		select {
		case <-drained:
			t.Fatal("woken while more than half the mark waits")
		default:
		}
		r.stream.allow(200)
		<-drained
		r.put(strings.Repeat("x", 400))
		time.Sleep(2 * stuckAfter)
		if r.put("x") {
			t.Error("held back for a stream that has taken nothing for long")
		}
		waiting := r.drainedOrClosed()
		r.discard()
		<-waiting
		_ = r.stream.close()
		r.writers.Wait()
	})
}

// settle waits for the claims that are held, and for no later ones.
func TestOutboxSettle(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, -1, 1000)
		r.settle() // nothing is claimed
		for range 3 {
			first, second := r.claim(), r.claim()
			settled := make(chan struct{})
			go func() { // ends when settled, which the test waits for
				r.settle()
				r.put("PONG ")
				close(settled)
			}()
			synctest.Wait()
			later := r.claim()
			r.sendClaimed(append(getBuffer(1), "MSG "...), first)
			synctest.Wait()
			select {
			case <-settled:
				t.Fatal("settled while output is claimed")
			default:
			}
			r.sendClaimed(nil, second)
			<-settled
			r.sendClaimed(append(getBuffer(1), "later "...), later)
		}
		if got, want := r.stream.text(), strings.Repeat("MSG PONG later ", 3); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What is sent first goes behind the buffer that is being written, ahead of the
// rest; and is counted and charged like the rest.
func TestOutboxSendFirst(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 3, 1<<20)
		r.account = &memoryAccount{ledger: newLedger(1<<30, func() []*client { return nil })}
		first := func(text string) { r.sendFirst(append(getBuffer(len(text)), text...)) }
		large := strings.Repeat("x", minBuffer-2) + "\r\n" // fills a buffer
		for range 3 {
			r.put(large)
		}
		synctest.Wait()
		first("PING\r\n")
		if held := r.account.share.Load(); held != 4*minBuffer {
			t.Errorf("%d bytes are charged for 4 buffers of %d", held, minBuffer)
		}
		r.stream.allow(1 << 20)
		synctest.Wait()
		if got, want := r.stream.text(), large+"PING\r\n"+large+large; got != want {
			t.Errorf("got %q", got)
		}
		r.writers.Wait()
		first("at once")
		if got := r.stream.text(); !strings.HasSuffix(got, "at once") {
			t.Error("what is sent first waits for nothing")
		}
		if held := r.account.share.Load(); held != 0 || r.held != 0 || !r.empty() {
			t.Errorf("%d bytes are charged for nothing", held)
		}
		r.discard()
		first("too late")
	})
}

// meddlingStream has something happen while it is written to.
type meddlingStream struct {
	*fakeStream
	meanwhile func()
}

func (m *meddlingStream) tryWrite(p []byte) (int, error) {
	n, err := m.fakeStream.tryWrite(p)
	if f := m.meanwhile; f != nil {
		m.meanwhile = nil
		f()
	}
	return n, err
}

// The rest of what is shared goes ahead of what came while its beginning was
// written, and counts as what waits.
func TestOutboxSendShared(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 3, 20)
		r.outbox.stream = &meddlingStream{r.stream, func() { r.put("world ") }}
		shared := []byte("hello ")
		r.sendShared(shared, r.claim())
		copy(shared, "xxxxxx")
		synctest.Wait()
		r.mu.Lock()
		pending := r.pending
		r.mu.Unlock()
		if got := r.stream.text(); got != "hel" || pending != len("lo world ") {
			t.Errorf("%q is written and %d bytes wait", got, pending)
		}
		r.sendShared([]byte("again "), r.claim()) // behind what waits
		r.stream.allow(100)
		synctest.Wait()
		if got := r.stream.text(); got != "hello world again " {
			t.Errorf("got %q", got)
		}
		r.writers.Wait()
		if !r.empty() {
			t.Errorf("the outbox holds %d buffers, %d bytes", len(r.queue), r.pending)
		}
		// More than may wait.
		r.outbox.stream = &meddlingStream{r.stream, func() { r.put("fourteen bytes") }}
		r.stream.allow(1 - r.stream.room)
		r.sendShared([]byte("eight   "), r.claim())
		if got := <-r.ended; got != slowPending {
			t.Errorf("over the limit: %q, want %q", got, slowPending)
		}
		r.writers.Wait()
		if !r.empty() {
			t.Error("what was queued is not given back")
		}
		r.sendShared([]byte("more"), r.claim())
	})
}
