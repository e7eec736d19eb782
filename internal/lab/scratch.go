package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// scratchPrefix is what the directories for servers' files are called; the id of
// the lab's process follows.
const scratchPrefix = "vigil-lab-"

// newScratch makes a directory for servers' files, and takes away those of labs
// that were killed before they could.
func newScratch() (dir string, err error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	if err != nil {
		return "", fmt.Errorf("lab: find old directories: %w", err)
	}
	for _, dir := range old {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), scratchPrefix))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(dir) // another user's stays
		}
	}
	dir = filepath.Join(os.TempDir(), scratchPrefix+strconv.Itoa(os.Getpid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("lab: directory for servers' files: %w", err)
	}
	return dir, nil
}
