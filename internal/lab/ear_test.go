package lab

import (
	"context"
	"strings"
	"testing"

	"vigil/broker"
	"vigil/internal/wire"
)

// An ear counts each number once, each contender's apart, over two connections;
// if it loses its broker it does not know.
func TestEar(t *testing.T) {
	b := startBroker(t, broker.RandomPort)
	addr := b.Addr().String()
	e := &ear{addr: addr}
	defer e.close()
	say := func(name string, numbers ...int) {
		t.Helper()
		var text strings.Builder
		for _, n := range numbers {
			text.Write(wire.AppendPub(nil, earSubject+name, "", appendNumber(nil, n, 100)))
		}
		s, err := dialStream(t.Context(), addr, text.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.conn.Close()
	}
	missing := func(name string, n, want int) {
		t.Helper()
		eventually(t, "the ear has heard", func() bool { got, err := e.missing(name, n); return err == nil && got == want })
	}
	if err := e.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	say("a", 0, 1, 3, 3)
	say("b", 2)
	missing("a", 5, 2)
	missing("b", 3, 2)
	missing("c", 7, 7)
	e.disconnect()
	say("a", 2)
	if err := e.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	say("a", 4)
	missing("a", 5, 1)
	if err := b.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ear says that it does not know", func() bool { _, err := e.missing("a", 5); return err != nil })
}
