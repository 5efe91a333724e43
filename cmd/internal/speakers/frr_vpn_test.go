package speakers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// vpnRoute is a VPN route as FRR lists it. Received routes and accepted ones name the same things differently.
type vpnRoute struct {
	NextHop       string
	NextHopGlobal string
	Nexthops      []struct{ IP string }
	Path          string
	BGPOriginCode string
	Origin        string
}

// vpnTable is a list of VPN routes by route distinguisher and prefix. Among the prefixes of a distinguisher FRR puts the distinguisher itself.
type vpnTable map[string]map[string]json.RawMessage

// vpnReceived is the Adj-RIB-In of VPN routes before policy.
func (f *frr) vpnReceived(t *testing.T, afi, peer string) (list []route) {
	t.Helper()
	v := show[struct{ ReceivedRoutes vpnTable }](t, f, fmt.Sprintf("show bgp %s vpn neighbors %s received-routes json", afi, peer))
	v.ReceivedRoutes.each(t, func(rd, prefix string, raw json.RawMessage) {
		var r vpnRoute
		unmarshal(t, raw, &r)
		list = append(list, route{
			rd: "0:" + rd, prefix: prefix, nextHop: r.NextHop + r.NextHopGlobal, asPath: sentPath(r.Path),
			origin: map[string]string{"i": "igp", "e": "egp", "?": "incomplete"}[r.BGPOriginCode],
		})
	})
	return list
}

// vpnAccepted is the Adj-RIB-In of VPN routes after policy, with their route targets.
func (f *frr) vpnAccepted(t *testing.T, afi, peer string) (list []route) {
	t.Helper()
	v := show[struct {
		Routes struct{ RouteDistinguishers vpnTable }
	}](t, f, fmt.Sprintf("show bgp %s vpn neighbors %s routes json", afi, peer))
	v.Routes.RouteDistinguishers.each(t, func(rd, prefix string, raw json.RawMessage) {
		var paths []vpnRoute
		unmarshal(t, raw, &paths)
		for _, r := range paths {
			list = append(list, route{
				rd: "0:" + rd, prefix: prefix, nextHop: r.Nexthops[0].IP, asPath: sentPath(r.Path), origin: strings.ToLower(r.Origin),
				communities: f.targets(t, afi, rd, prefix),
			})
		}
	})
	return list
}

// targets are the extended communities of a route.
func (f *frr) targets(t *testing.T, afi, rd, prefix string) string {
	t.Helper()
	v := show[map[string]struct {
		Paths []struct {
			ExtendedCommunity struct{ String string }
		}
	}](t, f, fmt.Sprintf("show bgp %s vpn rd %s %s json", afi, rd, prefix))
	if len(v[rd].Paths) != 1 {
		return "" // withdrawn in between
	}
	return strings.ToLower(v[rd].Paths[0].ExtendedCommunity.String)
}

func (v vpnTable) each(t *testing.T, f func(rd, prefix string, raw json.RawMessage)) {
	t.Helper()
	for rd, routes := range v {
		for prefix, raw := range routes {
			if prefix != "rd" {
				f(rd, prefix, raw)
			}
		}
	}
}

func unmarshal(t *testing.T, raw json.RawMessage, v any) {
	t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
}

// agreeVPN compares the VPN routes of neighbour 2. FRR 8.4 writes label 0 for all of them in BMP, so labels are not compared.
func (c *collector) agreeVPN(t *testing.T, f *frr, afi string, n int) {
	t.Helper()
	family := afi + "-vpn"
	c.agree(t, "adj-rib-in-pre "+family, n, viewOf("adj-rib-in-pre", family, neighbour2),
		func() []route { return f.vpnReceived(t, afi, neighbour2) }, func(list []route) []route {
			for i := range list {
				list[i].communities = "" // FRR does not show them there
			}
			return list
		})
	c.agree(t, "adj-rib-in-post "+family, n, viewOf("adj-rib-in-post", family, neighbour2),
		func() []route { return f.vpnAccepted(t, afi, neighbour2) }, func(list []route) []route { return list })
}
