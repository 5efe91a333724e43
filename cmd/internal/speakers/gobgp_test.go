package speakers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// gobgpConfig: 10.2.0.0/16 is denied by the import policy. Neighbour 1 sends path identifiers, neighbour 2 does not.
const gobgpConfig = `
[global.config]
as = 65002
router-id = "192.0.2.1"
local-address-list = ["192.0.2.1"]
[global.apply-policy.config]
import-policy-list = ["deny"]
default-import-policy = "accept-route"
[[bmp-servers]]
[bmp-servers.config]
address = "192.0.2.100"
port = 1790
route-monitoring-policy = "all"
statistics-timeout = 15
[[defined-sets.prefix-sets]]
prefix-set-name = "denied"
[[defined-sets.prefix-sets.prefix-list]]
ip-prefix = "10.2.0.0/16"
masklength-range = "16..16"
[[policy-definitions]]
name = "deny"
[[policy-definitions.statements]]
name = "s"
[policy-definitions.statements.conditions.match-prefix-set]
prefix-set = "denied"
[policy-definitions.statements.actions]
route-disposition = "reject-route"
` + gobgpNeighbour1 + gobgpNeighbour2

const gobgpNeighbour1 = `
[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.11"
peer-as = 65011
[neighbors.transport.config]
passive-mode = true
local-address = "192.0.2.1"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[neighbors.afi-safis.add-paths.config]
receive = true
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv6-unicast"
`

const gobgpNeighbour2 = `
[[neighbors]]
[neighbors.config]
neighbor-address = "192.0.2.12"
peer-as = 65012
[neighbors.transport.config]
passive-mode = true
local-address = "192.0.2.1"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "l3vpn-ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "l3vpn-ipv6-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-labelled-unicast"
`

// gobgpPort is where gobgpd takes commands.
const gobgpPort = "50051"

func startGoBGP(t *testing.T) {
	t.Helper()
	conf := filepath.Join(daemons.Dir(t), "gobgp.toml")
	if err := os.WriteFile(conf, []byte(gobgpConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	p := daemons.Start(t, "gobgpd", "-f", conf, "--api-hosts", "127.0.0.1:"+gobgpPort)
	daemons.Eventually(t, "gobgpd", func() error {
		if err := p.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.Output(), `"Key":"192.0.2.12","Topic":"config"`) {
			return fmt.Errorf("it has no neighbours yet")
		}
		return nil
	})
}

func gobgp(t *testing.T, args ...string) {
	t.Helper()
	daemons.Run(t, "gobgp", append([]string{"-p", gobgpPort}, args...)...)
}

// gobgpPath is a path as gobgp -j prints it.
type gobgpPath struct {
	NLRI struct {
		Prefix string
		ID     uint32
		RD     *struct {
			Type     int
			Admin    any
			Assigned uint32
		}
	}
	Best       bool
	Withdrawal bool
	NeighborIP string `json:"neighbor-ip"`
	Attrs      []struct {
		Type        int
		Value       json.RawMessage
		Nexthop     string
		Metric      *uint32
		Communities []uint32
		ASPaths     []struct{ ASNs []uint32 } `json:"as_paths"`
	}
}

// paths reads a table of gobgp; keep chooses its paths.
func paths(t *testing.T, keep func(*gobgpPath) bool, args ...string) (list []route) {
	t.Helper()
	out, err := exec.Command("gobgp", append([]string{"-p", gobgpPort, "-j"}, args...)...).Output()
	if err != nil {
		return nil // a neighbour that is not up has no table
	}
	table := map[string][]gobgpPath{}
	if err := json.Unmarshal(out, &table); err != nil {
		t.Fatalf("gobgp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, all := range table {
		for i := range all {
			if keep(&all[i]) {
				list = append(list, all[i].route())
			}
		}
	}
	return list
}

func (p *gobgpPath) route() route {
	x := route{rd: "0:0:0", prefix: p.NLRI.Prefix}
	if rd := p.NLRI.RD; rd != nil {
		x.rd = fmt.Sprintf("%d:%v:%d", rd.Type, rd.Admin, rd.Assigned)
	}
	var texts []string
	for _, a := range p.Attrs {
		switch a.Type {
		case 1:
			x.origin = map[string]string{"0": "igp", "1": "egp", "2": "incomplete"}[string(a.Value)]
		case 2:
			var path []uint32
			for _, s := range a.ASPaths {
				path = append(path, s.ASNs...)
			}
			x.asPath = strings.Trim(fmt.Sprint(path), "[]")
		case 3, 14:
			x.nextHop = a.Nexthop
		case 4:
			x.med = fmt.Sprint(*a.Metric)
		case 8:
			slices.Sort(a.Communities)
			for _, c := range a.Communities {
				texts = append(texts, fmt.Sprintf("%d:%d", c>>16, c&0xffff))
			}
		case 16:
			var ext []struct {
				Subtype int
				Value   string
			}
			if json.Unmarshal(a.Value, &ext) == nil {
				for _, e := range ext {
					if e.Subtype == 2 {
						texts = append(texts, "rt:"+e.Value)
					}
				}
			}
		}
	}
	x.communities = strings.Join(texts, " ")
	return x
}

// adjIn is the Adj-RIB-In before policy of a neighbour, without the path identifiers, which gobgp leaves out of its JSON.
func adjIn(t *testing.T, peer, family string) []route {
	t.Helper()
	return paths(t, func(*gobgpPath) bool { return true }, "neighbor", peer, "adj-in", "-a", family)
}

// accepted is what gobgp has of a neighbour after policy, best and not.
func accepted(t *testing.T, peer, family string) []route {
	t.Helper()
	return paths(t, func(p *gobgpPath) bool { return p.NeighborIP == peer }, "global", "rib", "-a", family)
}

// best is gobgp's Loc-RIB as it tells it by BMP: the best paths.
func best(t *testing.T, family string) []route {
	t.Helper()
	return paths(t, func(p *gobgpPath) bool { return p.Best }, "global", "rib", "-a", family)
}

// noPathIDs takes the path identifiers off, which gobgp does not print as JSON.
func noPathIDs(list []route) []route {
	for i := range list {
		list[i].pathID = ""
	}
	return list
}

func TestGoBGP(t *testing.T) {
	daemons.Require(t, "ip", "gobgpd", "gobgp", "exabgp")
	if !daemons.InNamespace(t, addresses...) {
		return
	}
	telcol := startCollector(t)
	startGoBGP(t)
	one := startInjector(t, neighbour1, 65011, 65002, "send/receive",
		"announce route 10.1.0.0/16 next-hop 192.0.2.11 path-information 0.0.0.1 community [65011:1] med 10",
		"announce route 10.1.0.0/16 next-hop 192.0.2.13 path-information 0.0.0.2 community [65011:2 65011:1] med 20",
		"announce route 10.2.0.0/16 next-hop 192.0.2.11 path-information 0.0.0.7",
		"announce route 10.3.0.0/24 next-hop 192.0.2.11 path-information 0.0.0.4 as-path [65011 4200000000 64999]",
		"announce route 2001:db8:1::/48 next-hop 2001:db8::11")
	two := startInjector(t, neighbour2, 65012, 65002, "disable",
		"announce route 10.1.0.0/16 next-hop 192.0.2.12 origin egp as-path [65012 64999]",
		"announce route 10.2.0.0/16 next-hop 192.0.2.12",
		"announce route 10.4.0.0/25 next-hop 192.0.2.12",
		"announce route 10.9.0.0/24 rd 65012:9 next-hop 192.0.2.12 label 109 extended-community [target:65012:9]",
		"announce route 10.10.0.0/24 next-hop 192.0.2.12 label 110",
		"announce route 10.11.0.0/24 next-hop 192.0.2.12 label 111 as-path [65012 64999]",
		"announce route 2001:db8:9::/48 rd 65012:9 next-hop 2001:db8::12 label 119 extended-community [target:65012:9]",
		"announce route 2001:db8:a::/48 rd 65012:10 next-hop 2001:db8::12 label 119 extended-community [target:65012:10]")
	gobgp(t, "global", "rib", "add", "203.0.113.0/24", "nexthop", speakerAddr, "med", "5")
	gobgp(t, "global", "rib", "add", "-a", "vpnv4", "10.8.0.0/24", "label", "108", "rd", "65002:8", "rt", "65002:8", "nexthop", speakerAddr)
	gobgp(t, "global", "rib", "add", "-a", "vpnv6", "2001:db8:8::/48", "label", "108", "rd", "65002:8", "rt", "65002:8", "nexthop", "2001:db8::11")

	compare := func(t *testing.T, what string, n int, view, family, peer string, reported func() []route) {
		t.Helper()
		params := in("view", view, "family", family)
		if peer != "" {
			params.Set("peer", peer)
		}
		telcol.agree(t, strings.Join([]string{what, peer, view, family}, " "), n, params, reported, noPathIDs)
	}
	all := func(t *testing.T, what string, pre1, pre2, post2, locV4, mpls int) { // mpls: VPNv6 routes, and labelled ones, of neighbour 2
		t.Helper()
		compare(t, what, pre1, "adj-rib-in-pre", "ipv4-unicast", neighbour1, func() []route { return adjIn(t, neighbour1, "ipv4") })
		compare(t, what, 1, "adj-rib-in-pre", "ipv6-unicast", neighbour1, func() []route { return adjIn(t, neighbour1, "ipv6") })
		compare(t, what, 1, "adj-rib-in-post", "ipv6-unicast", neighbour1, func() []route { return accepted(t, neighbour1, "ipv6") })
		compare(t, what, pre2, "adj-rib-in-pre", "ipv4-unicast", neighbour2, func() []route { return adjIn(t, neighbour2, "ipv4") })
		compare(t, what, post2, "adj-rib-in-post", "ipv4-unicast", neighbour2, func() []route { return accepted(t, neighbour2, "ipv4") })
		compare(t, what, 1, "adj-rib-in-pre", "ipv4-vpn", neighbour2, func() []route { return adjIn(t, neighbour2, "vpnv4") })
		compare(t, what, 1, "adj-rib-in-post", "ipv4-vpn", neighbour2, func() []route { return accepted(t, neighbour2, "vpnv4") })
		compare(t, what, mpls, "adj-rib-in-pre", "ipv6-vpn", neighbour2, func() []route { return adjIn(t, neighbour2, "vpnv6") })
		compare(t, what, mpls, "adj-rib-in-post", "ipv6-vpn", neighbour2, func() []route { return accepted(t, neighbour2, "vpnv6") })
		compare(t, what, mpls, "adj-rib-in-pre", "ipv4-labelled", neighbour2, func() []route { return adjIn(t, neighbour2, "ipv4-mpls") })
		compare(t, what, mpls, "adj-rib-in-post", "ipv4-labelled", neighbour2, func() []route { return accepted(t, neighbour2, "ipv4-mpls") })
		compare(t, what, mpls, "loc-rib", "ipv4-labelled", "", func() []route { return best(t, "ipv4-mpls") })
		compare(t, what, locV4, "loc-rib", "ipv4-unicast", "", func() []route { return best(t, "ipv4") })
		compare(t, what, 1, "loc-rib", "ipv6-unicast", "", func() []route { return best(t, "ipv6") })
		compare(t, what, 2, "loc-rib", "ipv4-vpn", "", func() []route { return best(t, "vpnv4") })
		compare(t, what, 1+mpls, "loc-rib", "ipv6-vpn", "", func() []route { return best(t, "vpnv6") })
	}
	all(t, "up:", 4, 3, 2, 4, 2)
	ids, err := telcol.routes(in("view", "adj-rib-in-pre", "family", "ipv4-unicast", "peer", neighbour1, "prefix", "10.1.0.0/16"))
	if err != nil || len(ids) != 2 || ids[0].pathID+ids[1].pathID != "12" && ids[0].pathID+ids[1].pathID != "21" {
		t.Errorf("two paths with ids 1 and 2, got %v, %v", lines(ids), err)
	}
	// After policy GoBGP sends the paths of neighbour 1 without their ids, so that one of the two is left.
	daemons.Eventually(t, "routes of neighbour 1 after policy", func() error {
		post, err := telcol.routes(in("view", "adj-rib-in-post", "family", "ipv4-unicast", "peer", neighbour1))
		if err != nil || len(post) != 2 || post[0].prefix != "10.1.0.0/16" || post[1].prefix != "10.3.0.0/24" {
			return fmt.Errorf("got %v, %s", lines(post), fmt.Sprint(err))
		}
		return nil
	})
	telcol.joins(t, "10.1.2.3", "global", "hit", "10.1.0.0/16")
	telcol.joins(t, "10.2.2.3", "global", "no-prefix", "")
	telcol.joins(t, "203.0.113.9", "global", "hit", "203.0.113.0/24")
	telcol.joins(t, "10.9.0.9", "65012:9", "hit", "10.9.0.0/24")
	telcol.joins(t, "10.8.0.9", "0:65002:8", "hit", "10.8.0.0/24")
	telcol.joins(t, "10.10.0.9", "global", "hit", "10.10.0.0/24")
	telcol.joins(t, "2001:db8:9::9", "0:65012:9", "hit", "2001:db8:9::/48")
	telcol.joins(t, "2001:db8:8::9", "0:65002:8", "hit", "2001:db8:8::/48")

	one.say(t, "withdraw route 10.1.0.0/16 next-hop 192.0.2.11 path-information 0.0.0.1")
	two.say(t, "withdraw route 10.4.0.0/25 next-hop 192.0.2.12", "announce route 10.6.0.0/16 next-hop 192.0.2.12 med 6",
		"announce route 10.7.0.0/16 next-hop 192.0.2.12",
		"withdraw route 10.11.0.0/24 next-hop 192.0.2.12 label 111",
		"withdraw route 2001:db8:a::/48 rd 65012:10 next-hop 2001:db8::12 label 119")
	all(t, "changed:", 3, 4, 3, 5, 1)

	two.Kill()
	compare(t, "neighbour gone:", 3, "loc-rib", "ipv4-unicast", "", func() []route { return best(t, "ipv4") })
	telcol.peerDown(t, neighbour2)
	two.start(t)
	all(t, "neighbour back:", 3, 4, 3, 5, 1)

	telcol.understood(t)
	telcol.Stop(t)
	telcol = startCollector(t) // gobgp cannot be told to end a BMP session
	telcol.sessions(t, 1)
	all(t, "BMP session back:", 3, 4, 3, 5, 1)
	telcol.understood(t)
	telcol.Stop(t)
}
