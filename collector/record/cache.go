package record

import (
	"bytes"
	"math/bits"
	"unsafe"

	"github.com/telcol/telcol/correlate/prefetch"
	"github.com/telcol/telcol/correlate/rib"
)

// DefaultRouteCache is the number of encoded attribute sets that are kept. A full table has twice as many, but traffic
// has favourites.
const DefaultRouteCache = 32768

// What costs in the encoding of a route is to wait for memory, not to write text. A cached set of attributes is therefore as small as
// can be: the texts of its values alone, usually 100 octets. The names between them come from a table that is always at hand. An
// entry's place follows from the attribute id, so that it can be fetched before it is known to be the right one. Longer texts (paths or
// communities by the dozen) are rendered each time.
const (
	maxText    = 255
	copyUnit   = 32 // values are copied by so much at a time, and over their ends
	fetchLines = 3  // of an entry, which hold usual texts
	entryLines = 5  // an odd number spreads entries over all sets of the processor's caches
)

// attrEntry is one set of path attributes, encoded.
type attrEntry struct {
	attrs *rib.Attrs // whose text it is; nil in an entry without one
	n     uint8      // of parts
	size  uint8      // of the text
	parts [numAttrKeys]attrPart
	text  [maxText + 1 + copyUnit]byte // the values of all parts, one behind the other
}

// attrPart is a field: the index of its key, and how long its value is.
type attrPart struct{ key, size uint8 }

var _ = [1]struct{}{}[unsafe.Sizeof(attrEntry{})-prefetch.LineSize*entryLines] // does not compile when they differ

// routeCache is a direct-mapped cache of encoded path attributes, for both sides of the flow: only the field names differ.
//
// An entry is found by attribute id, which is dense, and trusted by pointer: attributes do not change, and as the
// entry keeps its attributes alive no others can come to lie at the same address. The price is that up to one
// attribute set per entry outlives its last route. The default cache takes 10 MiB once all of it has been used; what was
// never used takes none.
type routeCache []attrEntry // a power of two of them, or none

func newRouteCache(entries int) routeCache {
	if entries < 1 {
		return nil
	}
	return make(routeCache, 1<<bits.Len(uint(entries-1)))
}

// entry returns the only place where attributes of that id may be. The cache is not empty.
func (c routeCache) entry(id rib.AttrID) *attrEntry { return &c[int(id)&(len(c)-1)] }

// fetch asks the memory for an entry.
func (c routeCache) fetch(id rib.AttrID) {
	if len(c) > 0 {
		prefetch.Lines(unsafe.Pointer(c.entry(id)), fetchLines)
	}
}

// append writes the fields of an entry with the names of a side.
func (c routeCache) append(dst []byte, m *rib.Match, keys *attrKeys) (out []byte, ok bool) {
	if len(c) == 0 {
		return dst, false
	}
	e := c.entry(m.Attr)
	if e.attrs != m.Attrs {
		return dst, false
	}
	parts := e.parts[:min(int(e.n), len(e.parts))]
	b, n := room(dst, int(e.size)+len(parts)*maxKey+copyUnit)
	from := 0
	for _, p := range parts {
		n = keys[p.key].put(b, n)
		size := int(p.size)
		for at := 0; at < size; at += copyUnit {
			*(*[copyUnit]byte)(b[n+at:]) = *(*[copyUnit]byte)(e.text[from+at:])
		}
		n += size
		from += size
	}
	return b[:n], true
}

// store keeps the text of attributes as it was written with the names of a side, if it fits.
func (c routeCache) store(m *rib.Match, text []byte, keys *attrKeys) {
	if len(c) == 0 {
		return
	}
	e := c.entry(m.Attr)
	e.attrs, e.n, e.size = nil, 0, 0
	stem := text[:min(stemSize, len(text))]
	for len(text) > 0 {
		i := keys.at(text)
		if i < 0 || int(e.n) == len(e.parts) {
			return
		}
		text = text[keys[i].size:]
		size := bytes.Index(text, stem)
		if size < 0 {
			size = len(text)
		}
		if size > maxText-int(e.size) {
			return
		}
		e.parts[e.n] = attrPart{key: uint8(i), size: uint8(size)}
		copy(e.text[e.size:], text[:size])
		e.n++
		e.size += uint8(size)
		text = text[size:]
	}
	e.attrs = m.Attrs
}
