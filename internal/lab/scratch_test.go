package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// What a killed lab left is taken away, what others have is not.
func TestScratch(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("no /proc to see who lives")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dead, alive, other := filepath.Join(tmp, "vigil-lab-999999999"), filepath.Join(tmp, "vigil-lab-1"), filepath.Join(tmp, "vigil-lab-notes")
	for _, dir := range []string{dead, alive, other} {
		if err := os.MkdirAll(filepath.Join(dir, "jetstream"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := newScratch()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{dir: true, dead: false, alive: true, other: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", dir, err == nil, want)
		}
	}
}
