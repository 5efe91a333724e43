package endtoend

import (
	"fmt"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/ipfix"
)

// TestTakeoverKeepsTheRoutesOfThen has flows come after takeovers that ended before routes were replaced, withdrawn and went with their
// peer: they are joined with the routes that the device used.
func TestTakeoverKeepsTheRoutesOfThen(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 5 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]")
	r := g.routerByHand(t, "127.1.0.1", "udp")
	r.openBMP(bgp.IPv4Unicast)
	other := r.peer
	other.Addr, other.AS = r.peer.Addr.Next(), 64498
	r.up(other, bgp.IPv4Unicast)
	r.endOfRIB(bgp.IPv4Unicast)
	p := r.peer
	r.peer = other
	r.endOfRIB(bgp.IPv4Unicast)
	r.peer = p

	// The dumps are over: what follows is valid from the time that it says, before the one when the test began: it may take any time.
	began := time.Now()
	then := func(ago time.Duration) time.Duration { return time.Since(began) + ago }
	r.route(at(p, then(50*time.Second)), "10.0.0.0/8", 0, 8)
	r.route(at(p, then(40*time.Second)), "10.1.0.0/16", 0, 100)
	r.route(at(p, then(30*time.Second)), "10.1.0.0/16", 0, 101)
	r.withdraw(at(p, then(20*time.Second)), "10.1.0.0/16")
	r.route(at(p, then(10*time.Second)), "10.1.0.0/16", 0, 102)
	r.route(at(other, then(40*time.Second)), "10.2.0.0/16", 0, 200)
	w := g.workers[0]
	daemons.Eventually(t, "the routes", func() error {
		if n := w.Metric(t, "telcol_rib_routes"); n != 3 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	r.down(other)
	daemons.Eventually(t, "the end of the other peer", func() error {
		if n := w.Metric(t, "telcol_rib_routes"); n != 2 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	g.replace(t)
	r.route(at(p, then(5*time.Second)), "10.1.0.0/16", 0, 103)
	daemons.Eventually(t, "the change", func() error {
		if n := g.workers[0].Metric(t, "telcol_rib_changes_total", "kind", "replaced"); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	g.replace(t)

	const now = -1
	r.templates()
	for _, f := range []struct {
		dst  string
		ago  time.Duration
		want string // last AS
	}{
		{"10.1.0.1", 45 * time.Second, "8"},
		{"10.1.0.1", 35 * time.Second, "100"},
		{"10.1.0.1", 25 * time.Second, "101"},
		{"10.1.0.1", 15 * time.Second, "8"},
		{"10.1.0.1", 8 * time.Second, "102"},
		{"10.1.0.1", time.Second, "103"},
		{"10.2.0.1", 45 * time.Second, "8"},
		{"10.2.0.1", 15 * time.Second, "200"},
		{"10.2.0.1", now, "8"}, // the other peer has gone
	} {
		if f.ago == now {
			r.flow(f.dst, -time.Second, 0)
		} else {
			r.flow(f.dst, then(f.ago), 0)
		}
		x := r.waitRecords(g.out, r.flows)[r.flows-1]
		path, _ := x["dst_as_path"].([]any)
		if len(path) == 0 || fmt.Sprint(path[len(path)-1]) != f.want || x.text("join_as_of") != "flow-end" {
			t.Errorf("to %s %v ago: path %v, join_as_of %v; want AS %s", f.dst, f.ago, path, x["join_as_of"], f.want)
		}
	}
	g.workers[0].Stop(t)
}

// TestRoutesOfTheTakeover tells a route and sends a flow while nobody reads either: the flow, which ended later, is joined with the route.
func TestRoutesOfTheTakeover(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 3 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]")
	r := g.routerByHand(t, "127.1.0.1", "udp")
	r.openBMP(bgp.IPv4Unicast)
	r.route(at(r.peer, time.Minute), "10.1.0.0/16", 0, 100)
	r.endOfRIB(bgp.IPv4Unicast)
	r.templates()
	r.flow("10.1.0.1", 0, 0)
	r.waitRecords(g.out, r.flows)
	for i := range uint32(5) {
		dieAt(t, g, int(i), "ae ", func() {
			for n := range 5000 { // to be read first
				r.route(at(r.peer, 0), fmt.Sprintf("10.2.%d.%d/32", n/256, n%256), 0, 101+i)
			}
			r.route(at(r.peer, 0), "10.1.0.0/16", 0, 101+i)
			r.flow("10.1.0.1", -time.Second, 0)
		})
		x := r.waitRecords(g.out, r.flows)[r.flows-1]
		path, _ := x["dst_as_path"].([]any)
		if want := fmt.Sprint(101 + i); len(path) == 0 || fmt.Sprint(path[len(path)-1]) != want {
			t.Errorf("path %v, want AS %s", path, want)
		}
	}
	g.workers[0].Stop(t)
}

// TestTakeoverOfFlowsThatWait hands over flows that wait for each thing there is to wait for, twice, with more of them in between. All are
// joined when it comes, in their order.
func TestTakeoverOfFlowsThatWait(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 5 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]", "--bmp-quiet-period", "60s", "--ipfix-vrf-wait", "60s", "--join-new-wait", "60s")
	const rd, vrf = 64496<<32 | 7, 77
	syncing, unexplained, silent := g.routerByHand(t, "127.1.0.1", "udp"), g.routerByHand(t, "127.1.0.2", "udp"), g.routerByHand(t, "127.1.0.3", "udp")
	routers := []*byHand{syncing, unexplained, silent}
	syncing.openBMP(bgp.IPv4Unicast)
	syncing.route(syncing.peer, "10.0.0.0/8", 0, 8) // the dump goes on
	unexplained.openBMP(bgp.IPv4VPN)
	unexplained.route(unexplained.peer, "10.0.0.0/8", rd, 7)
	unexplained.endOfRIB(bgp.IPv4VPN)
	daemons.Eventually(t, "the routes", func() error {
		if n := g.workers[0].Metric(t, "telcol_rib_routes"); n != 2 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	const each = 50
	for round := range 3 {
		for _, r := range routers {
			r.templates()
			for range each {
				id := uint32(0)
				if r == unexplained {
					id = vrf
				}
				r.flow("10.1.2.3", 0, id)
			}
		}
		daemons.Eventually(t, "all flows to wait", func() error {
			if n := g.workers[0].Metric(t, "telcol_join_waiting_flows"); n != float64((round+1)*each*len(routers)) {
				return fmt.Errorf("%v", n)
			}
			return nil
		})
		if round < 2 {
			g.replace(t)
		}
	}
	for _, r := range routers {
		if n := len(r.records(g.out)); n != 0 {
			t.Errorf("%s: %d records came too early", r.addr, n)
		}
	}

	syncing.route(syncing.peer, "10.1.0.0/16", 0, 9)
	syncing.endOfRIB(bgp.IPv4Unicast)
	unexplained.vrf(vrf, "customer", rd)
	silent.openBMP(bgp.IPv4Unicast)
	silent.route(silent.peer, "10.1.0.0/16", 0, 9)
	silent.endOfRIB(bgp.IPv4Unicast)
	for _, r := range routers {
		want := "9"
		if r == unexplained {
			want = "7"
		}
		rows := r.waitRecords(g.out, r.flows)
		r.checkInOrder(rows)
		for _, x := range rows {
			if path, _ := x["dst_as_path"].([]any); len(path) == 0 || fmt.Sprint(path[len(path)-1]) != want {
				t.Fatalf("%s: path %v of flow %s, want it to end in %s", r.addr, path, x.text("src_port"), want)
			}
		}
	}
	if n := g.workers[0].Metric(t, "telcol_lost_total"); n != 0 {
		t.Errorf("%v of something were lost", n)
	}
	g.workers[0].Stop(t)
}

// TestTakeoverOfConnectionsInAMessage hands over connections of IPFIX over TCP within a message, in its header and in a record. Templates belong
// to their connection: the same id means other fields in each.
func TestTakeoverOfConnectionsInAMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 5 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]", "--join-new-wait", "0s")
	plain, other := g.routerByHand(t, "127.1.0.1", "tcp"), g.routerByHand(t, "127.1.0.1", "tcp")
	plain.templates()
	other.send(other.ipfix, other.message(0, func(m *ipfix.Builder) {
		m.Template(handFlows, ipfix.Field{ID: 1, Len: 8}, ipfix.Field{ID: 11, Len: 2})
	}))
	short := func(port int) []byte {
		return other.message(1, func(m *ipfix.Builder) {
			m.Set(handFlows)
			m.Uint(99, 8)
			m.Uint(uint64(port), 2)
		})
	}
	flows := 0
	for _, cut := range []int{1, 15, 19, 30, 41} { // in the header, of the message and the set, and in the record
		whole, long := plain.flowMessage("10.1.2.3", 0, 0), plain.flowMessage("10.1.2.3", 0, 0)
		plain.send(plain.ipfix, append(whole, long[:cut]...))
		whole, small := short(flows+1), short(flows+2)
		other.send(other.ipfix, append(whole, small[:min(cut, len(small)-1)]...))
		flows += 2
		plain.waitRecords(g.out, 2*flows-2) // of both, so that the beginning of the next has been read too
		g.replace(t)
		plain.send(plain.ipfix, long[cut:])
		other.send(other.ipfix, small[min(cut, len(small)-1):])
		plain.waitRecords(g.out, 2*flows)
	}
	var fromPlain, fromOther int
	for _, x := range plain.records(g.out) {
		switch {
		case x.text("src_port") != "" && x.text("dst_addr") == "10.1.2.3" && x.text("bytes") == "1500":
			fromPlain++
		case x.text("dst_port") != "" && x.text("src_port") == "" && x.text("bytes") == "99":
			fromOther++
		default:
			t.Errorf("record %v", x)
		}
	}
	if fromPlain != flows || fromOther != flows {
		t.Errorf("%d and %d records, want %d of each", fromPlain, fromOther, flows)
	}
	w := g.workers[0]
	for name, want := range map[string]float64{"telcol_lost_total": 0, "telcol_ipfix_connections": 2, "telcol_ipfix_held_sets": 0} {
		if n := w.Metric(t, name); n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
	w.Stop(t)
}
