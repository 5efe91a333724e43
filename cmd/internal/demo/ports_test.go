package demo

import (
	"net/netip"
	"testing"
)

// TestFindPorts holds that ports differ, are free when they are given, and are none that the kernel gives to connections.
func TestFindPorts(t *testing.T) {
	p, err := findPorts(30)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[netip.AddrPort]bool)
	for _, at := range append(p.http, p.ipfix, p.bmp) {
		if seen[at] || at.Port() < firstPort || at.Port() >= firstPort+manyPorts {
			t.Errorf("got %v, seen before: %v", at, seen[at])
		}
		seen[at] = true
		held, err := hold(at, at == p.ipfix)
		if err != nil {
			t.Errorf("%v: %v", at, err)
			continue
		}
		defer func() {
			for _, h := range held {
				h.Close()
			}
		}()
	}
	if held, err := hold(p.ipfix, true); err == nil {
		t.Errorf("%v is free although it is taken", held)
	}
}
