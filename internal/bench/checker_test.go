package bench

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// deliveries returns n numbered deliveries of a flow, one after the other, with
// what newcomers are sent in front and a PING in the middle.
func deliveries(f flow, n int) [][]byte {
	payload := plain(f.size)
	all := [][]byte{[]byte("INFO {}\r\n")}
	for i := range n {
		if i == n/2 {
			all = append(all, []byte("PING\r\n"))
		}
		all = append(all, natsDialect{}.appendDelivery(nil, f.numberedMessage(0, i, payload)))
	}
	return all
}

// readerConn is a connection that only reads.
type readerConn struct {
	net.Conn
	io.Reader
	said bytes.Buffer
}

func (c *readerConn) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c *readerConn) Write(b []byte) (int, error) { return c.said.Write(b) }

// receiveAll feeds a checker through a receiver and returns how many deliveries
// it counted and what it answered.
func receiveAll(t *testing.T, ck checker, from io.Reader) (frames int64, said string, err error) {
	t.Helper()
	rc := &readerConn{Reader: from}
	r := &receiver{c: &conn{Conn: rc}, dialect: natsDialect{}, check: ck, buf: make([]byte, 4096)}
	for {
		n, err := r.read()
		frames += n
		if err != nil {
			if strings.Contains(err.Error(), "closed the connection") {
				err = nil
			}
			return frames, rc.said.String(), err
		}
	}
}

// A checker must find each of these, however the stream is cut.
var mutants = []struct {
	name   string
	mutate func(frames [][]byte) [][]byte
	wants  string // part of the error of numbered
	tape   bool   // whether equal payloads tell, too
}{
	{"a message is dropped", func(f [][]byte) [][]byte { return append(f[:3:3], f[4:]...) }, "missing", false},
	{"a message comes twice", func(f [][]byte) [][]byte { return append(f[:4:4], f[3:]...) }, "came again", false},
	{"two are swapped", func(f [][]byte) [][]byte { f[3], f[4] = f[4], f[3]; return f }, "missing", false},
	{"a byte of a payload is wrong", func(f [][]byte) [][]byte { f[3][len(f[3])-5] ^= 1; return f }, "wrong from byte", true},
	{"a byte of a subject is wrong", func(f [][]byte) [][]byte { f[3][6] ^= 1; return f }, "wrong from byte", true},
	{"a size is wrong", func(f [][]byte) [][]byte {
		f[3] = bytes.Replace(f[3], []byte(" 20\r\n"), []byte(" 21\r\n"), 1)
		return f
	}, "wrong from byte", true},
	{"an end of line is missing", func(f [][]byte) [][]byte { f[3] = f[3][:len(f[3])-2]; return f }, "wrong from byte", true},
	{"a PING is within a message", func(f [][]byte) [][]byte {
		f[3] = append(append(bytes.Clone(f[3][:10]), "PING\r\n"...), f[3][10:]...)
		return f
	}, "number of a publisher", true},
	{"the broker complains", func(f [][]byte) [][]byte { f[3] = []byte("-ERR 'no'\r\n"); return f }, "-ERR 'no'", true},
	{"something unknown comes", func(f [][]byte) [][]byte { f[3] = []byte("ABC\r\n"); return f }, "no operation", true},
}

// cuts are ways to cut a stream.
var cuts = map[string]func(io.Reader) io.Reader{
	"at once":      func(r io.Reader) io.Reader { return r },
	"byte by byte": iotest.OneByteReader,
	"in halves":    iotest.HalfReader,
}

func TestNumberedFindsMutants(t *testing.T) {
	f := one(1, 1, 20)
	const n = 10
	for cutName, cut := range cuts {
		t.Run(cutName, func(t *testing.T) {
			check := func(frames [][]byte) (int64, string, error) {
				return receiveAll(t, f.numbered(natsDialect{}, newLedger(1, 1, n, false), 0), cut(bytes.NewReader(bytes.Join(frames, nil))))
			}
			if got, said, err := check(deliveries(f, n)); err != nil || got != n || said != "PONG\r\n" {
				t.Fatalf("%d deliveries, %v, answered %q; want %d, and the PING answered", got, err, said, n)
			}
			for _, m := range mutants {
				if _, _, err := check(m.mutate(deliveries(f, n))); err == nil || !strings.Contains(err.Error(), m.wants) {
					t.Errorf("%s: error %v, want %q in it", m.name, err, m.wants)
				}
			}
		})
	}
}

func TestTapeFindsMutants(t *testing.T) {
	f := one(1, 1, 20)
	const n = 10
	same := func() [][]byte {
		frames := deliveries(f, n)
		for i, frame := range frames {
			if frame[0] == 'M' {
				frames[i] = natsDialect{}.appendDelivery(nil, f.message(0, plain(20)))
			}
		}
		return frames
	}
	for cutName, cut := range cuts {
		t.Run(cutName, func(t *testing.T) {
			check := func(frames [][]byte) (int64, string, error) {
				tape, err := f.tape(natsDialect{})
				if err != nil {
					t.Fatal(err)
				}
				return receiveAll(t, tape, cut(bytes.NewReader(bytes.Join(frames, nil))))
			}
			if got, said, err := check(same()); err != nil || got != n || said != "PONG\r\n" {
				t.Fatalf("%d deliveries, %v, answered %q; want %d, and the PING answered", got, err, said, n)
			}
			for _, m := range mutants {
				got, _, err := check(m.mutate(same()))
				if m.tape && err == nil {
					t.Errorf("%s: no error", m.name)
				}
				if !m.tape && strings.Contains(m.name, "dropped") && (err != nil || got != n-1) {
					t.Errorf("%s: counted %d, %v", m.name, got, err)
				}
			}
		})
	}
}

// With many subjects the order tells a measured round what is dropped, too.
func TestTapeKnowsTheOrderOfSubjects(t *testing.T) {
	f := manySubjects(10, 20)
	tape, err := f.tape(natsDialect{})
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(tape.loop)
	if n, err := tape.copy().take(b); err != nil || n != len(b) {
		t.Fatalf("took %d of %d, %v", n, len(b), err)
	}
	dropped := append(b[:tape.stride:tape.stride], b[2*tape.stride:]...)
	var wrong *frameError
	if _, err := tape.copy().take(dropped); !errors.As(err, &wrong) || wrong.number != 1 {
		t.Errorf("a dropped message gives %v", err)
	}
}

func TestLedger(t *testing.T) {
	type arrival struct{ member, publisher, sequence int }
	for _, tc := range []struct {
		name     string
		shared   bool
		arrivals []arrival
		wants    string // part of the last one's error, "" for none
		missing  int
	}{
		{"all to all", false, []arrival{{0, 0, 0}, {0, 1, 0}, {1, 1, 0}, {1, 0, 0}, {0, 0, 1}}, "", 3},
		{"a gap", false, []arrival{{0, 0, 1}}, "messages 0 to 0 of publisher 0 are missing", 8},
		{"again", false, []arrival{{0, 0, 0}, {0, 0, 0}}, "again", 7},
		{"one that was never published", false, []arrival{{0, 0, 2}}, "never published", 8},
		{"a publisher that there is not", false, []arrival{{0, 2, 0}}, "never published", 8},
		{"shared", true, []arrival{{0, 0, 1}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}}, "", 0},
		{"shared, to two members", true, []arrival{{0, 0, 1}, {1, 0, 1}}, "two members", 3},
		{"shared, out of order", true, []arrival{{0, 0, 1}, {0, 0, 0}}, "late", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLedger(2, 2, 2, tc.shared)
			var err error
			for i, a := range tc.arrivals {
				if err = l.see(a.member, a.publisher, a.sequence); err != nil && i+1 < len(tc.arrivals) {
					t.Fatal(err)
				}
			}
			if (err == nil) != (tc.wants == "") || err != nil && !strings.Contains(err.Error(), tc.wants) {
				t.Errorf("error %v, want %q in it", err, tc.wants)
			}
			if l.missing() != tc.missing {
				t.Errorf("%d are missing, want %d", l.missing(), tc.missing)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	r := &replies{reply: []byte("PONG\r\n")}
	b := []byte("PONG\r\nPONG\r\nPING\r\nPO")
	if n, err := r.take(b); n != 12 || err != nil || r.frames() != 2 {
		t.Errorf("took %d, %v, %d replies", n, err, r.frames())
	}
}
