package bgp

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// FuzzDecodeUpdate checks that no input panics or is misused, that decoding twice (the second time from the cache) gives
// the same, and that what was decoded survives being written and read again.
func FuzzDecodeUpdate(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for i, fam := range allFamilies {
		msg, _, _ := AppendUpdate(nil, nil, []NLRI{randomNLRI(r, fam, i%2 == 0)}, randomAttributes(r, i > 3), ASWidth(i%2))
		f.Add(msg[HeaderSize:], uint8(i))
	}
	f.Add(updateBody(nil, unhex(f, "c02808 05 0005 00 63 0001 00"), nil), uint8(0))
	f.Add(updateBody(nil, unhex(f, "800e1c 001946 04 c0000201 00 0311 0000fbf000000001 00000000 20 0a000001"), nil), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, mode uint8) {
		p := Params{ASWidth: ASWidth(mode >> 1 & 3)}
		if mode&1 != 0 {
			p.AddPath = allFamilies
		}
		d := NewDecoder(Config{})
		u, err := d.DecodeUpdate(body, p)
		if (err != nil) != (u.Outcome == OutcomeMalformed) {
			t.Fatalf("outcome %v with %v", u.Outcome, err)
		}
		withdrawn := slices.Clone(u.Withdrawn)
		var announced [][]NLRI
		var attrs []*Attributes
		for _, a := range u.Announced {
			announced, attrs = append(announced, slices.Clone(a.NLRI)), append(attrs, a.Attrs)
		}
		again, _ := d.DecodeUpdate(body, p)
		if !slices.Equal(again.Withdrawn, withdrawn) || len(again.Announced) != len(announced) {
			t.Fatal("decoding again gives other routes")
		}
		for i, a := range attrs {
			rewrite(t, d, announced[i], a)
		}
	})
}

// rewrite writes routes with their attributes and compares what comes back.
func rewrite(t *testing.T, d *Decoder, routes []NLRI, a *Attributes) {
	if len(routes) == 0 || !a.NextHop.IsValid() || a.ClusterLength == 255 || len(a.ASSet) > 255 || len(a.key) > 3000 {
		return // cannot be written, or not in one message
	}
	v4 := routes[0].Family.AFI() == AFIIPv4
	if a.NextHop.Is4() != v4 || routes[0].Family.SAFI() == SAFILabeled || routes[0].Family.SAFI() == SAFIVPN {
		return // the next hop's form or the label stack is not the one that is written
	}
	msg, _, na := AppendUpdate(nil, nil, routes, a, AS4)
	p := Params{}
	if routes[0].HasPathID {
		p.AddPath = []Family{routes[0].Family}
	}
	u, err := d.DecodeUpdate(msg[HeaderSize:], p)
	if err != nil || len(u.Announced) != 1 || !slices.Equal(u.Announced[0].NLRI, routes[:na]) {
		t.Fatalf("got %+v, %v; want %v", u, err, routes)
	}
	got, want := plain(u.Announced[0].Attrs), plain(a)
	if got.LinkLocalNextHop != want.LinkLocalNextHop && v4 {
		got.LinkLocalNextHop = want.LinkLocalNextHop
	}
	got.Unknown, want.Unknown = nil, nil // flags and duplicates may differ
	if !equalAttributes(&got, &want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// equalAttributes compares attributes, an empty list being as good as none.
func equalAttributes(a, b *Attributes) bool {
	for _, x := range []*Attributes{a, b} {
		x.ASPath, x.ASSet, x.Communities = nilEmpty(x.ASPath), nilEmpty(x.ASSet), nilEmpty(x.Communities)
		x.ExtCommunities, x.LargeCommunities = nilEmpty(x.ExtCommunities), nilEmpty(x.LargeCommunities)
		x.ClusterList, x.SRv6SIDs = nilEmpty(x.ClusterList), nilEmpty(x.SRv6SIDs)
	}
	return reflect.DeepEqual(a, b)
}

// FuzzDecodeOpen checks that no input panics and that what was decoded can be written and read again.
func FuzzDecodeOpen(f *testing.F) {
	o := Open{AS: 70000, AS4: true, Families: allFamilies, AddPath: []AddPath{{IPv4Unicast, AddPathBoth}}}
	o.Capabilities = []Capability{{2, []byte{}}, {9, []byte{3}}}
	f.Add(AppendOpen(nil, &o)[HeaderSize:])
	f.Add(unhex(f, "04 fbf0 00b4 0a000001 ff ff 0009 02 0006 4104 00011170"))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := DecodeOpen(body)
		size := len(o.Families)*8 + len(o.AddPath)*6
		for _, c := range o.Capabilities {
			size += 4 + len(c.Value)
		}
		if err != nil || size > 200 {
			return
		}
		again, err := DecodeOpen(AppendOpen(nil, &o)[HeaderSize:])
		if o.Version == 0 {
			o.Version = 4
		}
		if err != nil || again.AS != o.AS && o.AS4 || !slices.Equal(again.Families, o.Families) || !slices.Equal(again.AddPath, o.AddPath) ||
			!reflect.DeepEqual(again.Capabilities, o.Capabilities) {
			t.Fatalf("got %+v, %v; want %+v", again, err, o)
		}
	})
}

// FuzzAttribute puts one attribute behind the mandatory ones: whatever it is, the route is announced or withdrawn.
func FuzzAttribute(f *testing.F) {
	for typ := range uint8(41) {
		f.Add(gobgpFlags(typ), typ, []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3})
	}
	f.Add(uint8(0xc0), uint8(attrPrefixSID), unhex(f, "05 0022 00 01 001e 00 20010db8009100000000000000000000 00 003f 00 01 0006 201010001030"))
	f.Add(uint8(0xc0), uint8(attrAS4Path), unhex(f, "0202 00011170 00011171"))
	f.Add(uint8(0x80), uint8(attrAIGP), unhex(f, "01 000b 0000000000000064"))
	base, route := unhex(f, baseAttrs), unhex(f, prefix10)
	d := NewDecoder(Config{Cache: NewCache(CacheConfig{MaxBytes: 1})})
	f.Fuzz(func(t *testing.T, flags, typ uint8, value []byte) {
		if len(value) > 1000 || typ == attrMPReach || typ == attrMPUnreach {
			return
		}
		body := updateBody(nil, appendAttr(base[:len(base):len(base)], flags&^flagExtended, typ, value), route)
		for _, w := range []ASWidth{AS4, AS2} {
			u, err := d.DecodeUpdate(body, Params{ASWidth: w})
			if err != nil || len(u.Announced)+len(u.Withdrawn) != 1 {
				t.Fatalf("got %+v, %v", u, err)
			}
			for _, a := range u.Announced {
				for _, raw := range a.Attrs.Unknown {
					_ = raw.Text()
				}
			}
		}
	})
}

// gobgpFlags gives flags that a type may have.
func gobgpFlags(typ uint8) uint8 {
	switch typ {
	case attrOrigin, attrASPath, attrNextHop, attrLocalPref, attrAtomicAggregate:
		return flagTransitive
	case attrMED, attrOriginatorID, attrClusterList, attrAIGP, 29:
		return flagOptional
	}
	return optionalTransitive
}

// FuzzRoutes decodes routes of any family in both attributes that carry them.
func FuzzRoutes(f *testing.F) {
	for _, fam := range allFamilies {
		f.Add(uint32(fam), unhex(f, "70 000641 0002fbf00005000d c00002"), false)
	}
	for _, fam := range []uint32{
		25<<8 | 65, 25<<8 | 70, 1<<8 | 85, 1<<8 | 73, 1<<8 | 132, 1<<8 | 133, 1<<8 | 134, 2<<8 | 133, 16388<<8 | 71,
		1<<8 | 66, 16397<<8 | 241, 1<<8 | 140,
	} {
		f.Add(fam, unhex(f, "0311 0000fbf000000001 00000000 20 0a000001"), true)
	}
	hop := unhex(f, "04 c0000201 00")
	d := NewDecoder(Config{})
	f.Fuzz(func(t *testing.T, family uint32, routes []byte, addPath bool) {
		fam := Family(family & 0xffffff)
		p := Params{}
		if addPath {
			p.AddPath = []Family{fam}
		}
		head := []byte{byte(fam >> 16), byte(fam >> 8), byte(fam)}
		reach := appendAttr(unhex(t, "400101 00 400200"), flagOptional, attrMPReach, slices.Concat(head, hop, routes))
		unreach := appendAttr(nil, flagOptional, attrMPUnreach, slices.Concat(head, routes))
		if len(routes) > 2000 {
			return
		}
		for _, attrs := range [][]byte{reach, unreach} {
			u, err := d.DecodeUpdate(updateBody(nil, attrs, nil), p)
			if err != nil || u.Outcome != OutcomeOK && u.Outcome != OutcomeFamilyError {
				t.Fatalf("got %+v, %v", u, err)
			}
		}
	})
}
