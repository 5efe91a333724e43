package prefetch

import (
	"bytes"
	"testing"
	"unsafe"
)

// TestLinesTouchesNothing asks for memory in every way that a caller could get wrong.
func TestLinesTouchesNothing(t *testing.T) {
	b := bytes.Repeat([]byte{0xa5}, 1000)
	for _, n := range []int{-1, 0, 1, 2, 15, 16, 1 << 12} { // also behind the end
		Lines(unsafe.Pointer(unsafe.SliceData(b)), n)
		Lines(nil, n)
	}
	if i := bytes.IndexFunc(b, func(r rune) bool { return r != '\uFFFD' }); i >= 0 {
		t.Errorf("octet %d is %#x", i, b[i])
	}
	if n := testing.AllocsPerRun(100, func() { Lines(unsafe.Pointer(&b[0]), 4) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLines(b *testing.B) {
	var buf [1 << 12]byte
	for b.Loop() {
		Lines(unsafe.Pointer(&buf), 26)
	}
}
