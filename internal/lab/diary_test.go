package lab

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a reporter writes a diary reads, however the bytes are cut.
func TestDiary(t *testing.T) {
	var lines strings.Builder
	r := &reporter{out: json.NewEncoder(&lines), taken: 7}
	r.received(3)
	r.noticed(loss{cause: "stale", silence: time.Second, own: true})
	r.reconnected("")
	r.claims(time.Unix(1, 0), time.Unix(2, 0))
	r.remark("nothing", true)
	r.sum()
	for size := 1; size <= lines.Len(); size++ {
		d := newDiary()
		for text := lines.String(); text != ""; {
			n := min(size, len(text))
			_, _ = d.Write([]byte(text[:n]))
			text = text[n:]
		}
		got := d.all()
		if len(got) != 5 || d.words() != "" {
			t.Fatalf("in pieces of %d: %+v, said %q", size, got, d.words())
		}
		for k, want := range []event{
			{Kind: eventReceived, N: 3},
			{Kind: eventLost, Cause: "stale", Silence: int64(time.Second), Own: true},
			{Kind: eventConnected},
			{Kind: eventDeaf, From: int64(time.Second), To: 2 * int64(time.Second)},
			{Kind: eventPublished, N: 7},
		} {
			want.At = got[k].At
			if got[k] != want {
				t.Errorf("event %d: %+v, want %+v", k, got[k], want)
			}
		}
	}
}

// What a contender says besides is kept for the error, in bounds.
func TestDiaryWords(t *testing.T) {
	d := newDiary()
	for range 100 {
		_, _ = d.Write([]byte("panic: so sad\n"))
	}
	if got := strings.Count(d.words(), "panic"); got != maxSaid {
		t.Errorf("%d lines kept", got)
	}
	_, _ = d.Write([]byte(strings.Repeat("x", 2*maxLine)))
	if len(d.rest) > maxLine {
		t.Errorf("%d bytes of a line kept", len(d.rest))
	}
}

func TestDiaryAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		results := make(chan bool, 2)
		go func() { results <- d.await(ctx, eventLost, time.Unix(0, 50)) }()
		_, _ = d.Write([]byte(`{"at":49,"kind":"lost"}` + "\n" + `{"at":60,"kind":"connected"}` + "\n"))
		synctest.Wait()
		if len(results) > 0 {
			t.Error("neither is what was awaited")
		}
		_, _ = d.Write([]byte(`{"at":50,"kind":"lost"}` + "\n"))
		if !<-results {
			t.Error("did not see it")
		}
		go func() { results <- d.await(ctx, eventDeaf, time.Time{}) }()
		if <-results {
			t.Error("saw what was not")
		}
	})
}

func FuzzDiary(f *testing.F) {
	f.Add([]byte(`{"at":1,"kind":"received","n":3}`+"\n"), 5)
	f.Add([]byte("{}\n[]\nnull\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		d := newDiary()
		size = max(size%64, 1)
		for len(text) > 0 {
			n := min(size, len(text))
			if wrote, err := d.Write(text[:n]); wrote != n || err != nil {
				t.Fatalf("wrote %d, %v", wrote, err)
			}
			text = text[n:]
		}
		for _, e := range d.all() {
			if e.Kind == "" {
				t.Error("an event of no kind")
			}
		}
	})
}

func FuzzNumberIn(f *testing.F) {
	for _, s := range []string{"", "0", "17", "17 ...", " ", "1x", "999999999", "1234567890"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, ok := numberIn(payload)
		if !ok {
			return
		}
		if again, ok := numberIn(appendNumber(nil, n, len(payload))); !ok || again != n {
			t.Errorf("%q is %d, and back it is %d %v", payload, n, again, ok)
		}
	})
}
