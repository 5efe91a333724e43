//go:build amd64 || arm64

package prefetch

import "unsafe"

// Lines asks for n lines, at least one, from the one of p on, and does not wait for them. It reads nothing and cannot fault: whatever p
// points to, it has no effect but on time.
//
//go:noescape
func Lines(p unsafe.Pointer, n int)
