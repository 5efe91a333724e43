package speakers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// frrConfig: what comes from neighbour 1 is denied (10.2.0.0/16) or gets a community, neighbour 2 is left alone.
const frrConfig = `
hostname r1
ip prefix-list DENIED seq 5 permit 10.2.0.0/16
route-map IN deny 5
 match ip address prefix-list DENIED
route-map IN permit 10
 set community 65001:99 additive
router bgp 65001
 bgp router-id 192.0.2.1
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.11 remote-as 65011
 neighbor 192.0.2.11 passive
 neighbor 192.0.2.11 timers connect 1
 neighbor 192.0.2.11 disable-connected-check
 neighbor 192.0.2.12 remote-as 65012
 neighbor 192.0.2.12 passive
 neighbor 192.0.2.12 timers connect 1
 neighbor 192.0.2.12 disable-connected-check
 address-family ipv4 unicast
  network 198.51.100.0/24
  neighbor 192.0.2.11 activate
  neighbor 192.0.2.11 soft-reconfiguration inbound
  neighbor 192.0.2.11 route-map IN in
  neighbor 192.0.2.12 activate
  neighbor 192.0.2.12 soft-reconfiguration inbound
 exit-address-family
 address-family ipv6 unicast
  neighbor 192.0.2.11 activate
  neighbor 192.0.2.11 soft-reconfiguration inbound
  neighbor 192.0.2.12 activate
  neighbor 192.0.2.12 soft-reconfiguration inbound
 exit-address-family
 address-family ipv4 vpn
  neighbor 192.0.2.12 activate
  neighbor 192.0.2.12 soft-reconfiguration inbound
 exit-address-family
 address-family ipv6 vpn
  neighbor 192.0.2.12 activate
  neighbor 192.0.2.12 soft-reconfiguration inbound
 exit-address-family
 bmp targets telcol
  bmp stats interval 1000
  bmp mirror
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp monitor ipv6 unicast pre-policy
  bmp monitor ipv6 unicast post-policy
  bmp monitor ipv4 vpn pre-policy
  bmp monitor ipv4 vpn post-policy
  bmp monitor ipv6 vpn pre-policy
  bmp monitor ipv6 vpn post-policy
  bmp connect 192.0.2.100 port 1790 min-retry 100 max-retry 500
 exit
`

// frr is FRR's bgpd, without its zebra.
type frr struct {
	*daemons.Process
	dir string
}

func startFRR(t *testing.T) *frr {
	t.Helper()
	dir := daemons.Dir(t)
	conf := filepath.Join(dir, "bgpd.conf")
	if err := os.WriteFile(conf, []byte(frrConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	p := daemons.Start(t, "/usr/lib/frr/bgpd", "-n", "-Z", "-M", "bmp", "-f", conf, "-i", filepath.Join(dir, "bgpd.pid"),
		"--vty_socket", dir, "-A", "127.0.0.1", "-l", speakerAddr)
	f := &frr{p, dir}
	daemons.Eventually(t, "bgpd", func() error {
		_, err := os.Stat(filepath.Join(dir, "bgpd.vty"))
		return err
	})
	return f
}

// vtysh runs commands of one session.
func (f *frr) vtysh(t *testing.T, commands ...string) string {
	t.Helper()
	args := []string{"--vty_socket", f.dir}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return daemons.Run(t, "vtysh", args...)
}

// show reads an answer of bgpd as JSON.
func show[T any](t *testing.T, f *frr, command string) (v T) {
	t.Helper()
	out := f.vtysh(t, command)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return v
}

// sentPath is the AS path as FRR 8.4 writes it in BMP: the routes of an external peer get the router's own AS in front, as if they were sent to
// it. That is what the wire says, and what telcol must show.
func sentPath(path string) string { return strings.TrimSpace("65001 " + path) }

// received is the Adj-RIB-In before policy as FRR shows it.
func (f *frr) received(t *testing.T, afi, peer string) (list []route) {
	t.Helper()
	v := show[struct {
		ReceivedRoutes map[string]struct {
			Network       string
			NextHop       string
			NextHopGlobal string
			Metric        *int
			Path          string
			BGPOriginCode string
		}
	}](t, f, fmt.Sprintf("show bgp %s unicast neighbors %s received-routes json", afi, peer))
	for _, r := range v.ReceivedRoutes {
		x := route{
			rd: "0:0:0", prefix: r.Network, nextHop: r.NextHop + r.NextHopGlobal, asPath: sentPath(r.Path),
			origin: map[string]string{"i": "igp", "e": "egp", "?": "incomplete"}[r.BGPOriginCode],
		}
		if r.Metric != nil {
			x.med = fmt.Sprint(*r.Metric)
		}
		list = append(list, x)
	}
	return list
}

// accepted is the Adj-RIB-In after policy, route by route with its communities.
func (f *frr) accepted(t *testing.T, afi, peer string) (list []route) {
	t.Helper()
	table := show[struct{ Routes map[string]json.RawMessage }](t, f, fmt.Sprintf("show bgp %s unicast neighbors %s routes json", afi, peer))
	for prefix := range table.Routes {
		v := show[struct {
			Paths []struct {
				ASPath         struct{ String string }
				Origin         string
				Metric         *int
				Community      struct{ List []string }
				LargeCommunity struct{ List []string }
				Nexthops       []struct{ IP, Scope string }
				Peer           struct{ PeerID string }
			}
		}](t, f, fmt.Sprintf("show bgp %s unicast %s json", afi, prefix))
		for _, p := range v.Paths {
			if p.Peer.PeerID != peer {
				continue
			}
			x := route{
				rd: "0:0:0", prefix: prefix, nextHop: p.Nexthops[0].IP, asPath: sentPath(p.ASPath.String), origin: strings.ToLower(p.Origin),
				communities: strings.Join(append(p.Community.List, p.LargeCommunity.List...), " "),
			}
			if p.Metric != nil {
				x.med = fmt.Sprint(*p.Metric)
			}
			list = append(list, x)
		}
	}
	return list
}

// without drops a prefix of a list. What the policy denies is compared after policy alone: before it, FRR 8.4 sends the route when it dumps
// its tables and withdraws it when the policy has looked at it, in no certain order.
func without(list []route, prefix string) (out []route) {
	for _, r := range list {
		if r.prefix != prefix {
			out = append(out, r)
		}
	}
	return out
}

const deniedPrefix = "10.2.0.0/16"

func TestFRR(t *testing.T) {
	daemons.Require(t, "ip", "/usr/lib/frr/bgpd", "vtysh", "exabgp")
	if !daemons.InNamespace(t, addresses...) {
		return
	}
	telcol, f := startCollector(t), startFRR(t)
	one := startInjector(t, neighbour1, 65011, 65001, "disable",
		"announce route 10.1.0.0/16 next-hop 192.0.2.11 community [65011:1 65011:2] med 10 as-path [65011 64999]",
		"announce route 10.2.0.0/16 next-hop 192.0.2.11",
		"announce route 10.3.0.0/25 next-hop 192.0.2.11 origin incomplete large-community [65011:2:3]",
		"announce route 2001:db8:1::/48 next-hop 2001:db8::11")
	two := startInjector(t, neighbour2, 65012, 65001, "send/receive",
		"announce route 10.1.0.0/16 next-hop 192.0.2.12 path-information 0.0.0.1 as-path [65012 4200000000]",
		"announce route 10.4.0.0/24 next-hop 192.0.2.12 path-information 0.0.0.2 origin egp",
		"announce route 0.0.0.0/0 next-hop 192.0.2.12 path-information 0.0.0.3",
		"announce route 2001:db8:2::/64 next-hop 2001:db8::12",
		"announce route 10.9.0.0/24 rd 65012:9 next-hop 192.0.2.12 label 109 extended-community [target:65012:9]",
		"announce route 10.9.0.0/24 rd 65012:10 next-hop 192.0.2.12 label 110 extended-community [target:65012:10]",
		"announce route 10.9.1.0/24 rd 65012:9 next-hop 192.0.2.12 label 109 as-path [65012 64999] extended-community [target:65012:9]",
		"announce route 2001:db8:9::/48 rd 65012:9 next-hop 2001:db8::12 label 119 extended-community [target:65012:9]",
		"announce route 2001:db8:a::/48 rd 65012:9 next-hop 2001:db8::12 label 119 extended-community [target:65012:9]")

	compare := func(t *testing.T, peer string, pre4, post4, pre6, post6 int) {
		t.Helper()
		for _, v := range []struct {
			view, family string
			n            int
			reported     func() []route
		}{
			{"adj-rib-in-pre", "ipv4-unicast", pre4, func() []route { return without(f.received(t, "ipv4", peer), deniedPrefix) }},
			{"adj-rib-in-post", "ipv4-unicast", post4, func() []route { return f.accepted(t, "ipv4", peer) }},
			{"adj-rib-in-pre", "ipv6-unicast", pre6, func() []route { return f.received(t, "ipv6", peer) }},
			{"adj-rib-in-post", "ipv6-unicast", post6, func() []route { return f.accepted(t, "ipv6", peer) }},
		} {
			compared := func(list []route) []route { return list }
			if v.view == "adj-rib-in-pre" {
				compared = func(list []route) []route {
					list = without(list, deniedPrefix)
					for i := range list {
						list[i].communities = "" // FRR does not show them there
					}
					return list
				}
			}
			telcol.agree(t, peer+" "+v.view+" "+v.family, v.n, viewOf(v.view, v.family, peer), v.reported, compared)
		}
	}
	vpn := func(t *testing.T, v4, v6 int) {
		t.Helper()
		telcol.agreeVPN(t, f, "ipv4", v4)
		telcol.agreeVPN(t, f, "ipv6", v6)
	}
	t.Log("as the neighbours come up")
	compare(t, neighbour1, 2, 2, 1, 1)
	compare(t, neighbour2, 3, 3, 1, 1)
	vpn(t, 3, 2)
	telcol.joins(t, "10.1.2.3", "global", "hit", "10.1.0.0/16")
	telcol.joins(t, "10.2.2.3", "global", "hit", "0.0.0.0/0")
	telcol.joins(t, "198.51.100.7", "global", "hit", "198.51.100.0/24") // the router's own, from peer 0.0.0.0
	telcol.joins(t, "10.9.0.9", "0:65012:9", "hit", "10.9.0.0/24")
	telcol.joins(t, "10.9.1.9", "0:65012:10", "no-prefix", "")
	telcol.joins(t, "2001:db8:9::9", "0:65012:9", "hit", "2001:db8:9::/48")

	t.Log("withdrawal and change")
	one.say(t, "withdraw route 10.3.0.0/25 next-hop 192.0.2.11", "announce route 10.5.0.0/24 next-hop 192.0.2.11 med 7",
		"announce route 10.1.0.0/16 next-hop 192.0.2.11 med 11")
	two.say(t, "withdraw route 10.4.0.0/24 next-hop 192.0.2.12 path-information 0.0.0.2",
		"withdraw route 10.9.1.0/24 rd 65012:9 next-hop 192.0.2.12 label 109",
		"withdraw route 2001:db8:a::/48 rd 65012:9 next-hop 2001:db8::12 label 119")
	compare(t, neighbour1, 2, 2, 1, 1)
	compare(t, neighbour2, 2, 2, 1, 1)
	vpn(t, 2, 1)

	t.Log("reset of the BMP session")
	f.vtysh(t, "configure terminal", "router bgp 65001", "bmp targets telcol", "no bmp connect 192.0.2.100 port 1790 min-retry 100 max-retry 500")
	telcol.sessions(t, 0)
	if v, err := telcol.routes(in("stale", "true")); err != nil || len(v) == 0 {
		t.Errorf("after the loss of the session %d stale routes, %v", len(v), err)
	}
	f.vtysh(t, "configure terminal", "router bgp 65001", "bmp targets telcol", "bmp connect 192.0.2.100 port 1790 min-retry 100 max-retry 500")
	telcol.sessions(t, 1)
	compare(t, neighbour1, 2, 2, 1, 1)
	compare(t, neighbour2, 2, 2, 1, 1)
	vpn(t, 2, 1)

	t.Log("reset of a BGP session")
	two.Kill()
	telcol.peerDown(t, neighbour2)
	compare(t, neighbour1, 2, 2, 1, 1)
	two.start(t)
	compare(t, neighbour2, 2, 2, 1, 1)
	vpn(t, 2, 1)
	telcol.understood(t)
	if n := telcol.Metric(t, "telcol_bmp_mirrored_total", "kind", "message"); n == 0 {
		t.Error("no BGP message was mirrored")
	}
	if n := telcol.Metric(t, "telcol_bmp_statistics_total", "value", "number"); n == 0 {
		t.Error("no statistics came")
	}
	telcol.Stop(t)
}

func viewOf(view, family, peer string) url.Values {
	return in("view", view, "family", family, "peer", peer)
}
