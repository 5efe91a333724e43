package record

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/telcol/telcol/correlate/rib"
)

// DefaultRouteCache is the number of encoded attribute sets that are kept. A full table has twice as many, but traffic
// has favourites.
const DefaultRouteCache = 32768

// A cached text lies in a slot of fixed size, so that its address follows from the id alone and the processor can fetch
// it before it knows whether it is the right one: what costs is to wait for memory, not to copy. Longer texts (paths or
// communities by the dozen) are rendered each time.
const (
	slotSize   = 768
	textOffset = 32 // the places of the field names come first, two octets each
	maxText    = slotSize - textOffset
	maxNames   = textOffset / 2 // renderAttrs writes at most 11
	lineSize   = 64
	touchLines = 7 // usual texts have 250 to 400 octets
)

// routeCache is a direct-mapped cache of encoded path attributes, for both sides of the flow: only the first three
// letters of the field names differ, and those are put in after copying.
//
// An entry is found by attribute id, which is dense, and trusted by pointer: attributes do not change, and as the
// entry keeps its attributes alive no others can come to lie at the same address. The price is that up to one
// attribute set per entry outlives its last route. The default cache takes 25 MiB once all of it has been used; what was
// never used takes none.
type routeCache struct {
	attrs []*rib.Attrs // a power of two of them, or none
	sizes []entrySize
	texts []byte // slots
}

// entrySize says how much of a slot is used.
type entrySize struct{ text, names uint16 }

func newRouteCache(entries int) routeCache {
	if entries < 1 {
		return routeCache{}
	}
	n := 1 << bits.Len(uint(entries-1))
	return routeCache{
		attrs: make([]*rib.Attrs, n),
		sizes: make([]entrySize, n),
		texts: make([]byte, n*slotSize),
	}
}

// slot returns the only place where attributes of that id may be.
func (c *routeCache) slot(id rib.AttrID) (i int, slot []byte) {
	i = int(id) & (len(c.attrs) - 1)
	return i, c.texts[i*slotSize : (i+1)*slotSize]
}

// touch reads the lines of an entry. Done early for both routes of a flow, it lets the memory answer all at once and
// while the flow itself is written. The result means nothing.
func (c *routeCache) touch(id rib.AttrID) (sum byte) {
	if len(c.attrs) == 0 {
		return 0
	}
	_, slot := c.slot(id)
	for i := range touchLines {
		sum ^= slot[i*lineSize]
	}
	return sum
}

// append writes the text of an entry with the names of a side.
func (c *routeCache) append(dst []byte, m *rib.Match, side [3]byte) (out []byte, ok bool) {
	if len(c.attrs) == 0 {
		return dst, false
	}
	i, slot := c.slot(m.Attr)
	if c.attrs[i] != m.Attrs {
		return dst, false
	}
	at, size := len(dst), c.sizes[i]
	dst = append(dst, slot[textOffset:textOffset+int(size.text)]...)
	text := dst[at:]
	for j := range int(size.names) {
		place := binary.LittleEndian.Uint16(slot[2*j:])
		copy(text[place:], side[:])
	}
	return dst, true
}

// store makes text, whose field names begin with side, the text of the attributes.
func (c *routeCache) store(m *rib.Match, text []byte, side [3]byte) {
	if len(c.attrs) == 0 || len(text) > maxText {
		return
	}
	i, slot := c.slot(m.Attr)
	c.attrs[i] = nil
	name := [...]byte{'"', side[0], side[1], side[2], '_'} // values are numbers, addresses and texts of ours: none begins so
	names := 0
	for at := 0; ; names++ {
		next := bytes.Index(text[at:], name[:])
		if next < 0 {
			break
		}
		if names == maxNames {
			return
		}
		at += next + 1
		binary.LittleEndian.PutUint16(slot[2*names:], uint16(at))
	}
	copy(slot[textOffset:], text)
	c.attrs[i], c.sizes[i] = m.Attrs, entrySize{text: uint16(len(text)), names: uint16(names)}
}
