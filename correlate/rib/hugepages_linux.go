package rib

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// madvCollapse is MADV_COLLAPSE (Linux 6.1): make a huge page of what is there, now.
const madvCollapse = 25

func collapse(addr, size uintptr) bool {
	_, _, err := unix.Syscall(unix.SYS_MADVISE, addr, size, madvCollapse)
	return err == 0
}

// newHugePages leaves them alone where the operator has switched them off.
func newHugePages() hugePages {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return hugePages{off: err != nil || bytes.Contains(b, []byte("[never]")), done: make(map[uintptr]int64)}
}
