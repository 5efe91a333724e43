package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

func TestEndOfRIB(t *testing.T) {
	tests := []struct {
		name string
		body []byte
		want Family
	}{
		{"ipv4 unicast", updateBody(nil, nil, nil), IPv4Unicast},
		{"vpnv4", updateBody(nil, unhex(t, "800f03 000180"), nil), IPv4VPN},
		{"extended length", updateBody(nil, unhex(t, "900f0003 000201"), nil), IPv6Unicast},
		{"evpn", updateBody(nil, unhex(t, "800f03 001946"), nil), NewFamily(25, 70)},
		{"withdrawal is none", updateBody(unhex(t, prefix10), nil, nil), 0},
		{"mp withdrawal is none", updateBody(nil, unhex(t, "800f08 000201 20 20010db8"), nil), 0},
		{"mp reach without routes is none", updateBody(nil, unhex(t, "800e15 000201 10 20010db8000000000000000000000001 00"), nil), 0},
		{"wrong flags are none", updateBody(nil, unhex(t, "c00f03 000180"), nil), 0},
		{"attributes without routes are none", updateBody(nil, unhex(t, baseAttrs), nil), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if u := mustDecode(t, NewDecoder(Config{}), tt.body, Params{}); u.EndOfRIB != tt.want {
				t.Errorf("got %v, want %v", u.EndOfRIB, tt.want)
			}
		})
	}
}

func TestNextHops(t *testing.T) {
	const global, linkLocal = "20010db8000000000000000000000001", "fe800000000000000000000000000001"
	const rd = "0000000000000000"
	tests := []struct {
		name      string
		family    string
		hop, nlri string
		want      string
		linkLocal string
	}{
		{name: "4", family: "000104", hop: "c0000201", nlri: "30 000641 c63364", want: "192.0.2.1"},
		{name: "12", family: "000180", hop: rd + "c0000201", nlri: "70 000641 0000fbf00000000c c63364", want: "192.0.2.1"},
		{name: "16", family: "000201", hop: global, nlri: "20 20010db8", want: "2001:db8::1"},
		{name: "16 v4-mapped", family: "000204", hop: "00000000000000000000ffffc0000201", nlri: "38 000641 20010db8", want: "192.0.2.1"},
		{name: "16 for ipv4", family: "000101", hop: global, nlri: prefix10, want: "2001:db8::1"},
		{name: "24", family: "000280", hop: rd + global, nlri: "78 000641 0000fbf00000000c 20010db8", want: "2001:db8::1"},
		{name: "32", family: "000201", hop: global + linkLocal, nlri: "20 20010db8", want: "2001:db8::1", linkLocal: "fe80::1"},
		{
			name: "48", family: "000280", hop: rd + global + rd + linkLocal, nlri: "78 000641 0000fbf00000000c 20010db8",
			want: "2001:db8::1", linkLocal: "fe80::1",
		},
		{name: "0", family: "000180", nlri: "70 000641 0000fbf00000000c c63364"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hop := unhex(t, tt.hop)
			reach := append(unhex(t, tt.family), byte(len(hop)))
			reach = append(append(reach, hop...), 0)
			reach = append(reach, unhex(t, tt.nlri)...)
			attrs := appendAttr(unhex(t, "400101 00 400200"), flagOptional, attrMPReach, reach)
			u := mustDecode(t, NewDecoder(Config{}), updateBody(nil, attrs, nil), Params{})
			if len(u.Announced) != 1 || len(u.Announced[0].NLRI) != 1 || u.Outcome != OutcomeOK {
				t.Fatalf("got %+v", u)
			}
			a := u.Announced[0].Attrs
			if a.V4Mapped != (tt.name == "16 v4-mapped") {
				t.Errorf("v4-mapped %v", a.V4Mapped)
			}
			if a.NextHop != parseAddr(tt.want) || a.LinkLocalNextHop != parseAddr(tt.linkLocal) {
				t.Errorf("got %v %v, want %v %v", a.NextHop, a.LinkLocalNextHop, tt.want, tt.linkLocal)
			}
		})
	}
}

func parseAddr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}

func TestUpdate(t *testing.T) {
	const reachV6 = "800e1a 000201 10 20010db8000000000000000000000001 00 20 20010db8 "
	tests := []struct {
		name    string
		body    []byte
		addPath []Family
		want    string
	}{
		{
			"announce and withdraw", updateBody(unhex(t, "08 0a"), unhex(t, baseAttrs), unhex(t, prefix10)), nil,
			"ok -[10.0.0.0/8] +[198.51.100.0/24] via 192.0.2.1",
		},
		{
			"both fields, each with its next hop", updateBody(nil, unhex(t, reachV6+baseAttrs), unhex(t, prefix10)), nil,
			"ok -[] +[2001:db8::/32] via 2001:db8::1 +[198.51.100.0/24] via 192.0.2.1",
		},
		{
			"next hop field is for the ipv4 routes alone",
			updateBody(nil, unhex(t, reachV6+"400101 00 400200 400303 c00002"), unhex(t, prefix10)), nil,
			"treat-as-withdraw -[198.51.100.0/24] +[2001:db8::/32] via 2001:db8::1",
		},
		{
			"mp unreach", updateBody(nil, unhex(t, "800f08 000201 20 20010db8"), nil), nil, "ok -[2001:db8::/32]",
		},
		{
			"add-path", updateBody(unhex(t, "00000005 08 0a"), unhex(t, baseAttrs), unhex(t, "00000006"+prefix10)),
			[]Family{IPv6Unicast, IPv4Unicast},
			"ok -[10.0.0.0/8 path 5] +[198.51.100.0/24 path 6] via 192.0.2.1",
		},
		{
			"mp reach overruns its field, the rest stands",
			updateBody(nil, unhex(t, "800e1a 000201 10 20010db8000000000000000000000001 00 30 20010db8"+baseAttrs), unhex(t, prefix10)),
			nil, "family-error -[] +[198.51.100.0/24] via 192.0.2.1",
		},
		{
			"mp unreach too long a prefix", updateBody(unhex(t, "08 0a"), unhex(t, "800f06 000101 20 c00002"), nil), nil,
			"family-error -[10.0.0.0/8]",
		},
		{
			"next hop of no known length",
			updateBody(nil, unhex(t, "800e0f 000201 05 0102030405 00 20 20010db8 400101 00 400200"), nil), nil,
			"treat-as-withdraw -[2001:db8::/32]",
		},
		{
			"flags of mp reach",
			updateBody(nil, unhex(t, "c00e1a 000201 10 20010db8000000000000000000000001 00 20 20010db8 400101 00 400200"), nil),
			nil, "treat-as-withdraw -[2001:db8::/32]",
		},
		{
			"attribute overrun withdraws routes of both fields",
			updateBody(nil, unhex(t, reachV6+baseAttrs+"c00808 00"), unhex(t, prefix10)), nil,
			"treat-as-withdraw -[2001:db8::/32 198.51.100.0/24]",
		},
		{
			"evpn as text",
			updateBody(nil, unhex(t, "800e1c 001946 04 c0000201 00 0311 0000fbf000000001 00000000 20 0a000001 400101 00 400200"), nil), nil,
			"ok -[] +[] via 192.0.2.1 [type:multicast][rd:64496:1][etag:0][ip:10.0.0.1]",
		},
		{
			"evpn withdrawn", updateBody(nil, unhex(t, "800f16 001946 0311 0000fbf000000001 00000000 20 0a000001"), nil), nil,
			"ok -[] -[type:multicast][rd:64496:1][etag:0][ip:10.0.0.1]",
		},
		{
			"evpn with path ids", updateBody(nil, unhex(t, "800f1a 001946 00000007 0311 0000fbf000000001 00000000 20 0a000001"), nil),
			[]Family{NewFamily(25, 70)},
			"ok -[] -[type:multicast][rd:64496:1][etag:0][ip:10.0.0.1]",
		},
		{
			"evpn with a broken attribute",
			updateBody(nil, unhex(t, "800e1c 001946 04 c0000201 00 0311 0000fbf000000001 00000000 20 0a000001 400101 07 400200"), nil), nil,
			"treat-as-withdraw -[] -[type:multicast][rd:64496:1][etag:0][ip:10.0.0.1]",
		},
		{
			"next hop of no known length is no matter of families without prefixes",
			updateBody(nil, unhex(t, "800e1d 001946 05 c000020100 00 0311 0000fbf000000001 00000000 20 0a000001 400101 00 400200"), nil), nil,
			"ok -[] +[] via invalid IP [type:multicast][rd:64496:1][etag:0][ip:10.0.0.1]",
		},
		{"mp reach whose next hop overruns", updateBody(nil, unhex(t, "800e05 000201 10 20 400101 00 400200"), nil), nil, "family-error -[]"},
		{"mp reach cut", updateBody(nil, unhex(t, "800e03 000201 400101 00 400200"), nil), nil, "family-error -[]"},
		{"mp unreach cut", updateBody(nil, unhex(t, "800f02 0002"), nil), nil, "family-error -[]"},
		{"flags of mp unreach", updateBody(nil, unhex(t, "c00f08 000201 20 20010db8"), nil), nil, "treat-as-withdraw -[2001:db8::/32]"},
		{
			"family nobody knows", updateBody(nil, unhex(t, "800f05 00ffff abcd 400101 00"), nil), nil, "family-error -[]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Config{})
			u := mustDecode(t, d, tt.body, Params{AddPath: tt.addPath})
			if got := describe(u); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func describe(u *Update) string {
	s := fmt.Sprintf("%v -%v", u.Outcome, u.Withdrawn)
	for _, o := range u.OtherWithdrawn {
		s += " -" + o.Text
	}
	for _, a := range u.Announced {
		s += fmt.Sprintf(" +%v via %v", a.NLRI, a.Attrs.NextHop)
		for _, o := range a.Other {
			s += " " + o.Text
		}
	}
	return s
}

func TestMalformedUpdate(t *testing.T) {
	reach := "800e1a 000201 10 20010db8000000000000000000000001 00 20 20010db8 "
	tests := []struct {
		name string
		body []byte
	}{
		{"empty", nil},
		{"withdrawn overrun", unhex(t, "0005 0000")},
		{"attributes overrun", unhex(t, "0000 0005 00")},
		{"withdrawn prefix", updateBody(unhex(t, "21 0a00000000"), nil, nil)},
		{"announced prefix", updateBody(unhex(t, "08 0a"), unhex(t, baseAttrs), unhex(t, "18 c633"))},
		{"two mp reach", updateBody(nil, unhex(t, reach+reach), nil)},
		{"two mp unreach", updateBody(nil, unhex(t, "800f03 000201 800f03 000201"), nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Config{})
			u, err := d.DecodeUpdate(tt.body, Params{})
			if !errors.Is(err, ErrUpdate) || u.Outcome != OutcomeMalformed || len(u.Withdrawn)+len(u.Announced) != 0 {
				t.Errorf("got %+v, %v", u, err)
			}
		})
	}
}

func TestSkipOther(t *testing.T) {
	body := updateBody(nil, unhex(t, "800f16 001946 0311 0000fbf000000001 00000000 20 0a000001"), nil)
	d := NewDecoder(Config{SkipOther: true})
	if u := mustDecode(t, d, body, Params{}); len(u.OtherWithdrawn) != 0 || u.EndOfRIB != 0 || d.Counters.OtherSkipped != 19 {
		t.Errorf("got %+v, %+v", u, d.Counters)
	}
}

func TestSplitMessage(t *testing.T) {
	marker := "ffffffffffffffffffffffffffffffff"
	typ, body, rest, err := SplitMessage(unhex(t, marker+"0015 03 0604 ff"))
	if typ != TypeNotification || len(body) != 2 || len(rest) != 1 || err != nil {
		t.Errorf("got %d %x %x %v", typ, body, rest, err)
	}
	for _, bad := range []string{"", marker + "0013", marker + "0012 04", marker + "0014 04"} {
		if _, _, _, err := SplitMessage(unhex(t, bad)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Routes that gobgp v3.37.0 panics over cost themselves, and are counted; those of the same message that it is not asked about stand. It is not
// shown what follows the routes in the message.
func TestPanicsOfGobgpAreContained(t *testing.T) {
	for name, tt := range map[string]struct{ family, nlri string }{
		"evpn":                 {"001946", "010700002703040404"},
		"vpls":                 {"001941", "d2"},
		"flow specification":   {"000185", "06030201040039677702050203"},
		"bgp-ls":               {"400447", "000607b6060006ee0307"},
		"mobile user plane":    {"000155", "0100030000"},
		"segment routing":      {"000149", "600601"},
		"vpn flow over ipv4":   {"000186", "26170405045f070605010305040101021f0501d90301030303000605030402b03006040322c007"},
		"ipv6 flow, cut twice": {"000285", "060a03040105070702072f3e"},
	} {
		d := NewDecoder(Config{})
		nlri := unhex(t, tt.nlri)
		reach := append(unhex(t, tt.family+"04 c0000201 00"), nlri...)
		attrs := appendAttr(unhex(t, baseAttrs), flagOptional, attrMPReach, reach)
		attrs = appendAttr(attrs, flagOptional, attrMPUnreach, append(unhex(t, tt.family), nlri...))
		u := mustDecode(t, d, updateBody(unhex(t, "08 0a"), attrs, unhex(t, prefix10)), Params{})
		if got, want := describe(u), "family-error -[10.0.0.0/8] +[198.51.100.0/24] via 192.0.2.1"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if d.Counters.Panics != 2 {
			t.Errorf("%s: %d panics, want 2", name, d.Counters.Panics)
		}
	}
}
