package rib

import (
	"iter"
	"net/netip"
)

// Range says which prefixes of a table a Scan is about.
type Range uint8

// The ranges of a prefix.
const (
	Within   Range = iota // the prefix and the longer ones in it
	Exact                 // the prefix alone
	Covering              // the prefix and the shorter ones that cover it
)

// Scan is an ordered walk over a RIB that can be left after any prefix and gone on with later, from nothing but the values of Table
// and Last: whoever keeps these two holds no part of the RIB. The zero Scan is about all routes.
type Scan struct {
	// Want, when not nil, chooses the tables.
	Want func(TableStatus) bool
	// Prefix and Range choose the prefixes; an invalid prefix is all of both IP versions. The prefix is masked.
	Prefix netip.Prefix
	Range  Range

	// Table is the id of the table at hand and Last the last prefix of it that was given, invalid at its beginning.
	Table uint64
	Last  netip.Prefix
}

// Scan gives fn the live routes of s prefix by prefix from where s is, and moves s on. It ends when fn returns false, which is
// looked at between two prefixes, or when it has done budget steps: a step is a table, a prefix or a route that was looked at, and what
// begins within the budget is finished, so that up to Options.MaxPaths more are possible. It reports the steps, and whether more may follow.
//
// Tables come in the order of their creation, prefixes in that of addresses and a covering one first (last in the Range Covering), so
// that a route that is there all the time is given exactly once, however many calls it takes and whatever else changes between them.
// fn must not change the RIB nor keep the Route it is given, whose Attrs it may keep.
func (r *RIB) Scan(s *Scan, budget int, fn func(*Route) bool) (steps int, more bool) {
	if s.Prefix.IsValid() {
		s.Prefix = s.Prefix.Masked()
	}
	begun := false // a prefix was given: each call moves on
	for n := r.tableIndex(s.Table); n < len(r.tables); n++ {
		t := r.tables[n]
		if t.id != s.Table {
			s.Table, s.Last = t.id, netip.Prefix{}
		}
		if steps++; s.skips(t) {
			if steps >= budget {
				s.Table++ // the table is done, whatever its successor's id is
				return steps, n+1 < len(r.tables)
			}
			continue
		}
		full := false
		for c := range s.rest(t) {
			if full || begun && steps >= budget {
				return steps, true
			}
			begun = true
			p := t.arena.prefix(c.head())
			paths, on := r.paths(t, p, c, fn)
			steps += 1 + paths
			s.Last, full = p, !on
		}
		s.Table, s.Last = t.id+1, netip.Prefix{}
		if full || steps >= budget {
			return steps, n+1 < len(r.tables)
		}
	}
	s.Table, s.Last = r.tableSeq+1, netip.Prefix{}
	return steps, false
}

func (s *Scan) skips(t *table) bool {
	return s.Prefix.IsValid() && s.Prefix.Addr().Is6() != t.six || s.Want != nil && !s.Want(t.status())
}

// rest yields the chains of a table whose prefixes come after s.Last.
func (s *Scan) rest(t *table) iter.Seq[chain] {
	p := s.Prefix
	if !p.IsValid() {
		p = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if t.six {
			p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	switch s.Range {
	case Exact:
		return t.exactly(p, s.Last)
	case Covering:
		return t.covering(p, s.Last)
	case Within:
	}
	return t.within(p, s.Last)
}

func (t *table) exactly(p, last netip.Prefix) iter.Seq[chain] {
	return func(yield func(chain) bool) {
		if last.IsValid() {
			return
		}
		if c := t.trie.get(keyOf(p.Addr()), p.Bits()); c != 0 {
			yield(c)
		}
	}
}

func (t *table) covering(p, last netip.Prefix) iter.Seq[chain] {
	bits := p.Bits()
	if last.IsValid() {
		bits = last.Bits() - 1
	}
	return func(yield func(chain) bool) {
		if bits >= 0 {
			t.trie.covering(keyOf(p.Addr()), bits, yield)
		}
	}
}

// within yields the chains in p that come after last: those in last itself, then those in the upper halves beside it on the way up to p.
// The trie finds each of these without a walk.
func (t *table) within(p, last netip.Prefix) iter.Seq[chain] {
	return func(yield func(chain) bool) {
		if !last.IsValid() {
			t.trie.within(keyOf(p.Addr()), p.Bits(), yield)
			return
		}
		more := true
		walk := func(sub netip.Prefix) {
			t.trie.within(keyOf(sub.Addr()), sub.Bits(), func(c chain) bool {
				if t.arena.prefix(c.head()) != last {
					more = yield(c)
				}
				return more
			})
		}
		walk(last)
		for n := last.Bits(); more && n > p.Bits(); n-- {
			if beside, upper := upperHalf(last.Addr(), n); upper {
				walk(beside)
			}
		}
	}
}

// upperHalf returns the prefix of n bits that differs from the address in its last bit, if it is the upper one of the two.
func upperHalf(a netip.Addr, n int) (netip.Prefix, bool) {
	b := a.AsSlice()
	at, bit := (n-1)/8, byte(0x80)>>((n-1)%8)
	if b[at]&bit != 0 {
		return netip.Prefix{}, false
	}
	b[at] |= bit
	up, _ := netip.AddrFromSlice(b)
	p, _ := up.Prefix(n)
	return p, true
}

// paths gives the live routes of a chain, and reports how many entries it has and whether fn wants more.
func (r *RIB) paths(t *table, p netip.Prefix, c chain, fn func(*Route) bool) (n int, on bool) {
	best := r.bestOf(t, c.head())
	on = true
	for i := c.head(); i != none; i = t.arena.at(i).next {
		n++
		if r.feeds[t.arena.at(i).feed()].dead {
			continue
		}
		rt := r.route(t, i, p)
		rt.Best = i == best
		if !fn(&rt) {
			on = false
		}
	}
	return n, on
}
