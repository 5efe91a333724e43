package rib

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestAhead guesses the attributes of most answers of the best path, in tables with a jump and without.
func TestAhead(t *testing.T) {
	for _, jump := range []bool{false, true} {
		t.Run(fmt.Sprintf("jump %v", jump), func(t *testing.T) { testAhead(t, jump) })
	}
}

func testAhead(t *testing.T, jump bool) {
	if jump {
		defer func(from, until int) { jumpFrom, jumpUntil = from, until }(jumpFrom, jumpUntil)
		jumpFrom, jumpUntil = 1000, 100
	}
	r := New(NewIntern(), Options{})
	pfx := feedOf(20_000)
	fill(r, pfx, AdjRIBInPre, 2)
	if on := r.tables[0].trie.jump.on(); on != jump {
		t.Fatalf("has a jump: %v", on)
	}
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
	// A longer prefix beside the address leads away from the one that answers.
	if right < len(asks)*8/10 {
		t.Errorf("guessed %d of %d", right, len(asks))
	}
}

func TestAheadOfNothing(t *testing.T) {
	r := New(NewIntern(), Options{})
	tell(r, told{view: LocRIB, prefix: "10.0.0.0/8"})
	asks := []Ask{
		{Addr: netip.MustParseAddr("192.0.2.1"), Attr: 7},
		{Addr: netip.MustParseAddr("10.0.0.1"), Skip: true, Attr: 7},
		{Addr: netip.MustParseAddr("2001:db8::1"), Attr: 7},
		{Addr: netip.MustParseAddr("10.0.0.1"), VRF: 5, Attr: 7},
	}
	r.Ahead(asks)
	r.Ahead(nil)
	for i, a := range asks {
		if a.Attr != 0 {
			t.Errorf("ask %d: guessed %d where there is no route", i, a.Attr)
		}
	}
}
