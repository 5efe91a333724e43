package simrouter

// windowSize is how many records back a duplicate is found. Records of a device come nearly in order.
const windowSize = 1 << 16

// window tells whether a number was seen before, among the last windowSize.
type window struct {
	bits   []uint64
	top    uint32 // one above the highest number seen
	primed bool
}

// add notes n and reports whether it is new. A number that is too far back to know counts as seen.
func (w *window) add(n uint32) bool {
	if !w.primed {
		w.bits, w.top, w.primed = make([]uint64, windowSize/64), n, true
	}
	switch ahead := int32(n - w.top); {
	case ahead < -windowSize:
		return false
	case ahead > windowSize:
		clear(w.bits)
		w.top = n + 1
	default:
		for ; ahead >= 0; ahead-- {
			w.bits[w.top%windowSize/64] &^= 1 << (w.top % 64)
			w.top++
		}
	}
	word, bit := &w.bits[n%windowSize/64], uint64(1)<<(n%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}
