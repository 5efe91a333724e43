package bgp

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestAttributes(t *testing.T) {
	addr := netip.MustParseAddr
	base := Attributes{
		NextHop: addr("192.0.2.1"), ASPath: []uint32{64496, 64497}, PathLength: 2, HasOrigin: true, HasASPath: true,
	}
	with := func(f func(a *Attributes)) Attributes {
		a := base
		f(&a)
		return a
	}
	tests := []struct {
		name  string
		attrs string
		width ASWidth
		want  Attributes
	}{
		{name: "mandatory only", attrs: baseAttrs, want: base},
		{
			name: "med and local pref", attrs: baseAttrs + "800404 0000000a 400504 000000c8",
			want: with(func(a *Attributes) { a.MED, a.HasMED, a.LocalPref, a.HasLocalPref = 10, true, 200, true }),
		},
		{
			name: "communities sorted, no duplicates", attrs: baseAttrs + "c0080c fbf00002 fbf00001 fbf00002",
			want: with(func(a *Attributes) { a.Communities = []uint32{0xfbf00001, 0xfbf00002} }),
		},
		{
			name:  "extended communities keep unknown types and all bits",
			attrs: baseAttrs + "c01018 8899aabbccddeeff 0002fbf000000001 4004fbf0 7f800001",
			want: with(func(a *Attributes) {
				a.ExtCommunities = []uint64{0x0002fbf000000001, 0x4004fbf07f800001, 0x8899aabbccddeeff}
			}),
		},
		{
			name: "large communities", attrs: baseAttrs + "c02018 0000fbf0 00000002 00000001 0000fbf0 00000001 00000002",
			want: with(func(a *Attributes) { a.LargeCommunities = [][3]uint32{{64496, 1, 2}, {64496, 2, 1}} }),
		},
		{
			name: "route reflection", attrs: baseAttrs + "800904 0a000001 800a08 0a000002 0a000003",
			want: with(func(a *Attributes) {
				a.OriginatorID = addr("10.0.0.1")
				a.ClusterList, a.ClusterLength = []uint32{0x0a000002, 0x0a000003}, 2
			}),
		},
		{
			name: "aggregator", attrs: baseAttrs + "400600 c00708 0000fbf2 0a000009",
			want: with(func(a *Attributes) {
				a.AtomicAggregate, a.AggregatorAS, a.Aggregator = true, 64498, addr("10.0.0.9")
			}),
		},
		{
			name: "aigp, unknown tlv first", attrs: baseAttrs + "801a0f 07 0004 ff 01 000b 0000000000000064",
			want: with(func(a *Attributes) { a.AIGP, a.HasAIGP = 100, true }),
		},
		{
			name: "only to customer", attrs: baseAttrs + "c02304 0000fbf1",
			want: with(func(a *Attributes) { a.OTC, a.HasOTC = 64497, true }),
		},
		{
			name: "label index, originator srgb skipped", attrs: baseAttrs + "c02815 01 0007 00 0000 0000002a 03 0008 0000 003e80001f40",
			want: with(func(a *Attributes) { a.LabelIndex, a.HasLabelIndex = 42, true }),
		},
		{
			name: "srv6 sid with structure",
			attrs: baseAttrs + "c02825 05 0022 00 01 001e 00 20010db8009100000000000000000000 00 003f 00" +
				" 01 0006 201010001030",
			want: with(func(a *Attributes) {
				a.SRv6SIDs = []SRv6SID{{
					Addr: addr("2001:db8:91::"), Behavior: 63, BlockLength: 32, NodeLength: 16, FunctionLength: 16,
					TranspositionLength: 16, TranspositionOffset: 48,
				}}
			}),
		},
		{
			name: "srv6 sub-tlv and sub-sub-tlv of unknown types are skipped",
			attrs: baseAttrs + "c0282a 05 0027 00 63 0002 abcd 01 001e 00 20010db8009100000000000000000000 00 003f 00" +
				" 63 0006 000000000000",
			want: with(func(a *Attributes) {
				a.SRv6SIDs = []SRv6SID{{Addr: addr("2001:db8:91::"), Behavior: 63}}
			}),
		},
		{
			name:  "srv6 l2 service without structure",
			attrs: baseAttrs + "c0281c 06 0019 00 01 0015 00 20010db8009100000000000000000000 00 0017 00",
			want: with(func(a *Attributes) {
				a.SRv6SIDs = []SRv6SID{{Addr: addr("2001:db8:91::"), Behavior: 23, L2: true}}
			}),
		},
		{
			name: "unknown attributes are kept", attrs: baseAttrs + "e0c803 010203 d0c9 0001 ff",
			want: with(func(a *Attributes) {
				a.Unknown = []RawAttr{{0xe0, 200, []byte{1, 2, 3}}, {0xd0, 201, []byte{0xff}}}
			}),
		},
		{
			name:  "as set and confederation",
			attrs: "400101 02 40021a 0302 0000fde8 0000fde9 0201 0000fbf0 0102 00000001 00000002 400304 c0000201",
			want: with(func(a *Attributes) {
				a.Origin, a.ASPath, a.ASSet, a.PathLength = 2, []uint32{64496}, []uint32{1, 2}, 2
			}),
		},
		{
			name: "empty as path", attrs: "400101 00 400200 400304 c0000201",
			want: with(func(a *Attributes) { a.ASPath, a.PathLength = nil, 0 }),
		},
		{
			name: "two-octet path with as4_path", width: AS2,
			attrs: "400101 00 400208 0203 fbf0 5ba0 5ba0 400304 c0000201 c0110a 0202 00011170 00011171",
			want:  with(func(a *Attributes) { a.ASPath, a.PathLength = []uint32{64496, 70000, 70001}, 3 }),
		},
		{
			name: "as4_aggregator replaces AS_TRANS", width: AS2,
			attrs: "400101 00 400204 0201 fbf0 400304 c0000201 c00706 5ba0 0a000009 c01208 00011170 0a000008",
			want: with(func(a *Attributes) {
				a.ASPath, a.PathLength = []uint32{64496}, 1
				a.AggregatorAS, a.Aggregator = 70000, addr("10.0.0.8")
			}),
		},
		{
			name: "an aggregator that is not AS_TRANS makes AS4 attributes void", width: AS2,
			attrs: "400101 00 400206 0202 fbf0 5ba0 400304 c0000201 c00706 fbf1 0a000009 c01208 00011170 0a000008" +
				" c01106 0201 00011170",
			want: with(func(a *Attributes) {
				a.ASPath, a.PathLength = []uint32{64496, asTrans}, 2
				a.AggregatorAS, a.Aggregator = 64497, addr("10.0.0.9")
			}),
		},
		{
			name: "as4_aggregator without aggregator", width: AS2,
			attrs: "400101 00 400208 0203 fbf0 5ba0 5ba0 400304 c0000201 c01208 00011170 0a000008 c0110a 0202 00011170 00011171",
			want:  with(func(a *Attributes) { a.ASPath, a.PathLength = []uint32{64496, 70000, 70001}, 3 }),
		},
		{
			name: "the first metric of aigp counts", attrs: baseAttrs + "801a16 01 000b 0000000000000064 01 000b 0000000000000065",
			want: with(func(a *Attributes) { a.AIGP, a.HasAIGP = 100, true }),
		},
		{
			name: "as4_path is void beside four octets", attrs: baseAttrs + "c01106 0201 00011170", width: AS4, want: base,
		},
		{
			name:  "two-octet segment of more than 127",
			attrs: "400101 00 5002 0192 02c8 " + repeat("fbf0", 200) + "400304 c0000201", width: AS2,
			want: with(func(a *Attributes) { a.ASPath, a.PathLength = fill(64496, 200), 200 }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Config{})
			u := mustDecode(t, d, updateBody(nil, unhex(t, tt.attrs), unhex(t, prefix10)), Params{ASWidth: tt.width})
			if u.Outcome != OutcomeOK {
				t.Fatalf("outcome %v", u.Outcome)
			}
			if len(u.Announced) != 1 {
				t.Fatalf("announced %+v", u)
			}
			if got := plain(u.Announced[0].Attrs); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if d.Counters.Panics != 0 {
				t.Errorf("%d panics of gobgp", d.Counters.Panics)
			}
		})
	}
}

func repeat(s string, n int) string {
	var out string
	for range n {
		out += s
	}
	return out
}

func fill(v uint32, n int) []uint32 {
	l := make([]uint32, n)
	for i := range l {
		l[i] = v
	}
	return l
}

func TestErrorHandling(t *testing.T) {
	tests := []struct {
		name  string
		attrs string
		want  Outcome
	}{
		{name: "origin of two octets", attrs: "400102 0000 400200 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "origin value", attrs: "400101 03 400200 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "origin missing", attrs: "400200 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "as path missing", attrs: "400101 00 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "next hop missing", attrs: "400101 00 400200", want: OutcomeOK},
		{name: "as path segment type", attrs: "400101 00 400206 0901 0000fbf0 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "as path segment empty", attrs: "400101 00 400202 0200 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "as path overrun", attrs: "400101 00 400204 0203 fbf0 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "next hop length", attrs: "400101 00 400200 400303 c00002", want: OutcomeTreatWithdraw},
		{name: "next hop of ipv6", attrs: "400101 00 400200 400310 20010db8000000000000000000000001", want: OutcomeTreatWithdraw},
		{name: "communities empty", attrs: baseAttrs + "c00800", want: OutcomeTreatWithdraw},
		{name: "extended communities empty", attrs: baseAttrs + "c01000", want: OutcomeTreatWithdraw},
		{name: "large communities empty", attrs: baseAttrs + "c02000", want: OutcomeTreatWithdraw},
		{name: "cluster list empty", attrs: baseAttrs + "800a00", want: OutcomeTreatWithdraw},
		{name: "aigp empty", attrs: baseAttrs + "801a00", want: OutcomeDiscard},
		{name: "as4_path empty", attrs: baseAttrs + "c01100", want: OutcomeDiscard},
		{name: "prefix-sid empty", attrs: baseAttrs + "c02800", want: OutcomeDiscard},
		{name: "unknown attribute empty", attrs: baseAttrs + "c0c800", want: OutcomeOK},
		{name: "med length", attrs: baseAttrs + "800403 000001", want: OutcomeTreatWithdraw},
		{name: "local pref length", attrs: baseAttrs + "400503 000001", want: OutcomeTreatWithdraw},
		{name: "communities length", attrs: baseAttrs + "c00803 fbf000", want: OutcomeTreatWithdraw},
		{name: "extended communities length", attrs: baseAttrs + "c01007 00000000000000", want: OutcomeTreatWithdraw},
		{name: "large communities length", attrs: baseAttrs + "c02008 0000000000000000", want: OutcomeTreatWithdraw},
		{name: "cluster list length", attrs: baseAttrs + "800a03 000001", want: OutcomeTreatWithdraw},
		{name: "originator length", attrs: baseAttrs + "800903 000001", want: OutcomeTreatWithdraw},
		{name: "only to customer length", attrs: baseAttrs + "c02303 000001", want: OutcomeTreatWithdraw},
		{name: "flags", attrs: "800101 00 400200 400304 c0000201", want: OutcomeTreatWithdraw},
		{name: "flags of an attribute that would be discarded", attrs: baseAttrs + "400708 0000fbf2 0a000009", want: OutcomeTreatWithdraw},
		{name: "only to customer flags", attrs: baseAttrs + "802304 0000fbf1", want: OutcomeTreatWithdraw},
		{name: "atomic aggregate with value", attrs: baseAttrs + "400601 00", want: OutcomeDiscard},
		{name: "aggregator length", attrs: baseAttrs + "c00705 0000000000", want: OutcomeDiscard},
		{name: "aigp cut", attrs: baseAttrs + "801a04 01 000b 00", want: OutcomeDiscard},
		{name: "aigp tlv length zero", attrs: baseAttrs + "801a04 01 0000 00", want: OutcomeDiscard},
		{name: "prefix-sid cut", attrs: baseAttrs + "c02804 05 0022 00", want: OutcomeDiscard},
		{name: "prefix-sid service empty", attrs: baseAttrs + "c02803 05 0000", want: OutcomeDiscard},
		{name: "prefix-sid sid cut", attrs: baseAttrs + "c02808 05 0005 00 01 0001 00", want: OutcomeDiscard},
		{name: "prefix-sid label index too long", attrs: baseAttrs + "c0280b 01 0008 00 0000 0000002a 00", want: OutcomeDiscard},
		{
			name: "prefix-sid structure too short", want: OutcomeDiscard,
			attrs: baseAttrs + "c02824 05 0021 00 01 001d 00 20010db8009100000000000000000000 00 003f 00 01 0005 2010100010",
		},
		{name: "as4_path garbage", attrs: baseAttrs + "c01103 020100", want: OutcomeDiscard},
		{name: "duplicate", attrs: baseAttrs + "400101 01", want: OutcomeDiscard},
		{name: "last attribute overruns", attrs: baseAttrs + "c00808 fbf00001", want: OutcomeTreatWithdraw},
		{name: "attribute header cut", attrs: baseAttrs + "c008", want: OutcomeTreatWithdraw},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(Config{})
			for range 2 { // the second time from the cache
				u := mustDecode(t, d, updateBody(nil, unhex(t, tt.attrs), unhex(t, prefix10)), Params{})
				if u.Outcome != tt.want {
					t.Fatalf("outcome %v, want %v", u.Outcome, tt.want)
				}
				if gone := tt.want == OutcomeTreatWithdraw; gone != (len(u.Withdrawn) == 1) || gone == (len(u.Announced) == 1) {
					t.Errorf("withdrawn %v, announced %v", u.Withdrawn, u.Announced)
				}
			}
			if d.Counters.Outcomes[tt.want] != 2 || d.Counters.Panics != 0 {
				t.Errorf("outcomes %v, %d panics of gobgp", d.Counters.Outcomes, d.Counters.Panics)
			}
		})
	}
}

func TestFirstOfDuplicatesCounts(t *testing.T) {
	d := NewDecoder(Config{})
	u := mustDecode(t, d, updateBody(nil, unhex(t, baseAttrs+"400504 00000001 400504 00000002"), unhex(t, prefix10)), Params{})
	if a := u.Announced[0].Attrs; a.LocalPref != 1 || a.Outcome() != OutcomeDiscard {
		t.Errorf("local pref %d, outcome %v", a.LocalPref, a.Outcome())
	}
}

func TestRawAttrText(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  RawAttr
		want string
	}{
		{"tunnel encapsulation", RawAttr{0xc0, 23, []byte{0, 8, 0, 0}}, "{TunnelEncap: }"},
		{"gobgp panics", RawAttr{0xc0, 40, []byte{5, 0, 5, 0, 99, 0, 1, 0}}, ""},
	} {
		if got := tt.raw.Text(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
