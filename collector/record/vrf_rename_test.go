package record

import (
	"net/netip"
	"testing"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// TestVRFChangesFromThenOn has a device that gives a VRF id another name and distinguisher: the flows before it keep the old, the flows
// after it have the new, through decoder, join and the encoder's caches.
func TestVRFChangesFromThenOn(t *testing.T) {
	device := netip.MustParseAddr("192.0.2.1")
	now := time.Unix(1_800_000_000, 0).UnixNano()
	e := NewEncoder(0)
	var got []map[string]any
	c, err := correlate.New(correlate.Config{VRFWait: -1, RIBWait: -1, NewWait: -1}, func(r *correlate.Record) {
		got = append(got, decode(t, e.AppendJSON(nil, r)))
	})
	if err != nil {
		t.Fatal(err)
	}
	say := func(build func(b *ipfix.Builder)) {
		t.Helper()
		var b ipfix.Builder
		b.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: now, Domain: 1})
		build(&b)
		msg, err := b.Finish()
		if err == nil {
			err = c.Message(device, msg, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	vrf := func(name string, rd uint64) {
		say(func(b *ipfix.Builder) {
			b.OptionsTemplate(257, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 8}, ipfix.Field{ID: 90, Len: 8})
			b.Set(257)
			b.Uint(7, 4)
			b.Text(name, 8)
			b.Uint(rd, 8)
		})
	}
	flow := func() {
		say(func(b *ipfix.Builder) {
			b.Template(256, ipfix.Field{ID: 234, Len: 4}, ipfix.Field{ID: 8, Len: 4}, ipfix.Field{ID: 12, Len: 4})
			b.Set(256)
			for range 2 {
				b.Uint(7, 4)
				b.Addr(netip.MustParseAddr("10.0.0.1"))
				b.Addr(netip.MustParseAddr("10.0.0.2"))
			}
		})
	}
	vrf("A", 0x0000fde8_00000001)
	flow()
	vrf("B", 0x0000fde8_00000001)
	flow()
	vrf("B", 0x0000fde8_00000002)
	flow()
	want := [][2]string{{"A", "0:65000:1"}, {"A", "0:65000:1"}, {"B", "0:65000:1"}, {"B", "0:65000:1"}, {"B", "0:65000:2"}, {"B", "0:65000:2"}}
	if len(got) != len(want) {
		t.Fatalf("got %d records", len(got))
	}
	for i, w := range want {
		if got[i]["vrf_name"] != w[0] || got[i]["ingress_vrf_name"] != w[0] || got[i]["rd"] != w[1] {
			t.Errorf("record %d: got %v, %v, %v, want %v", i, got[i]["vrf_name"], got[i]["ingress_vrf_name"], got[i]["rd"], w)
		}
	}
}
