package rib

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkLive writes and takes up the live image of 100 k routes, without a history and with several versions in it.
func BenchmarkLive(b *testing.B) {
	pfx := feedOf(100_000)
	for _, changes := range []int{-1, 0, 100_000, 300_000} {
		o := Options{History: time.Hour}
		if changes < 0 {
			o.History = -1
		}
		r := New(NewIntern(), o)
		fill(r, pfx, AdjRIBInPre, 1)
		flap(r, pfx, changes)
		image := liveOf(r, 20_000)
		n := r.Routes() + r.Totals().Versions
		report := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
			b.ReportMetric(float64(len(image))/float64(n), "octets/item")
			b.ReportMetric(float64(r.Totals().Versions), "versions")
		}
		b.Run(fmt.Sprintf("write/changes=%d", changes), func(b *testing.B) {
			buf := make([]byte, 0, len(image))
			for b.Loop() {
				w := r.Live()
				for more := true; more; {
					buf, more = w.Append(buf[:0], 20_000)
				}
			}
			report(b)
		})
		b.Run(fmt.Sprintf("read/changes=%d", changes), func(b *testing.B) {
			for b.Loop() {
				if _, err := New(NewIntern(), o).RestoreLive(bytes.NewReader(image), r.now); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}

// flap changes routes one after the other, each to other attributes of the 64 k sets.
func flap(r *RIB, pfx []netip.Prefix, changes int) {
	var buf []byte
	k := PeerKey{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 0})}
	r.EndOfRIB(k, AdjRIBInPre, IPv4Unicast, 2e18)
	r.EndOfRIB(k, AdjRIBInPre, IPv6Unicast, 2e18)
	for i := range changes {
		p := pfx[i*7919%len(pfx)]
		f := IPv4Unicast
		if p.Addr().Is6() {
			f = IPv6Unicast
		}
		var decode func() Attrs
		buf, decode = fullSet(buf, uint32(i)&0xffff)
		at := int64(2e18) + int64(i)*int64(time.Millisecond)
		r.advance(at)
		r.Announce(r.Source(k, AdjRIBInPre, f), 0, p, 0, false, r.in.Acquire(buf, decode), at)
	}
}
