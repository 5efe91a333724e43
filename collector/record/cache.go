package record

import (
	"math/bits"

	"github.com/telcol/telcol/correlate/rib"
)

// DefaultRouteCache is the number of encoded attribute sets kept per side. Traffic is skewed: a few thousand sets
// carry nearly all of it, even where the tables hold tens of thousands.
const DefaultRouteCache = 8192

// maxCachedText bounds the octets of one cached text. Longer ones (paths or communities by the hundred) are rendered
// each time, so that the default cache never holds more than 16 MiB of text per side; 3 MiB are usual.
const maxCachedText = 2048

// routeCache is a direct-mapped cache of encoded path attributes.
//
// An entry is found by attribute id, which is dense, and trusted by pointer: attributes do not change, and as the
// entry keeps its attributes alive no others can come to lie at the same address. The price is that up to one
// attribute set per entry outlives its last route.
type routeCache struct {
	entries []cachedAttrs // a power of two of them, or none
}

type cachedAttrs struct {
	attrs *rib.Attrs
	text  []byte
}

func newRouteCache(entries int) routeCache {
	if entries < 1 {
		return routeCache{}
	}
	return routeCache{entries: make([]cachedAttrs, 1<<bits.Len(uint(entries-1)))}
}

// slot returns the only place where the attributes may be, nil without a cache.
func (c *routeCache) slot(id rib.AttrID) *cachedAttrs {
	if len(c.entries) == 0 {
		return nil
	}
	return &c.entries[int(id)&(len(c.entries)-1)]
}

// store replaces the entry, reusing its memory; a text that is too long leaves the entry empty.
func (s *cachedAttrs) store(attrs *rib.Attrs, text []byte) {
	if len(text) > maxCachedText {
		s.attrs = nil
		return
	}
	if cap(s.text) < len(text) {
		// Whole steps of 128 octets: a slot soon fits whatever comes, and stops allocating.
		s.text = make([]byte, 0, (len(text)+127)&^127)
	}
	s.attrs, s.text = attrs, append(s.text[:0], text...)
}
