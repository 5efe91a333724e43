//go:build !amd64 && !arm64

package record

import "unsafe"

// prefetch3 does nothing where there is no instruction at hand.
func prefetch3(unsafe.Pointer) {}
