package link

import (
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/heartbeat"
)

func TestParseServers(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []server
		err  string
	}{
		{in: "nats://127.0.0.1:4222", want: []server{{address: "127.0.0.1:4222", name: "127.0.0.1"}}},
		{in: "broker", want: []server{{address: "broker:4222", name: "broker"}}},
		{in: "broker:1", want: []server{{address: "broker:1", name: "broker"}}},
		{in: " a , tls://b/ ,", want: []server{{address: "a:4222", name: "a"}, {scheme: "tls", address: "b:4222", name: "b"}}},
		{in: "nats://[::1]:5", want: []server{{address: "[::1]:5", name: "::1"}}},
		{in: "nats://u:p@a", want: []server{{address: "a:4222", name: "a", user: "u", pass: "p"}}},
		{in: "nats://u:@a", want: []server{{address: "a:4222", name: "a", user: "u"}}},
		{in: "tls://u:p%40%2C%2F@a", want: []server{{scheme: "tls", address: "a:4222", name: "a", user: "u", pass: "p@,/"}}},
		{in: "t0ken@a", want: []server{{address: "a:4222", name: "a", token: "t0ken"}}},
		{in: "", err: `link: server URL "": no server named; ` + wanted},
		{in: "http://u:p@a", err: `link: server URL "http://xxxxx@a": scheme "http": ` + wanted},
		{in: "nats://", err: `link: server URL "nats://": no host; ` + wanted},
		{in: "nats://a:99999", err: `link: server URL "nats://a:99999": port 99999: want 1 to 65535`},
		{in: "nats://a:b", err: `link: server URL "nats://a:b": invalid port ":b" after host`},
		{in: "nats://a:4222/x", err: `link: server URL "nats://a:4222/x": something follows the port; ` + wanted},
		{in: strings.Repeat("a,", maxServers+1), err: "link: more than 256 server URLs"},
	} {
		got, err := parseServers(tc.in)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != tc.err {
			t.Errorf("%q: error %q, want %q", tc.in, text, tc.err)
		}
		if len(got) != len(tc.want) {
			t.Errorf("%q: got %v, want %v", tc.in, got, tc.want)
			continue
		}
		for i := range got {
			tc.want[i].scheme = cmp.Or(tc.want[i].scheme, schemePlain)
			if got[i] != tc.want[i] {
				t.Errorf("%q: got %+v, want %+v", tc.in, got[i], tc.want[i])
			}
		}
	}
}

// Whatever is wrong with a URL, what is said of it shows no part of a user, a
// password or a token.
func TestURLErrorsShowNoSecret(t *testing.T) {
	const secret = "s3cret"
	for _, in := range []string{
		"nats://u:s3cret@a:b", "nats://s3cret@a:b", "s3cret@a:b", "nats://u:s3cret@", "nats://s3cret:s3cret@a:99999",
		"http://u:s3cret@a", "nats://u:s3cret@a/x?y#z", "nats://u:%zzs3cret@a", "nats://u:s3cret%zz@a", "nats://u:12/s3cret@a",
		"nats://u:s3cret/x@a", "nats://u:s3cret?x@a", "nats://u:s3cret#x@a", "nats://u:x@s3cret@a:b", "nats://u:s3cret,more@a",
		"nats://u:s3cret,s3cret@a:b", "a,u:s3cret@b:c,d", "nats://[s3cret@a", "://s3cret@a", "nats://u:s3cret\n@a",
	} {
		_, err := parseServers(in)
		if err == nil {
			t.Errorf("%q is taken", in)
			continue
		}
		if _, ok := errors.AsType[*URLError](err); !ok {
			t.Errorf("%q: %v is no URLError", in, err)
		}
		if text := err.Error(); strings.Contains(text, secret) {
			t.Errorf("%q: %s", in, text)
		}
	}
}

func FuzzParseServers(f *testing.F) {
	for _, seed := range []string{"nats://u:p@a:1,tls://b", "t@a", "nats://u:12/x@a", "[::1]", "nats://u:a,b@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		servers, err := parseServers(in)
		if (err == nil) != (len(servers) > 0) {
			t.Fatalf("%q: %v, %v", in, servers, err)
		}
		for _, s := range servers {
			again, err := parseServer(s.String())
			s.user, s.pass, s.token = "", "", ""
			if err != nil || again != s {
				t.Fatalf("%q: %v is parsed as %v, %v", in, s, again, err)
			}
		}
	})
}

func TestPool(t *testing.T) {
	list := func(p *pool) string {
		var names []string
		for _, e := range p.entries {
			names = append(names, strings.TrimSuffix(e.address, ":4222"))
		}
		return strings.Join(names, " ")
	}
	servers, err := parseServers("u:p@a,b,c")
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(servers)
	rng := rand.New(rand.NewPCG(1, 2))
	step := func(why, want string) {
		t.Helper()
		if got := list(&p); got != want {
			t.Errorf("%s: %s, want %s", why, got, want)
		}
	}
	step("in the order given", "a b c")
	p.failed("a:4222")
	step("one that failed goes last", "b c a")
	p.lost("b:4222")
	step("one that was lost goes last", "c a b")
	p.failed("nobody:4222")
	step("one that is unknown changes nothing", "c a b")
	p.discover([]string{"d:4222", "a:4222", "bad url", "d"}, "a:4222", rng)
	step("discovered ones are added once", "c a b d")
	if d := p.entries[3]; d.user != "u" || d.pass != "p" {
		t.Errorf("discovered server has credentials %+v, want those of the first", d)
	}
	for range forgetAfter - 1 {
		p.failed("d:4222")
	}
	p.answered("d:4222")
	p.failed("d:4222")
	step("an answer clears the failures", "c a b d")
	for range forgetAfter {
		p.failed("d:4222")
		p.failed("a:4222")
	}
	step("a discovered one that fails for long is forgotten, a given one is not", "c b a")
	p.discover([]string{"d"}, "a:4222", rng)
	p.discover(nil, "a:4222", rng)
	step("no announcement forgets nobody", "c b a d")
	p.discover([]string{"e"}, "d:4222", rng)
	step("one that is not announced any more stays while it is in use", "c b a d e")
	p.discover([]string{"f"}, "a:4222", rng)
	step("those not announced any more are forgotten, given ones are not", "c b a f")
}

func TestBackoff(t *testing.T) {
	b := backoff{50 * time.Millisecond, 2 * time.Second}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct{ since, limit time.Duration }{
		{0, 50 * time.Millisecond}, {20 * time.Millisecond, 50 * time.Millisecond}, {100 * time.Millisecond, 200 * time.Millisecond},
		{900 * time.Millisecond, 1800 * time.Millisecond}, {1100 * time.Millisecond, 2 * time.Second}, {time.Hour, 2 * time.Second},
	} {
		var low, high, sum time.Duration
		low = time.Hour
		const n = 2000
		for range n {
			d := b.wait(tc.since, 0, rng)
			low, high, sum = min(low, d), max(high, d), sum+d
		}
		if low < 0 || high >= tc.limit || low > tc.limit/50 || high < tc.limit*49/50 {
			t.Errorf("%v after the loss: from %v to %v, want full jitter below %v", tc.since, low, high, tc.limit)
		}
		if mean := sum / n; mean < tc.limit*45/100 || mean > tc.limit*55/100 {
			t.Errorf("%v after the loss: mean %v", tc.since, mean)
		}
	}
	if d := b.wait(time.Minute, 2*time.Second, rng); d != 0 {
		t.Errorf("after an attempt of 2 s: %v, want none", d)
	}
	for range 100 {
		if d := b.wait(time.Minute, 1900*time.Millisecond, rng); d > 100*time.Millisecond {
			t.Errorf("after an attempt of 1.9 s: %v", d)
		}
	}
	if (backoff{}).wait(time.Minute, 0, rng) != 0 {
		t.Error("no base, no wait")
	}
	if b.restart(3*time.Second) || !b.restart(4*time.Second) {
		t.Error("restart")
	}
}

// Clients that lost the same broker do not come back all at once, whenever it
// does.
func TestBackoffOfAHerd(t *testing.T) {
	b := backoff{DefaultRetryBase, DefaultRetryCap}
	rng := rand.New(rand.NewPCG(3, 4))
	const clients, bucket = 10_000, 250 * time.Millisecond
	for _, up := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute} {
		buckets := make([]int, 1)
		for range clients {
			at := time.Duration(0)
			for at < up { // refused, at once
				at += b.wait(at, 0, rng)
			}
			k := int((at - up) / bucket)
			for len(buckets) <= k {
				buckets = append(buckets, 0)
			}
			buckets[k]++
		}
		mean := float64(clients) / float64(len(buckets))
		if peak := float64(slices.Max(buckets)); peak > 3*mean {
			t.Errorf("back after %v: %v, the most are %.1f times the mean", up, buckets, peak/mean)
		}
	}
}

// TestClassify has one row for each state that was measured on Linux with
// packets really dropped and processes really stopped.
func TestClassify(t *testing.T) {
	start := time.Now()
	hb := heartbeat.Evidence{LastHeard: start, Silence: 1800 * time.Millisecond, Probes: 3,
		FirstProbe: start.Add(900 * time.Millisecond), LastProbe: start.Add(1500 * time.Millisecond)}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, tc := range []struct {
		why  string
		tcp  TCPEvidence
		want Cause
	}{
		{"the platform tells nothing", TCPEvidence{}, CauseStale},
		{"host gone: probes unacknowledged, retransmitted", TCPEvidence{Known: true, Unacked: 3, Backoff: 2, Retransmits: 2, SinceAck: ms(1800)}, CauseHostGone},
		{"host gone amid a stream", TCPEvidence{Known: true, Unacked: 40, Backoff: 3, SinceAck: ms(1750), Unsent: 1 << 20}, CauseHostGone},
		{"host gone, nothing retransmitted yet", TCPEvidence{Known: true, Unacked: 3, SinceAck: ms(1800)}, CauseHostGone},
		{"the way to it is cut: it sends again what we cannot acknowledge", TCPEvidence{Known: true, Unacked: 1, Backoff: 2, Retransmits: 2, SinceAck: ms(1788), Arrived: 1}, CauseUnheard},
		{"an acknowledgement came after the first probe", TCPEvidence{Known: true, Unacked: 1, Backoff: 1, Retransmits: 1, SinceAck: ms(500), Arrived: 2}, CauseHostGone},
		{"frozen: each probe acknowledged", TCPEvidence{Known: true, SinceAck: ms(300)}, CauseFrozen},
		{"acknowledged, and what comes cannot be read", TCPEvidence{Known: true, Unacked: 1, SinceAck: ms(20), Unread: 2304}, CauseStalled},
		{"the same, with a probe lost on its way as well", TCPEvidence{Known: true, Unacked: 2, Retransmits: 1, SinceAck: ms(20), Unread: 2304}, CauseStalled},
		{"something came that cannot be read, and then the host went", TCPEvidence{Known: true, Unacked: 3, Backoff: 2, SinceAck: ms(1500), Unread: 2304}, CauseHostGone},
		{"frozen: the last probe is just under way", TCPEvidence{Known: true, Unacked: 1, SinceAck: ms(300)}, CauseFrozen},
		{"frozen, the first probe's acknowledgement only", TCPEvidence{Known: true, SinceAck: ms(905)}, CauseFrozen},
		{"zero window, its probes acknowledged", TCPEvidence{Known: true, Backoff: 2, SinceAck: ms(400), ZeroWindow: true, Unsent: 9000}, CauseNotReading},
		{"a window closed before the first probe of it, and nothing acknowledged since", TCPEvidence{Known: true, SinceAck: ms(1200), ZeroWindow: true, Unsent: 9000}, CauseStale},
		{"a window closed for the moment, by a reader slower than we are", TCPEvidence{Known: true, SinceAck: ms(4), ZeroWindow: true, Unsent: 9000}, CauseFrozen},
		{"zero window, one of its probes not acknowledged", TCPEvidence{Known: true, Backoff: 2, SinceAck: ms(640), ZeroWindow: true, Unsent: 9000, Probes: 1}, CauseNotReading},
		{"zero window, and the host went at the last byte, a millisecond rounded away", TCPEvidence{Known: true, Backoff: 3, SinceAck: ms(1799), ZeroWindow: true, Unsent: 2924176, Probes: 3}, CauseHostGone},
		{"zero window, then the host went lately", TCPEvidence{Known: true, Backoff: 3, SinceAck: ms(1200), ZeroWindow: true, Unsent: 9000, Probes: 2}, CauseHostGone},
		{"zero window, then the host went at the first probe", TCPEvidence{Known: true, Backoff: 2, SinceAck: ms(850), ZeroWindow: true, Unsent: 9000, Probes: 2}, CauseHostGone},
		{"zero window, then the host went", TCPEvidence{Known: true, Backoff: 4, SinceAck: ms(1800), ZeroWindow: true, Unsent: 9000}, CauseHostGone},
		{"nothing was acknowledged, nothing is under way", TCPEvidence{Known: true, SinceAck: ms(1800)}, CauseStale},
	} {
		if got := classify(hb, tc.tcp); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.why, got, tc.want)
		}
	}
}

func TestArrivedIsCountedFromTheFirstProbe(t *testing.T) {
	earlier := TCPEvidence{Known: true, segments: 1<<32 - 2}
	if e := (TCPEvidence{Known: true, segments: 3}).since(earlier); e.Arrived != 5 {
		t.Errorf("%d segments, want 5, with a counter that wrapped", e.Arrived)
	}
	if e := (TCPEvidence{Known: true, segments: 3}).since(TCPEvidence{}); e.Arrived != 0 {
		t.Errorf("%d segments since a look that told nothing", e.Arrived)
	}
}

// What came since the look before came when that was, at the earliest, if the
// kernel keeps what cannot be read and nothing was read since.
func TestGap(t *testing.T) {
	start := time.Now()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	const limit = 2 * time.Second
	type look struct {
		at       int // ms
		segments uint32
		unread   int
		behind   bool
	}
	for _, tc := range []struct {
		why   string
		read  int // ms
		looks []look
		came  int // as of the last look; -1 for nothing
	}{
		{"the first look tells nothing", 0, []look{{450, 7, 2304, false}}, -1},
		{"nothing more came", 0, []look{{450, 7, 2304, false}, {500, 7, 2304, false}}, -1},
		{"something came", 0, []look{{450, 7, 2304, false}, {500, 9, 4608, false}}, 450},
		{"only acknowledgements came", 0, []look{{450, 7, 2304, false}, {500, 8, 2304, false}}, 450},
		{"acknowledgements came, and nothing is kept", 0, []look{{450, 7, 0, false}, {500, 8, 0, false}}, -1},
		{"nothing is kept, and the answers were behind", 0, []look{{450, 7, 0, true}, {500, 8, 0, true}}, 450},
		{"the answers were behind, and nothing comes", 0, []look{{450, 7, 0, true}, {500, 7, 0, true}}, -1},
		{"something came before the last two looks", 0, []look{{450, 7, 0, false}, {500, 9, 2304, false}, {550, 9, 2304, false}}, -1},
		{"something came, twice", 0, []look{{450, 7, 2304, false}, {500, 9, 2304, false}, {550, 12, 2304, false}}, 500},
		{"the look before was before the last byte read", 460, []look{{450, 7, 2304, false}, {910, 9, 2304, false}}, -1},
		{"and the one after is the first", 460, []look{{450, 7, 2304, false}, {910, 9, 2304, false}, {960, 10, 2304, false}}, 910},
		{"at the limit", 0, []look{{450, 7, 2304, false}, {2000, 9, 2304, false}, {2050, 10, 2304, false}}, 2000},
		{"beyond the limit", 0, []look{{450, 7, 2304, false}, {2001, 9, 2304, false}, {2050, 10, 2304, false}}, -1},
		{"the counter wraps", 0, []look{{450, 1<<32 - 1, 2304, false}, {500, 0, 2304, false}}, 450},
	} {
		var g gap
		var came time.Time
		for _, l := range tc.looks {
			came = g.look(TCPEvidence{Known: true, segments: l.segments, Unread: l.unread}, l.behind, at(l.at), at(tc.read), limit)
		}
		if tc.came < 0 && !came.IsZero() || tc.came >= 0 && !came.Equal(at(tc.came)) {
			t.Errorf("%s: came %v after the start", tc.why, came.Sub(start))
		}
	}
	closed := gap{looked: at(450), segments: 7}
	if came := closed.look(TCPEvidence{}, true, at(500), at(0), limit); !came.IsZero() {
		t.Errorf("a socket that tells nothing any more is life: %v", came)
	}
}

func TestCauseOf(t *testing.T) {
	for err, want := range map[error]Cause{
		io.EOF: CauseClosed,
		&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}:      CauseReset,
		&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}:         CauseReset,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}: CauseRefused,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}:  CauseUnknown,
		&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}:       CauseUnknown,
	} {
		if got := causeOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	loss := &Loss{Cause: CauseHostGone, Evidence: heartbeat.Evidence{Silence: 1840 * time.Millisecond, Probes: 3}}
	for want, e := range map[string]Event{
		"connected: nats://a:1": {Kind: EventConnected, Server: "nats://a:1"},
		"suspect: nats://a:1: silent for 1.20 s, 1 probe unanswered": {Kind: EventSuspect, Server: "nats://a:1",
			Evidence: heartbeat.Evidence{Silence: 1200 * time.Millisecond, Probes: 1}},
		"alive: nats://a:1: heard again after 1.30 s": {Kind: EventAlive, Server: "nats://a:1",
			Evidence: heartbeat.Evidence{Silence: 1300 * time.Millisecond}},
		"lost: nats://a:1: stale: host or network gone (last heard 1.84 s ago, 3 probes unanswered); 1 message (9 bytes) unconfirmed": {
			Kind: EventLost, Server: "nats://a:1", Loss: loss, Unconfirmed: Tally{1, 9}},
		"retrying: nats://a:1: attempt 2 in 80 ms (connection refused)": {Kind: EventRetrying, Server: "nats://a:1", At: at,
			Next: at.Add(80 * time.Millisecond), Attempt: 2, Err: &Loss{Cause: CauseRefused}},
		"resumed: nats://a:1: deaf for 3.20 s, from 03:04:05.678 to 03:04:08.878": {Kind: EventResumed, Server: "nats://a:1",
			DeafFrom: at, DeafTo: at.Add(3200 * time.Millisecond)},
		"lame duck: nats://a:1":                                {Kind: EventLameDuck, Server: "nats://a:1"},
		"slow consumer: s: full":                               {Kind: EventSlowConsumer, Subject: "s", Err: errors.New("full")},
		"server error: nats://a:1: server error: 'x'":          {Kind: EventServerError, Server: "nats://a:1", Err: &ServerError{"x"}},
		"closed; 2 messages (20 bytes) unconfirmed":            {Kind: EventClosed, Unconfirmed: Tally{2, 20}},
		"connected: nats://a:1 (3 events before this dropped)": {Kind: EventConnected, Server: "nats://a:1", Missed: 3},
	} {
		if got := e.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var ne net.Error = loss
	if !ne.Timeout() || !loss.Cause.Stale() || CauseReset.Stale() {
		t.Error("a stale connection is a timeout")
	}
	for d, want := range map[time.Duration]string{0: "0 ms", 999 * time.Millisecond: "999 ms",
		time.Second: "1.00 s", 7875 * time.Second: "2h11m15s"} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
