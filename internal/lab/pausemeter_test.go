package lab

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPauseMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPauseMeter()
		defer m.close()
		time.Sleep(time.Minute) // its ticks come on time
		if n, length := m.within(time.Hour); n != 0 || length != 0 {
			t.Errorf("%d pauses of %v in a process that ran", n, length)
		}
		m.note(time.Now(), pauseMatters-1)
		m.note(time.Now(), 200*time.Millisecond)
		time.Sleep(3 * time.Second)
		m.note(time.Now(), 300*time.Millisecond)
		if n, length := m.within(time.Second); n != 1 || length != 300*time.Millisecond {
			t.Errorf("%d pauses of %v within a second", n, length)
		}
		if n, length := m.within(pauseWindow); n != 2 || length != 500*time.Millisecond {
			t.Errorf("%d pauses of %v in all", n, length)
		}
		for range 2 * mostPauses {
			m.note(time.Now(), time.Second)
		}
		if n, _ := m.within(0); n != mostPauses {
			t.Errorf("%d pauses kept", n)
		}
	})
}
