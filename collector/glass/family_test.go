package glass

import (
	"testing"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// TestFamilyNames holds that families have one name, here and in events.
func TestFamilyNames(t *testing.T) {
	for _, f := range []bgp.Family{
		bgp.IPv4Unicast, bgp.IPv4Labeled, bgp.IPv4VPN, bgp.IPv6Unicast, bgp.IPv6Labeled, bgp.IPv6VPN, bgp.NewFamily(25, 70),
	} {
		if got := familyName(rib.Family{AFI: f.AFI(), SAFI: f.SAFI()}); got != f.String() {
			t.Errorf("got %s, want %s", got, f)
		}
	}
	if got, want := familyName(rib.Family{AFI: 1, SAFI: 4}), "ipv4-labelled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
