package bgp

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

func TestOpenRoundTrip(t *testing.T) {
	want := Open{
		ID: netip.MustParseAddr("10.0.0.1"), AS: 4200000000, HoldTime: 180, Version: 4, AS4: true,
		Families: []Family{IPv4Unicast, IPv6VPN},
		AddPath:  []AddPath{{IPv4Unicast, AddPathBoth}, {IPv6Unicast, AddPathSend}},
		Capabilities: []Capability{
			{Code: 64, Value: []byte{0x40, 0x78}}, {Code: 2, Value: []byte{}}, {Code: 200, Value: []byte("any")},
		},
	}
	typ, body, rest, err := SplitMessage(AppendOpen(nil, &want))
	if typ != TypeOpen || len(rest) != 0 || err != nil {
		t.Fatalf("type %d, %x, %v", typ, rest, err)
	}
	if got, err := DecodeOpen(body); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// Everything that the two sides agreed on can be told to others, also what does not matter here.
func TestOtherCapabilities(t *testing.T) {
	body := unhex(t, "04 fbf0 00b4 0a000001 12 0210 0200 090103 4500 4103 000000 7702 abcd")
	o, err := DecodeOpen(body)
	if !errors.Is(err, ErrOpen) {
		t.Errorf("error %v for a four-octet AS of three", err)
	}
	clear(body)
	want := []Capability{
		{2, []byte{}}, {9, []byte{3}}, {capAddPath, []byte{}}, {capAS4, []byte{0, 0, 0}}, {0x77, []byte{0xab, 0xcd}},
	}
	if !reflect.DeepEqual(o.Capabilities, want) {
		t.Errorf("got %v, want %v", o.Capabilities, want)
	}
	var names []string
	for i := range o.Capabilities {
		names = append(names, o.Capabilities[i].Name())
	}
	if want := []string{"route-refresh", "role", "add-path", "four-octet-as", "capability-119"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestAppendOpenFits(t *testing.T) {
	o := Open{ID: netip.MustParseAddr("10.0.0.1"), AS: 1, AS4: true}
	for range 3 {
		o.Capabilities = append(o.Capabilities, Capability{Code: 200, Value: make([]byte, 100)})
	}
	_, body, _, err := SplitMessage(AppendOpen(nil, &o))
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOpen(body)
	if err != nil || len(got.Capabilities) != 2 || !got.AS4 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeOpen(t *testing.T) {
	const head = "04 fbf0 00b4 0a000001 "
	tests := []struct {
		name    string
		body    string
		as      uint32
		as4     bool
		addPath int
		bad     bool
	}{
		{name: "no parameters", body: head + "00", as: 64496},
		{name: "capabilities in one parameter", body: head + "0e 020c 41040000fbf0 4504 000101 03", as: 64496, as4: true, addPath: 1},
		{name: "extended parameters", body: head + "ff ff 0009 02 0006 4104 00011170", as: 70000, as4: true},
		{name: "extended parameters, short form of length", body: head + "09 ff 0009 02 0006 4104 00011170", as: 70000, as4: true},
		{name: "unknown capability and parameter", body: head + "0a 0202 8000 0104 00000000", as: 64496},
		{name: "add-path without entries", body: head + "0a 0208 4500 41040000fbf0", as: 64496, as4: true},
		{name: "add-path broken, others stand", body: head + "0d 020b 4503 000101 41040000fbf0", as: 64496, as4: true, bad: true},
		{name: "capability overrun", body: head + "06 0204 4504 0001", as: 64496, bad: true},
		{name: "parameter overrun", body: head + "04 0208 4104", as: 64496, bad: true},
		{name: "parameters overrun", body: head + "05 0200", as: 64496, bad: true},
		{name: "cut", body: "04 fbf0", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := DecodeOpen(unhex(t, tt.body))
			if errors.Is(err, ErrOpen) != tt.bad || (err != nil) != tt.bad {
				t.Errorf("error %v", err)
			}
			if o.AS != tt.as || o.AS4 != tt.as4 || len(o.AddPath) != tt.addPath {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestAddPathNegotiation(t *testing.T) {
	open := func(e ...AddPath) *Open { return &Open{AddPath: e} }
	a := open(AddPath{IPv4Unicast, AddPathReceive}, AddPath{IPv6Unicast, AddPathBoth}, AddPath{IPv4VPN, AddPathSend})
	b := open(AddPath{IPv4Unicast, AddPathSend}, AddPath{IPv6Unicast, AddPathBoth}, AddPath{IPv4VPN, AddPathSend},
		AddPath{IPv6VPN, AddPathBoth})
	check := func(name string, got []Family, want ...Family) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	check("b to a", AddPathFrom(b, a), IPv4Unicast, IPv6Unicast)
	check("a to b", AddPathFrom(a, b), IPv6Unicast)
	check("either", AddPathEither(a, b), IPv4Unicast, IPv6Unicast, IPv4VPN)
	check("one side only", AddPathFrom(open(), a))
	check("last entry counts", AddPathFrom(open(AddPath{IPv4Unicast, AddPathSend}, AddPath{IPv4Unicast, AddPathReceive}), a))
}
