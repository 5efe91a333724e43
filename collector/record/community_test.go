package record

import (
	"fmt"
	"regexp"
	"testing"
)

// extCommunityTexts names one community of every form, and neighbours of them that must stay unnamed.
var extCommunityTexts = []struct {
	value uint64
	text  string
}{
	{0x0002_fbf1_00000001, "rt:64497:1"},
	{0x0002_0000_00000000, "rt:0:0"},
	{0x0002_ffff_ffffffff, "rt:65535:4294967295"},
	{0x0102_c0000201_0007, "rt:192.0.2.1:7"},
	{0x0202_fbf1fbf1_0001, "rt:4226939889:1"},
	{0x0003_fbf0_00000047, "soo:64496:71"},
	{0x0103_c0000201_0007, "soo:192.0.2.1:7"},
	{0x0203_00010000_ffff, "soo:65536:65535"},
	{0x0005_0000_0000000a, "ospf-domain:0:10"},
	{0x0105_0a000001_0200, "ospf-domain:10.0.0.1:512"},
	{0x0205_00010000_0200, "ospf-domain:65536:512"},
	{0x0107_0a000001_0000, "ospf-router:10.0.0.1:0"},
	{0x0009_fbf0_00000000, "source-as:64496:0"},
	{0x0209_00010000_0000, "source-as:65536:0"},
	{0x010b_0a000001_0003, "vrf-import:10.0.0.1:3"},
	{0x0306_00000000_0501, "ospf-route:0.0.0.0:5:1"},
	{0x030b_0000_00000064, "color:100"},
	{0x030b_4000_00000064, "color:1:100"},
	{0x030b_c000_00000064, "color:3:100"},
	{0x030c_00000000_0008, "encap:8"},
	{0x0603_0050569a1b2c, "router-mac:00:50:56:9a:1b:2c"},
	{0x4004_fbf0_4cee6b28, "link-bandwidth:64496:125000000"},
	{0x4004_fbf0_00000000, "link-bandwidth:64496:0"},
	{0x4300_00000000_0002, "validation:2"},

	{0x0007_fbf0_00000001, "0x0007fbf000000001"}, // no OSPF router id of an AS
	{0x000b_fbf0_00000001, "0x000bfbf000000001"},
	{0x0109_0a000001_0003, "0x01090a0000010003"},
	{0x0004_fbf0_00000001, "0x0004fbf000000001"},
	{0x00ff_fbf0_00000001, "0x00fffbf000000001"},
	{0x030b_0001_00000064, "0x030b000100000064"}, // reserved bit
	{0x030c_00000001_0008, "0x030c000000010008"},
	{0x030d_00000000_0000, "0x030d000000000000"},
	{0x0600_00000000_0001, "0x0600000000000001"},
	{0x4002_fbf0_00000001, "0x4002fbf000000001"}, // a route target is transitive
	{0x4004_fbf0_7fc00000, "0x4004fbf07fc00000"}, // not a number
	{0x4004_fbf0_7f800000, "0x4004fbf07f800000"}, // infinite
	{0x4004_fbf0_cc000000, "0x4004fbf0cc000000"}, // negative
	{0x4300_00000001_0002, "0x4300000000010002"},
	{0x8006_0000_00000000, "0x8006000000000000"},
	{0xffff_ffffffff_ffff, "0xffffffffffffffff"},
}

func TestExtCommunityText(t *testing.T) {
	for _, tc := range extCommunityTexts {
		if got := string(AppendExtCommunity(nil, tc.value)); got != tc.text {
			t.Errorf("%#016x: got %s, want %s", tc.value, got, tc.text)
		}
	}
}

func TestCommunityText(t *testing.T) {
	for value, want := range map[uint32]string{
		0xfbf0012b: "64496:299",
		0:          "0:0",
		0xffffff00: "65535:65280",
		0xffffff01: "no-export",
		0xffffff02: "no-advertise",
		0xffffff03: "no-export-subconfed",
		0xffffff04: "65535:65284",
		0xffff029a: "blackhole",
		0xffffffff: "65535:65535",
	} {
		if got := string(AppendCommunity(nil, value)); got != want {
			t.Errorf("%#08x: got %s, want %s", value, got, want)
		}
	}
	if got := string(AppendLargeCommunity(nil, [3]uint32{64496, 1, 1<<32 - 1})); got != "64496:1:4294967295" {
		t.Errorf("large community: got %s", got)
	}
}

func TestExtCommunityTextsAppearOnce(t *testing.T) {
	twoOctets, fourOctets, other := uint64(0x0002_fbf1_00000001), uint64(0x0202_0000fbf1_0001), uint64(0x0202_0000fbf1_0002)
	k := newKey(`"c":`)
	got := string(appendExtCommunities(nil, &k, []uint64{twoOctets, fourOctets, other}))
	if want := `"c":["rt:64497:1","rt:64497:2"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzExtCommunity checks that every community has a text of one of the documented forms, that two communities of a
// type never share one, and that it needs no escaping.
func FuzzExtCommunity(f *testing.F) {
	for _, tc := range extCommunityTexts {
		f.Add(tc.value, tc.value^1)
	}
	form := regexp.MustCompile(`^(0x[0-9a-f]{16}|router-mac(:[0-9a-f]{2}){6}|[a-z-]+(:[0-9.]+){1,3})$`)
	f.Fuzz(func(t *testing.T, a, b uint64) {
		textA, textB := string(AppendExtCommunity(nil, a)), string(AppendExtCommunity(nil, b))
		if !form.MatchString(textA) {
			t.Errorf("%#016x: odd text %q", a, textA)
		}
		if a != b && a>>56 == b>>56 && textA == textB {
			t.Errorf("%#016x and %#016x are both %s", a, b, textA)
		}
		if len(textA) > 2 && textA[:2] == "0x" && textA != fmt.Sprintf("0x%016x", a) {
			t.Errorf("%#016x: got %s", a, textA)
		}
	})
}
