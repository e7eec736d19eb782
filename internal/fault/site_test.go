package fault

import (
	"errors"
	"io"
	"testing"
	"time"
)

// eachMode runs f on a site of each mode that this machine has.
func eachMode(t *testing.T, f func(t *testing.T, s Site)) {
	for _, mode := range []Mode{PacketsDropped, Proxied} {
		t.Run(string(mode), func(t *testing.T) { f(t, needSite(t, mode)) })
	}
}

// needSite makes a site or skips the test.
func needSite(t *testing.T, mode Mode) Site {
	t.Helper()
	s, err := NewSite(mode)
	if errors.Is(err, errors.ErrUnsupported) {
		skipNamespaces(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startAt starts an echo server at s.
func startAt(t *testing.T, s Site) *Process {
	t.Helper()
	p, err := s.Start(testContext(t), echoAt())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSiteVanishesAndReturns(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		for range 3 {
			p := startAt(t, s)
			if _, err := s.Start(testContext(t), echoAt()); err == nil {
				t.Fatal("two processes on one site")
			}
			conn := dial(t, s.Addr())
			expectEcho(t, conn, "hello")
			if err := s.Vanish(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the death of the process", p.Done())
			expectSilence(t, conn)
			if err := s.Mend(); err == nil {
				t.Fatal("a vanished host was mended")
			}
			if _, err := s.Start(testContext(t), echoAt()); err == nil {
				t.Fatal("a process started on a vanished host")
			}
			if err := s.Return(); err != nil {
				t.Fatal(err)
			}
			expectSilence(t, conn)
		}
		startAt(t, s)
		expectEcho(t, dial(t, s.Addr()), "back")
	})
}

func TestSiteKilledIsNotVanished(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		p := startAt(t, s)
		conn := dial(t, s.Addr())
		expectEcho(t, conn, "hello")
		p.Kill()
		if err := expectEnd(t, conn); err != io.EOF {
			t.Fatalf("ended with %v, want EOF", err)
		}
		startAt(t, s)
		expectEcho(t, dial(t, s.Addr()), "again")
	})
}

func TestSiteCutAndMended(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		startAt(t, s)
		conn := dial(t, s.Addr())
		for _, dir := range []Direction{ToHost, FromHost, Both} {
			expectEcho(t, conn, "hello")
			if err := s.Cut(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, dir.String()); err != nil {
				t.Fatal(err)
			}
			expectSilence(t, conn)
			if err := s.Mend(); err != nil {
				t.Fatal(err)
			}
			expectBytes(t, conn, dir.String())
		}
	})
}

func TestSiteHost(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		h, err := s.Host()
		if s.Mode() == Proxied {
			if h != nil || !errors.Is(err, errors.ErrUnsupported) {
				t.Fatalf("the host of a proxy: %v, %v", h, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Impair(FromHost, Impairment{Delay: silence}); err != nil {
			t.Fatal(err)
		}
		startAt(t, s)
		start := time.Now()
		expectEcho(t, dial(t, s.Addr()), "late")
		if took := time.Since(start); took < 2*silence {
			t.Errorf("a dial and an echo took %v, each %v late", took, silence)
		}
	})
}

func TestSitesStandSideBySide(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		other := needSite(t, s.Mode())
		if s.Addr() == other.Addr() {
			t.Fatalf("both at %s", s.Addr())
		}
		startAt(t, s)
		startAt(t, other)
		if err := s.Vanish(); err != nil {
			t.Fatal(err)
		}
		expectEcho(t, dial(t, other.Addr()), "lively")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expectEcho(t, dial(t, other.Addr()), "lively still")
	})
}

func TestClosedSiteSaysSo(t *testing.T) {
	eachMode(t, func(t *testing.T, s Site) {
		p := startAt(t, s)
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		waitFor(t, "the death of the process", p.Done())
		_, err := s.Start(testContext(t), echoAt())
		for _, err := range []error{err, s.Vanish(), s.Return(), s.Cut(Both), s.Mend()} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}

func TestModes(t *testing.T) {
	if _, err := NewSite("magic"); err == nil {
		t.Error("unknown mode accepted")
	}
	if PacketsDropped.Limits() == Proxied.Limits() || Mode("").Limits() == "" {
		t.Error("limits not told")
	}
	mode, err := Best()
	if (mode == PacketsDropped) != (err == nil) {
		t.Errorf("best mode %s, %v", mode, err)
	}
	t.Logf("best mode %s, %v", mode, err)
}
