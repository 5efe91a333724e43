package glass

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// TestRouteFilters asks for the routes of two peers with a prefix in common, a labelled route, and routes of an earlier dump.
func TestRouteFilters(t *testing.T) {
	peer := func(n byte) *bmp.Peer {
		return &bmp.Peer{Addr: netip.AddrFrom4([4]byte{10, 0, 0, n}), BGPID: netip.AddrFrom4([4]byte{192, 0, 2, n}), AS: 65000 + uint32(n), Time: 1_700_000_000e9}
	}
	two, three := peer(2), peer(3)
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
	b = peerUp(peerUp(b, two, ""), three, "")
	b = bmp.AppendRouteMonitoring(b, two, nil, route(v4, 0, "10.1.0.0/16", "10.2.0.0/16"), attrs("10.0.0.2", 65002))
	labelled := bgp.NLRI{Prefix: netip.MustParsePrefix("10.3.0.0/16"), Family: bgp.IPv4Labeled, Label: 100, HasLabel: true}
	b = bmp.AppendRouteMonitoring(b, three, nil, append(route(v4, 0, "10.1.0.0/16"), labelled), attrs("10.0.0.3", 65003, 65010))
	two.Time += 1e9 // another BGP session, whose dump has told one of the routes again
	b = peerUp(b, two, "")
	b = bmp.AppendRouteMonitoring(b, two, nil, route(v4, 0, "10.2.0.0/16"), attrs("10.0.0.2", 65002))
	x := newWorld(t)
	x.play(t, "192.0.2.1", 1_800_000_000e9, b)
	for query, want := range map[string]string{
		"":                               "10.1.0.0/16 10.0.0.2, 10.1.0.0/16 10.0.0.3, 10.2.0.0/16 10.0.0.2, 10.3.0.0/16 10.0.0.3",
		"best=true":                      "10.1.0.0/16 10.0.0.2, 10.2.0.0/16 10.0.0.2, 10.3.0.0/16 10.0.0.3",
		"stale=true":                     "10.1.0.0/16 10.0.0.2",
		"peer=10.0.0.3":                  "10.1.0.0/16 10.0.0.3, 10.3.0.0/16 10.0.0.3",
		"peer=10.0.0.3&best=1":           "10.3.0.0/16 10.0.0.3",
		"family=ipv4-labelled":           "10.3.0.0/16 10.0.0.3",
		"family=ipv4-unicast&stale=0":    "10.1.0.0/16 10.0.0.2, 10.1.0.0/16 10.0.0.3, 10.2.0.0/16 10.0.0.2",
		"family=ipv6-unicast":            "",
		"view=loc-rib":                   "",
		"prefix=10.2.3.4&best=true":      "10.2.0.0/16 10.0.0.2",
		"prefix=10.2.0.0/15&match=exact": "",
	} {
		v, _ := pageAndNext[Routes](t, x, "/devices/192.0.2.1/routes?"+query)
		var got []string
		for _, r := range v.Routes {
			got = append(got, r.Prefix+" "+r.Peer)
		}
		slices.Sort(got)
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: got %s, want %s", query, s, want)
		}
	}
}
