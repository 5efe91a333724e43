//go:build amd64 || arm64

package record

import "unsafe"

// prefetch3 asks for the three cache lines of 64 octets from p on, without waiting for them. It reads nothing: whatever p points to, it
// has no effect but on time.
//
//go:noescape
func prefetch3(p unsafe.Pointer)
