package broker

import (
	"testing"
	"testing/synctest"
	"time"
)

// A stream that stalls behind a backlog which it has taken has the whole
// deadline again, and no more than that.
func TestOutboxSecondStall(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 0, 1000)
		for range 3 {
			r.put("taken in the end")
			time.Sleep(r.deadline - time.Second)
			r.stream.allow(len("taken in the end"))
			synctest.Wait()
			if !r.empty() {
				t.Fatal("the backlog is not taken")
			}
		}
		time.Sleep(500 * time.Millisecond)
		stalls := time.Now()
		r.put("stalls")
		r.endsAs(t, slowDeadline)
		if took := time.Since(stalls); took != r.deadline {
			t.Errorf("ended after %v, want %v", took, r.deadline)
		}
	})
}

// What is queued behind a stall counts for its deadline, and is not waited for
// anew.
func TestOutboxStallUnderTraffic(t *testing.T) {
	bothForms(t, func(t *testing.T, calls bool) {
		r := newOutboxRig(calls, 5, 1000)
		r.put("taken")
		stalls := time.Now()
		for range 9 {
			r.put("stalls")
			time.Sleep(time.Second)
		}
		r.endsAs(t, slowDeadline)
		if took := time.Since(stalls); took != r.deadline {
			t.Errorf("ended after %v, want %v", took, r.deadline)
		}
	})
}

// When the deadline passes while everything is written, but the writer goroutine
// has not seen yet that nothing is left, it writes what comes then: the deadline
// is for that, too.
func TestOutboxStallOfAWriterAboutToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newOutboxRig(false, 0, 1000)
		var writer func()
		r.spawn = func(f func()) { writer = f } // the test is the writer for a while
		r.put("hello")
		time.Sleep(r.deadline - time.Second)
		r.stream.allow(len("hello"))
		b, ok := r.next()
		if !ok {
			t.Fatal("nothing waits to be written")
		}
		n, err := r.stream.write(b)
		if err != nil {
			t.Fatal(err)
		}
		r.wrote(n)
		time.Sleep(2 * time.Second) // the deadline of "hello" passes
		stalls := time.Now()
		r.put("more")
		r.writers.Go(writer)
		r.endsAs(t, slowDeadline)
		if took := time.Since(stalls); took < r.deadline || took > 2*r.deadline {
			t.Errorf("ended after %v, want %v, or twice that", took, r.deadline)
		}
	})
}

// endsAs waits until the outbox has ended, and its writer with it.
func (r *outboxRig) endsAs(t *testing.T, want closeReason) {
	t.Helper()
	select {
	case got := <-r.ended:
		if got != want {
			t.Errorf("ended as %q, want %q", got, want)
		}
	case <-time.After(10 * r.deadline):
		t.Errorf("not ended after %v", 10*r.deadline)
		r.discard()
		_ = r.stream.close()
	}
	r.writers.Wait()
}
