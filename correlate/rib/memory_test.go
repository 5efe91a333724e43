package rib

import (
	"net/netip"
	"runtime"
	"testing"
)

// TestMemoryComesBack loads a full table (once 1 M routes) from a device beside a small one and checks what is left after it leaves,
// in each of the ways that routes go.
func TestMemoryComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("loads a million routes several times")
	}
	all := feedOf(1_000_000)
	big := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}
	const among = "peer down with another peer's routes among them"
	for _, c := range []struct {
		name  string
		n     int
		leave func(*RIB)
	}{
		{"cleared", 200_000, func(r *RIB) { r.Clear() }},
		{"peer down", 200_000, func(r *RIB) { r.PeerDown(big, 1) }},
		{"session lost and timeout", 1_000_000, func(r *RIB) {
			r.SessionLost(1)
			r.Tick(1+int64(r.opt.StaleAfter), 0)
		}},
		{"withdrawn but for one in 500", 200_000, func(r *RIB) {
			for i, p := range all[:200_000] {
				f := IPv4Unicast
				if p.Addr().Is6() {
					f = IPv6Unicast
				}
				if i%500 != 0 {
					r.Withdraw(r.Source(big, AdjRIBInPre, f), 0, p, 0, false, 1)
				}
			}
		}},
		{among, 200_000, func(r *RIB) { r.PeerDown(big, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			pfx := all[:c.n]
			in := NewIntern()
			other := New(in, Options{})
			fill(other, pfx[:2000], LocRIB, 1)
			before := heap()
			r := New(in, Options{})
			fill(r, pfx, AdjRIBInPre, 1)
			if c.name == among {
				thin := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 9})}
				in.Retain(1, c.n/500)
				for i := 0; i < c.n; i += 500 {
					r.Announce(r.Source(thin, AdjRIBInPre, IPv4Unicast), 0, pfx[i], 0, false, 1, 1)
				}
			}
			full := heap() - before
			c.leave(r)
			for r.Tick(2+int64(r.opt.StaleAfter), 10_000) {
			}
			left := int64(heap()) - int64(before)
			t.Logf("%d bytes with the device, %d after it, %d per cent; %d routes", full, left, left*100/int64(full), r.Routes())
			if left > int64(full)/10 {
				t.Errorf("%d of %d bytes are left", left, full)
			}
			if err := r.check(); err != nil {
				t.Error(err)
			}
			runtime.KeepAlive(r)
			runtime.KeepAlive(other)
		})
	}
	runtime.KeepAlive(all)
}
