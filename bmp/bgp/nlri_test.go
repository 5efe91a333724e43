package bgp

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
)

func TestAppendNLRI(t *testing.T) {
	pfx := netip.MustParsePrefix
	tests := []struct {
		name              string
		family            Family
		data              string
		addPath, withdraw bool
		prefixSID         bool
		want              []NLRI
	}{
		{name: "default route", family: IPv4Unicast, data: "00", want: []NLRI{{Prefix: pfx("0.0.0.0/0")}}},
		{
			name: "several lengths", family: IPv4Unicast, data: "08 0a 18 c00002 20 c6336401",
			want: []NLRI{{Prefix: pfx("10.0.0.0/8")}, {Prefix: pfx("192.0.2.0/24")}, {Prefix: pfx("198.51.100.1/32")}},
		},
		{name: "host bits cleared", family: IPv4Unicast, data: "14 c000ff", want: []NLRI{{Prefix: pfx("192.0.240.0/20")}}},
		{
			name: "ipv6", family: IPv6Unicast, data: "40 20010db800010002 00",
			want: []NLRI{{Prefix: pfx("2001:db8:1:2::/64")}, {Prefix: pfx("::/0")}},
		},
		{name: "host bits of ipv6 cleared", family: IPv6Unicast, data: "1d 20010dbf", want: []NLRI{{Prefix: pfx("2001:db8::/29")}}},
		{
			name: "add-path", family: IPv4Unicast, addPath: true, data: "00000001 18 c00002 ffffffff 18 c00002",
			want: []NLRI{
				{Prefix: pfx("192.0.2.0/24"), PathID: 1, HasPathID: true},
				{Prefix: pfx("192.0.2.0/24"), PathID: 0xffffffff, HasPathID: true},
			},
		},
		{
			name: "labelled", family: IPv4Labeled, data: "30 000641 c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), Label: 100, HasLabel: true}},
		},
		{
			name: "label stack, bottom kept", family: IPv4Labeled, data: "48 000640 000c81 c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), Label: 200, HasLabel: true}},
		},
		{
			name: "labelled add-path", family: IPv6Labeled, addPath: true, data: "00000007 38 000641 20010db8",
			want: []NLRI{{Prefix: pfx("2001:db8::/32"), Label: 100, HasLabel: true, PathID: 7, HasPathID: true}},
		},
		{
			name: "announcement with a placeholder for its label", family: IPv4Labeled, data: "30 800000 c00003",
			want: []NLRI{{Prefix: pfx("192.0.3.0/24"), Label: 0x80000, HasLabel: true}},
		},
		{
			name: "labelled withdrawal placeholder", family: IPv4Labeled, withdraw: true, data: "30 800000 c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24")}},
		},
		{
			name: "labelled withdrawal with zero label", family: IPv4Labeled, withdraw: true, data: "30 000000 c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24")}},
		},
		{
			name: "vpn", family: IPv4VPN, data: "70 000641 0002fbf00005000d c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), Label: 100, HasLabel: true, RD: 0x0002fbf00005000d}},
		},
		{
			name: "vpn add-path", family: IPv6VPN, addPath: true, data: "00000009 78 000641 0000fbf00000000c 20010db8",
			want: []NLRI{{
				Prefix: pfx("2001:db8::/32"), Label: 100, HasLabel: true, RD: 0xfbf00000000c, PathID: 9, HasPathID: true,
			}},
		},
		{
			name: "vpn withdrawal", family: IPv4VPN, withdraw: true, data: "70 800000 0002fbf00005000d c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), RD: 0x0002fbf00005000d}},
		},
		{
			name: "labelled withdrawal that repeats the label, no bottom of stack", family: IPv4Labeled, withdraw: true, data: "30 000640 c00003",
			want: []NLRI{{Prefix: pfx("192.0.3.0/24"), Label: 100, HasLabel: true}},
		},
		{
			name: "vpn withdrawal that repeats the label of a sid", family: IPv4VPN, withdraw: true, data: "70 e00200 0000fbf00000000c c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), Label: 0xe0020, HasLabel: true, RD: 0xfbf00000000c}},
		},
		{
			name: "srv6 label without bottom of stack", family: IPv4VPN, prefixSID: true, data: "70 e00200 0002fbf00005000d c00002",
			want: []NLRI{{Prefix: pfx("192.0.2.0/24"), Label: 0xe0020, HasLabel: true, RD: 0x0002fbf00005000d}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.want {
				tt.want[i].Family = tt.family
			}
			got, err := appendNLRI(nil, unhex(t, tt.data), tt.family, tt.addPath, tt.withdraw, tt.prefixSID)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestAppendNLRIBad(t *testing.T) {
	tests := []struct {
		name    string
		family  Family
		data    string
		addPath bool
	}{
		{name: "prefix too long", family: IPv4Unicast, data: "21 c000020100"},
		{name: "prefix cut", family: IPv4Unicast, data: "18 c000"},
		{name: "second prefix cut", family: IPv4Unicast, data: "18 c00002 18"},
		{name: "path id cut", family: IPv4Unicast, data: "000000", addPath: true},
		{name: "path id alone", family: IPv4Unicast, data: "00000001", addPath: true},
		{name: "no room for label", family: IPv4Labeled, data: "10 0006"},
		{name: "no room for rd", family: IPv4VPN, data: "30 000641 c00002"},
		{name: "vpn without anything", family: IPv4VPN, data: "00"},
		{name: "ipv4 vpn with ipv6 length", family: IPv4VPN, data: "79 000641 0000fbf00000000c 0102030405"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := []NLRI{{Label: 1}}
			got, err := appendNLRI(before, unhex(t, tt.data), tt.family, tt.addPath, false, false)
			if !errors.Is(err, ErrNLRI) || len(got) != 1 {
				t.Errorf("got %v, %v; want %v", got, err, ErrNLRI)
			}
		})
	}
}
