package rib

import (
	"net/netip"
	"testing"
)

// TestAhead guesses the attributes of all answers in tables with a jump, where the best path answers.
func TestAhead(t *testing.T) {
	defer func(from, until int) { jumpFrom, jumpUntil = from, until }(jumpFrom, jumpUntil)
	jumpFrom, jumpUntil = 1000, 100
	r := New(NewIntern(), Options{})
	pfx := feedOf(20_000)
	fill(r, pfx, AdjRIBInPre, 2)
	var asks []Ask
	for _, a := range targets(pfx, false)[:5000] {
		asks = append(asks, Ask{Addr: a})
	}
	r.Ahead(asks)
	right := 0
	for _, a := range asks {
		var m Match
		if r.Lookup(0, a.Addr, netip.Addr{}, &m) != Found {
			t.Fatalf("no route to %v", a.Addr)
		}
		if a.Attr == m.Attr {
			right++
		}
	}
	// A prefix that is longer than the one that answers, and does not cover the address, makes it guess wrong.
	if right < len(asks)*9/10 {
		t.Errorf("guessed %d of %d", right, len(asks))
	}
}

func TestAheadOfNothing(t *testing.T) {
	r := New(NewIntern(), Options{})
	tell(r, told{view: LocRIB, prefix: "10.0.0.0/8"})
	asks := []Ask{
		{Addr: netip.MustParseAddr("10.0.0.1"), Attr: 7}, // the table is small
		{Addr: netip.MustParseAddr("2001:db8::1"), Attr: 7},
		{Addr: netip.MustParseAddr("10.0.0.1"), VRF: 5, Attr: 7},
	}
	r.Ahead(asks)
	r.Ahead(nil)
	for i, a := range asks {
		if a.Attr != 0 {
			t.Errorf("ask %d: guessed %d where there is no large table", i, a.Attr)
		}
	}
}
