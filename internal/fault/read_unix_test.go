//go:build unix

package fault

import "syscall"

// readNow reads what fd has without waiting.
func readNow(fd uintptr, buf []byte) (int, error) { return syscall.Read(int(fd), buf) }
