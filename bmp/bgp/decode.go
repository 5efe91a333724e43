package bgp

import (
	"cmp"
	"slices"
)

// asTrans stands for a four-octet AS number in a two-octet field (RFC 6793 section 9).
const asTrans = 23456

// decodeAttributes decodes what lookup has put into key, and keeps key. It always returns attributes; their outcome says
// what they are worth.
func decodeAttributes(key []byte) *Attributes {
	a := &Attributes{key: key}
	width, end := ASWidth(key[len(key)-1]), len(key)-2
	nextHop := key[end-int(key[end]) : end]
	a.NextHop, a.LinkLocalNextHop = parseNextHop(nextHop)
	if a.NextHop.Is4In6() {
		a.NextHop, a.V4Mapped = a.NextHop.Unmap(), true
	}
	attrs := key[:end-len(nextHop)]

	d := attrDecoder{a: a}
	path, hasAS4 := peekPath(attrs)
	d.width, a.widthGuessed = resolveWidth(width, path, hasAS4)
	var seen [4]uint64
	for len(attrs) > 0 {
		attr, value, rest := nextAttr(attrs)
		attrs = rest
		typ := attr[1]
		if seen[typ>>6]&(1<<(typ&63)) != 0 {
			a.raise(OutcomeDiscard) // RFC 7606 section 3 g: the first counts
			continue
		}
		seen[typ>>6] |= 1 << (typ & 63)
		if err := guard(&a.panics, func() error { return d.decode(attr, value) }); err != nil {
			if isFlagsError(err) {
				a.raise(OutcomeTreatWithdraw)
			}
			a.raise(errorOutcome(typ))
		}
	}
	a.HasASPath = seen[0]&(1<<attrASPath) != 0
	d.finish()
	return a
}

func (a *Attributes) raise(o Outcome) { a.outcome = max(a.outcome, o) }

// peekPath finds what resolveWidth wants to know before attributes are decoded in their order.
func peekPath(attrs []byte) (path []byte, hasAS4 bool) {
	for len(attrs) > 0 {
		attr, value, rest := nextAttr(attrs)
		switch attr[1] {
		case attrASPath:
			if path == nil {
				path = value
			}
		case attrAS4Path:
			hasAS4 = true
		}
		attrs = rest
	}
	return path, hasAS4
}

// finish joins the attributes that belong together and asks for the mandatory ones.
func (d *attrDecoder) finish() {
	a := d.a
	path := d.path
	if d.width == 2 && !(a.Aggregator.IsValid() && d.aggregatorAS != asTrans && d.as4Agg != nil) {
		path = mergeAS4(path, d.as4)
		if d.as4Agg != nil && a.Aggregator.IsValid() {
			a.AggregatorAS, a.Aggregator = d.as4Agg.Value.AS, addrOf(d.as4Agg.Value.Address)
		}
	}
	a.setPath(path)
	if !a.HasOrigin {
		a.raise(OutcomeTreatWithdraw) // RFC 7606 section 3 d
	}
	a.noPath = !a.HasASPath // the same, see Params.OwnTable
}

// sortedSet sorts l in place and removes duplicates.
func sortedSet[T cmp.Ordered](l []T) []T {
	slices.Sort(l)
	return slices.Compact(l)
}

// sortedLarge does the same for large communities.
func sortedLarge(l [][3]uint32) [][3]uint32 {
	slices.SortFunc(l, func(x, y [3]uint32) int { return slices.Compare(x[:], y[:]) })
	return slices.Compact(l)
}
