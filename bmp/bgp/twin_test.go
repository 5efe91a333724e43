package bgp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestAgainstGobgp compares the Decoder with gobgp decoding the whole message, on messages that both read right.
func TestAgainstGobgp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	d := NewDecoder(Config{})
	for i := range 400 {
		f := allFamilies[i%len(allFamilies)]
		var routes, gone []NLRI
		addPath := i%2 == 0
		for range 1 + r.IntN(20) {
			routes, gone = append(routes, randomNLRI(r, f, addPath)), append(gone, randomNLRI(r, f, addPath))
		}
		attrs := randomAttributes(r, f.AFI() == AFIIPv6)
		attrs.ExtCommunities = []uint64{0x0002fbf000000001} // gobgp fails on many types that it does not know
		msg, _, _ := AppendUpdate(nil, nil, routes, attrs, AS4)
		compare(t, d, msg[HeaderSize:], f, addPath)
		msg, _, _ = AppendUpdate(nil, gone, nil, nil, AS4)
		compare(t, d, msg[HeaderSize:], f, addPath)
	}
}

func compare(t *testing.T, d *Decoder, body []byte, f Family, addPath bool) {
	t.Helper()
	p, opt := Params{}, &gobgp.MarshallingOption{}
	if addPath {
		p.AddPath = []Family{f}
		opt.AddPath = map[gobgp.RouteFamily]gobgp.BGPAddPathMode{
			gobgp.AfiSafiToRouteFamily(f.AFI(), f.SAFI()): gobgp.BGP_ADD_PATH_BOTH,
		}
	}
	var twin gobgp.BGPUpdate
	if err := twin.DecodeFromBytes(body, opt); err != nil {
		t.Fatal(err)
	}
	u := mustDecode(t, d, body, p)
	announced, withdrawn := twinRoutes(&twin, addPath)
	if !slices.EqualFunc(u.Withdrawn, withdrawn, sameRoute) {
		t.Fatalf("%v withdrawn:\ngot  %v\nwant %v", f, u.Withdrawn, withdrawn)
	}
	if len(announced) == 0 {
		return
	}
	if !slices.EqualFunc(u.Announced[0].NLRI, announced, sameRoute) {
		t.Fatalf("%v announced:\ngot  %v\nwant %v", f, u.Announced[0].NLRI, announced)
	}
	compareAttributes(t, u.Announced[0].Attrs, &twin)
}

func sameRoute(a, b NLRI) bool {
	return a.Prefix == b.Prefix && a.RD == b.RD && a.PathID == b.PathID && a.Label == b.Label
}

func twinRoutes(u *gobgp.BGPUpdate, addPath bool) (announced, withdrawn []NLRI) {
	for _, n := range u.NLRI {
		announced = append(announced, twinRoute(n, addPath))
	}
	for _, n := range u.WithdrawnRoutes {
		withdrawn = append(withdrawn, twinRoute(n, addPath))
	}
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *gobgp.PathAttributeMpReachNLRI:
			for _, n := range a.Value {
				announced = append(announced, twinRoute(n, addPath))
			}
		case *gobgp.PathAttributeMpUnreachNLRI:
			for _, n := range a.Value {
				withdrawn = append(withdrawn, twinRoute(n, addPath))
			}
		}
	}
	return announced, withdrawn
}

func twinRoute(p gobgp.AddrPrefixInterface, addPath bool) NLRI {
	var n NLRI
	if addPath {
		n.PathID = p.PathIdentifier()
	}
	ip := func(b []byte, bits int) netip.Prefix {
		a, _ := netip.AddrFromSlice(b)
		return netip.PrefixFrom(a, bits)
	}
	vpn := func(ipp *gobgp.IPAddrPrefixDefault, l gobgp.MPLSLabelStack, rd gobgp.RouteDistinguisherInterface) {
		n.Prefix = ip(ipp.Prefix, int(ipp.Length)-8*l.Len()-64)
		raw, _ := rd.Serialize()
		n.RD, n.Label = binary.BigEndian.Uint64(raw), l.Labels[0]
	}
	switch p := p.(type) {
	case *gobgp.IPAddrPrefix:
		n.Prefix = ip(p.Prefix.To4(), int(p.Length))
	case *gobgp.IPv6AddrPrefix:
		n.Prefix = ip(p.Prefix, int(p.Length))
	case *gobgp.LabeledIPAddrPrefix:
		n.Prefix, n.Label = ip(p.Prefix.To4(), int(p.Length)-8*p.Labels.Len()), p.Labels.Labels[0]
	case *gobgp.LabeledIPv6AddrPrefix:
		n.Prefix, n.Label = ip(p.Prefix, int(p.Length)-8*p.Labels.Len()), p.Labels.Labels[0]
	case *gobgp.LabeledVPNIPAddrPrefix:
		vpn(&p.IPAddrPrefixDefault, p.Labels, p.RD)
	case *gobgp.LabeledVPNIPv6AddrPrefix:
		vpn(&p.IPAddrPrefixDefault, p.Labels, p.RD)
	}
	return n
}

func compareAttributes(t *testing.T, got *Attributes, twin *gobgp.BGPUpdate) {
	t.Helper()
	for _, a := range twin.PathAttributes {
		same := true
		switch a := a.(type) {
		case *gobgp.PathAttributeAsPath:
			var path []uint32
			for _, s := range a.Value {
				path = append(path, s.GetAS()...)
			}
			same = slices.Equal(slices.Concat(got.ASPath, got.ASSet), path)
		case *gobgp.PathAttributeNextHop:
			same = got.NextHop.String() == a.Value.String()
		case *gobgp.PathAttributeMpReachNLRI:
			same = got.NextHop == addrOf(a.Nexthop)
		case *gobgp.PathAttributeMultiExitDisc:
			same = got.HasMED && got.MED == a.Value
		case *gobgp.PathAttributeLocalPref:
			same = got.HasLocalPref && got.LocalPref == a.Value
		case *gobgp.PathAttributeCommunities:
			same = slices.Equal(got.Communities, a.Value)
		case *gobgp.PathAttributeLargeCommunities:
			same = len(got.LargeCommunities) == len(a.Values)
		case *gobgp.PathAttributeExtendedCommunities:
			same = len(got.ExtCommunities) == len(a.Value)
		case *gobgp.PathAttributeAggregator:
			same = got.AggregatorAS == a.Value.AS && got.Aggregator.String() == a.Value.Address.String()
		case *gobgp.PathAttributeOriginatorId:
			same = got.OriginatorID.String() == a.Value.String()
		}
		if !same {
			t.Fatalf("attribute %v differs: %+v, gobgp %v", a.GetType(), got, a)
		}
	}
}
