package bench

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// What a flow publishes must be what it expects, on every contender: each
// chunk holds whole messages, and every delivery is of one length.
func TestFlows(t *testing.T) {
	flows := map[string]flow{
		"one": one(1, 1, 16), "large": one(1, 1, 64<<10), "fan": one(4, 100, 128), "nobody": one(1, 0, 128),
		"subjects": manySubjects(1000, 128), "wildcards": manyWildcards(2000, 128), "queue": queueFlow(), "headers": headerFlow(),
	}
	for name, f := range flows {
		for _, d := range []dialect{natsDialect{}, respDialect{}, relayDialect{}} {
			stride := f.stride(d)
			for i := range f.subjects {
				if n := len(d.appendDelivery(nil, f.message(i, plain(f.size)))); n != stride {
					t.Fatalf("%s on %T: delivery %d has %d bytes, the first %d", name, d, i, n, stride)
				}
			}
			if numbered := d.appendDelivery(nil, f.numberedMessage(f.publishers-1, 123456, plain(f.size))); len(numbered) != stride {
				t.Errorf("%s on %T: a numbered delivery has %d bytes, others %d", name, d, len(numbered), stride)
			}
			if total := f.chunk(d) * len(f.chunks(d)); total%len(f.subjects) != 0 {
				t.Errorf("%s on %T: chunks of %d messages for %d subjects", name, d, total, len(f.subjects))
			}
			if f.limit(d) < int64(2*f.chunk(d)*f.publishers) {
				t.Errorf("%s on %T: %d messages ahead, chunks of %d", name, d, f.limit(d), f.chunk(d))
			}
			if ahead := f.limit(d) * int64(stride) * int64(f.copies()); ahead > 128<<20 {
				t.Errorf("%s on %T: %d bytes ahead", name, d, ahead)
			}
		}
	}
}

func TestWildcardsMatchOneEach(t *testing.T) {
	f := manyWildcards(1000, 128)
	for i, subject := range f.subjects {
		pattern := []byte(f.patterns[f.routes[i]])
		prefix, _, _ := bytes.Cut(pattern, []byte("*"))
		prefix, _, _ = bytes.Cut(prefix, []byte(">"))
		if !bytes.HasPrefix([]byte(subject), prefix) {
			t.Fatalf("%s is routed to %s", subject, pattern)
		}
	}
	if slices.IsSorted(f.subjects) {
		t.Error("the subjects are in order")
	}
	again := manyWildcards(1000, 128)
	if !slices.Equal(f.subjects, again.subjects) {
		t.Error("another run has another order")
	}
}

func TestDialects(t *testing.T) {
	plain := message{subject: "a.b", sid: 7, payload: []byte("xyz")}
	headed := message{subject: "a.b", sid: 7, header: "NATS/1.0\r\n\r\n", payload: []byte("xyz")}
	for _, tc := range []struct {
		name      string
		got, want string
	}{
		{"PUB", string(natsDialect{}.appendPublish(nil, plain)), "PUB a.b 3\r\nxyz\r\n"},
		{"HPUB", string(natsDialect{}.appendPublish(nil, headed)), "HPUB a.b 12 15\r\nNATS/1.0\r\n\r\nxyz\r\n"},
		{"MSG", string(natsDialect{}.appendDelivery(nil, plain)), "MSG a.b 7 3\r\nxyz\r\n"},
		{"HMSG", string(natsDialect{}.appendDelivery(nil, headed)), "HMSG a.b 7 12 15\r\nNATS/1.0\r\n\r\nxyz\r\n"},
		{"SUB", string(natsDialect{}.appendSubscribe(nil, "a.*", "", 7)), "SUB a.* 7\r\n"},
		{"SUB queue", string(natsDialect{}.appendSubscribe(nil, "a.*", "q", 7)), "SUB a.* q 7\r\n"},
		{"PUBLISH", string(respDialect{}.appendPublish(nil, plain)), "*3\r\n$7\r\nPUBLISH\r\n$3\r\na.b\r\n$3\r\nxyz\r\n"},
		{"message", string(respDialect{}.appendDelivery(nil, plain)), "*3\r\n$7\r\nmessage\r\n$3\r\na.b\r\n$3\r\nxyz\r\n"},
		{"relay", string(relayDialect{}.appendDelivery(nil, plain)), "PUB a.b 3\r\nxyz\r\n"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, tc.got, tc.want)
		}
	}
}

// Publishers wait for the slowest of those who receive everything, and for all
// together of those who share.
func TestWindow(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newWindow(2, shared, 10)
		if !w.acquire(10) {
			t.Fatal("the window is closed from the beginning")
		}
		acquired := make(chan bool, 1)
		go func() { acquired <- w.acquire(5) }()
		w.deliver(0, 4)
		if shared {
			w.deliver(1, 1)
		} else {
			select {
			case <-acquired:
				t.Fatal("did not wait for the slowest")
			case <-time.After(10 * time.Millisecond):
			}
			w.deliver(0, 1)
			w.deliver(1, 5)
		}
		if !<-acquired {
			t.Fatal("not acquired")
		}
		go func() { acquired <- w.acquire(100) }()
		w.stop()
		if <-acquired || w.published() != 15 {
			t.Fatalf("acquired after the end; %d published", w.published())
		}
	}
}
