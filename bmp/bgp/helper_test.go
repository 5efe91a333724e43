package bgp

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// unhex turns hex text with blanks and line ends into bytes.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// updateBody builds the body of an UPDATE from its three fields.
func updateBody(withdrawn, attrs, nlri []byte) []byte {
	b := []byte{byte(len(withdrawn) >> 8), byte(len(withdrawn))}
	b = append(b, withdrawn...)
	b = append(b, byte(len(attrs)>>8), byte(len(attrs)))
	b = append(b, attrs...)
	return append(b, nlri...)
}

// baseAttrs are ORIGIN igp, AS_PATH 64496 64497 in four octets and NEXT_HOP 192.0.2.1.
const baseAttrs = "400101 00 40020a 0202 0000fbf0 0000fbf1 400304 c0000201 "

// prefix10 is 198.51.100.0/24 as NLRI.
const prefix10 = "18 c63364"

func mustDecode(t testing.TB, d *Decoder, body []byte, p Params) *Update {
	t.Helper()
	u, err := d.DecodeUpdate(body, p)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// plain drops what is internal from attributes, so that values can be compared.
func plain(a *Attributes) Attributes {
	c := *a
	c.key, c.outcome, c.panics, c.widthGuessed = nil, 0, 0, false
	return c
}

var allFamilies = []Family{
	IPv4Unicast, IPv4Multicast, IPv4Labeled, IPv4VPN, IPv6Unicast, IPv6Multicast, IPv6Labeled, IPv6VPN,
}

func randomNLRI(r *rand.Rand, f Family, addPath bool) NLRI {
	n := NLRI{Family: f}
	var a [16]byte
	for i := range a {
		a[i] = byte(r.Uint32())
	}
	if f.AFI() == AFIIPv6 {
		n.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), r.IntN(129)).Masked()
	} else {
		n.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte(a[:4])), r.IntN(33)).Masked()
	}
	if safi := f.SAFI(); safi == SAFILabeled || safi == SAFIVPN {
		n.Label, n.HasLabel = 1+r.Uint32N(1<<20-1), true
		if safi == SAFIVPN {
			n.RD = r.Uint64N(3)<<48 | r.Uint64()>>16
		}
	}
	if addPath {
		n.PathID, n.HasPathID = r.Uint32(), true
	}
	return n
}

func randomU32s(r *rand.Rand, most int) []uint32 {
	var l []uint32
	for range r.IntN(most + 1) {
		l = append(l, r.Uint32())
	}
	return l
}

// randomAttributes makes attributes that survive being written and read.
func randomAttributes(r *rand.Rand, v6 bool) *Attributes {
	a := &Attributes{Origin: uint8(r.IntN(3)), HasOrigin: true, HasASPath: true}
	a.NextHop = randomNLRI(r, IPv4Unicast, false).Prefix.Addr()
	if v6 {
		a.NextHop = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.Uint32())})
		if r.IntN(2) == 0 {
			a.LinkLocalNextHop = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(r.Uint32())})
		} else if r.IntN(3) == 0 {
			a.NextHop, a.V4Mapped = netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())}), true
		}
	}
	a.ASPath = randomU32s(r, 6)
	if r.IntN(4) == 0 {
		a.ASSet = randomU32s(r, 3)
	}
	a.PathLength = uint16(len(a.ASPath))
	if len(a.ASSet) > 0 {
		a.PathLength++
	}
	a.Communities = nilEmpty(sortedSet(randomU32s(r, 100)))
	for range r.IntN(4) {
		a.ExtCommunities = append(a.ExtCommunities, r.Uint64())
		a.LargeCommunities = append(a.LargeCommunities, [3]uint32{r.Uint32(), r.Uint32N(3), r.Uint32N(3)})
	}
	a.ExtCommunities, a.LargeCommunities = sortedSet(a.ExtCommunities), sortedLarge(a.LargeCommunities)
	a.ClusterList = randomU32s(r, 3)
	a.ClusterLength = uint8(len(a.ClusterList))
	flip := func() bool { return r.IntN(2) == 0 }
	if a.HasLocalPref = flip(); a.HasLocalPref {
		a.LocalPref = r.Uint32()
	}
	if a.HasMED = flip(); a.HasMED {
		a.MED = r.Uint32()
	}
	if a.HasAIGP = flip(); a.HasAIGP {
		a.AIGP = r.Uint64()
	}
	if a.HasOTC = flip(); a.HasOTC {
		a.OTC = r.Uint32()
	}
	if flip() {
		a.OriginatorID, a.AtomicAggregate = netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())}), true
		a.Aggregator, a.AggregatorAS = netip.AddrFrom4([4]byte{10, 0, 1, 1}), r.Uint32()
	}
	if flip() {
		a.SRv6SIDs = []SRv6SID{{
			Addr: netip.MustParseAddr("2001:db8:91::"), Behavior: 63, L2: flip(), BlockLength: 32, NodeLength: 16,
			FunctionLength: 16, TranspositionLength: 16, TranspositionOffset: 48,
		}}
	}
	if a.HasLabelIndex = flip(); a.HasLabelIndex {
		a.LabelIndex = r.Uint32()
	}
	if flip() {
		a.Unknown = []RawAttr{{Flags: 0xc0, Type: 200, Value: []byte{1, 2, 3}}}
	}
	return a
}

func nilEmpty[T any](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	return slices.Clip(l)
}
