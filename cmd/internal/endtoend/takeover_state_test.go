package endtoend

import (
	"fmt"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/cmd/internal/daemons"
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

	// The dumps are over: what follows is valid from the time that it says.
	r.route(at(p, 50*time.Second), "10.0.0.0/8", 0, 8)
	r.route(at(p, 40*time.Second), "10.1.0.0/16", 0, 100)
	r.route(at(p, 30*time.Second), "10.1.0.0/16", 0, 101)
	r.withdraw(at(p, 20*time.Second), "10.1.0.0/16")
	r.route(at(p, 10*time.Second), "10.1.0.0/16", 0, 102)
	r.route(at(other, 40*time.Second), "10.2.0.0/16", 0, 200)
	w := g.workers[0]
	daemons.Eventually(t, 10*time.Second, "the routes", func() error {
		if n := w.Metric(t, "telcol_rib_routes"); n != 3 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	r.down(other)
	daemons.Eventually(t, 10*time.Second, "the end of the other peer", func() error {
		if n := w.Metric(t, "telcol_rib_routes"); n != 2 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	g.replace(t)
	r.route(at(p, 5*time.Second), "10.1.0.0/16", 0, 103)
	daemons.Eventually(t, 10*time.Second, "the change", func() error {
		if n := g.workers[0].Metric(t, "telcol_rib_changes_total", "kind", "replaced"); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	g.replace(t)

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
		{"10.2.0.1", -time.Second, "8"},
	} {
		r.flow(f.dst, f.ago, 0)
		x := r.waitRecords(g.out, r.flows)[r.flows-1]
		path, _ := x["dst_as_path"].([]any)
		if len(path) == 0 || fmt.Sprint(path[len(path)-1]) != f.want || x.text("join_as_of") != "flow-end" {
			t.Errorf("to %s %v ago: path %v, join_as_of %v; want AS %s", f.dst, f.ago, path, x["join_as_of"], f.want)
		}
	}
	g.workers[0].Stop(t)
}
