package correlate

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/correlate/rib"
)

// Missed is a prefix whose addresses found no route.
type Missed struct {
	VRF    rib.RD
	Prefix netip.Prefix // of 24 bits (IPv4) or 48 (IPv6)
	Count  uint64       // addresses, Error of which may have been others' that were forgotten
	Error  uint64
}

// maxMissed bounds the prefixes remembered per device; with it, whatever makes up more than a 64th of the misses is among them.
const maxMissed = 64

// missed keeps the most missed prefixes of a device in bounded memory: a prefix that is not known takes the place of the least
// counted one and inherits its count as its possible error ("space saving", Metwally et al. 2005).
type missed struct {
	list  []Missed
	index map[missedKey]int
}

type missedKey struct {
	vrf    rib.RD
	prefix netip.Prefix
}

// missedPrefix is the prefix that an address counts for.
func missedPrefix(a netip.Addr) (netip.Prefix, error) {
	if a.Is6() {
		return a.Prefix(48)
	}
	return a.Prefix(24)
}

func (m *missed) count(vrf rib.RD, a netip.Addr) {
	p, err := missedPrefix(a)
	if err != nil {
		return
	}
	k := missedKey{vrf, p}
	i, ok := m.index[k]
	switch {
	case ok:
	case len(m.list) < maxMissed:
		i = m.add(Missed{VRF: vrf, Prefix: p})
	default:
		i = m.least()
		e := &m.list[i]
		delete(m.index, missedKey{e.VRF, e.Prefix})
		m.index[k] = i
		e.VRF, e.Prefix, e.Error = vrf, p, e.Count
	}
	m.list[i].Count++
}

// add puts a prefix behind the others and returns its place.
func (m *missed) add(e Missed) int {
	if m.index == nil {
		m.index = make(map[missedKey]int, maxMissed)
	}
	i := len(m.list)
	m.list = append(m.list, e)
	m.index[missedKey{e.VRF, e.Prefix}] = i
	return i
}

// restore takes up a prefix with its counts, and reports whether there was room and it was not known.
func (m *missed) restore(e Missed, p netip.Prefix) bool {
	e.Prefix = p
	if _, known := m.index[missedKey{e.VRF, p}]; known || len(m.list) >= maxMissed {
		return false
	}
	m.add(e)
	return true
}

func (m *missed) least() int {
	at := 0
	for i := range m.list {
		if m.list[i].Count < m.list[at].Count {
			at = i
		}
	}
	return at
}

// top returns the prefixes, the most missed first.
func (m *missed) top() []Missed {
	list := slices.Clone(m.list)
	slices.SortFunc(list, func(a, b Missed) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.VRF, b.VRF))
	})
	return list
}
