package speakers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/collector/glass"
)

// Addresses of the namespace. All are on its loopback interface; the speaker reaches the collector from the collector's own address, which
// is therefore the device's.
const (
	speakerAddr   = "192.0.2.1"
	neighbour1    = "192.0.2.11"
	neighbour2    = "192.0.2.12"
	collectorAddr = "192.0.2.100"
	collectorPort = 1790
)

var addresses = []string{speakerAddr, neighbour1, neighbour2, collectorAddr, "2001:db8::11", "2001:db8::12"}

// collector is a telcol worker that a speaker sends BMP to.
type collector struct{ *daemons.Worker }

func startCollector(t *testing.T) *collector {
	t.Helper()
	w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout",
		"--listen-ipfix", "127.0.0.1:0", "--listen-bmp", fmt.Sprintf("%s:%d", collectorAddr, collectorPort))
	w.WaitReady(t)
	return &collector{w}
}

// ask reads a page of the looking glass.
func ask[T any](c *collector, page string, params url.Values) (v T, err error) {
	body, code, err := daemons.Get("http://" + c.HTTP + "/devices/" + collectorAddr + page + "?" + params.Encode())
	if err != nil {
		return v, err
	}
	if code != http.StatusOK {
		return v, fmt.Errorf("status %d: %s", code, body)
	}
	return v, json.Unmarshal([]byte(body), &v)
}

// route is what is compared of a route, as text in one form for all programs.
type route struct {
	rd, prefix  string
	pathID      string // "" for none
	nextHop     string
	asPath      string
	origin      string // igp, egp, incomplete
	med         string // "" for none
	communities string
}

// routes reads a view of the device, in order. Stale routes do not count.
func (c *collector) routes(params url.Values) (list []route, err error) {
	v, err := ask[glass.Routes](c, "/routes", params)
	for _, r := range v.Routes {
		x := route{
			rd: r.RD, prefix: r.Prefix, nextHop: r.NextHop, asPath: strings.Trim(fmt.Sprint(r.ASPath), "[]"), origin: r.Origin,
			communities: strings.Join(slices.Concat(r.Communities, r.ExtCommunities, r.LargeCommunities), " "),
		}
		if r.PathID != nil {
			x.pathID = fmt.Sprint(*r.PathID)
		}
		if r.MED != nil {
			x.med = fmt.Sprint(*r.MED)
		}
		if r.Stale {
			x.origin += " (stale)"
		}
		list = append(list, x)
	}
	return sorted(list), err
}

func sorted(list []route) []route {
	slices.SortFunc(list, func(a, b route) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

// agree waits until what is compared of a view of the device is what the speaker reports, which must be so many routes.
func (c *collector) agree(t *testing.T, what string, n int, view url.Values, reported func() []route, compared func([]route) []route) {
	t.Helper()
	daemons.Eventually(t, what, func() error {
		want := sorted(reported())
		got, err := c.routes(view)
		if err != nil {
			return err
		}
		if got = sorted(compared(got)); !slices.Equal(got, want) || len(want) != n {
			return fmt.Errorf("telcol shows %d routes, the speaker %d, of %d\n%v\n%v", len(got), len(want), n, lines(got), lines(want))
		}
		return nil
	})
	t.Logf("%s: %d routes agree", what, n)
}

func lines(list []route) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "  %+v\n", r)
	}
	return b.String()
}

// in makes the parameters of a view.
func in(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// peer reads the state of a BMP peer.
func (c *collector) peer(t *testing.T, addr string) (up bool, routes int) {
	t.Helper()
	v, err := ask[glass.Peers](c, "/peers", in("peer", addr))
	if err != nil || len(v.Peers) != 1 {
		t.Fatalf("peer %s: %+v, %v", addr, v, err)
	}
	return v.Peers[0].Up, v.Peers[0].Routes
}

// peerDown waits until a BMP peer is down and its routes are gone. Speakers tell that and withdraw best routes in no certain order.
func (c *collector) peerDown(t *testing.T, addr string) {
	t.Helper()
	daemons.Eventually(t, "peer down", func() error {
		if up, n := c.peer(t, addr); up || n != 0 {
			return fmt.Errorf("up %v with %d routes", up, n)
		}
		return nil
	})
}

// joins waits until a flow to an address would be joined like this.
func (c *collector) joins(t *testing.T, address, vrf, join, prefix string) {
	t.Helper()
	daemons.Eventually(t, "lookup of "+address+" in "+vrf, func() error {
		v, err := ask[glass.Lookup](c, "/lookup", in("address", address, "vrf", vrf))
		if err != nil || len(v.Answers) != 1 {
			return fmt.Errorf("%+v, %s", v, fmt.Sprint(err))
		}
		got := ""
		if a := v.Answers[0]; a.Route != nil {
			got = a.Route.Prefix
		}
		if v.Answers[0].Join != join || got != prefix {
			return fmt.Errorf("got %s %s, want %s %s", v.Answers[0].Join, got, join, prefix)
		}
		return nil
	})
}

// understood checks that nothing of what the speaker has said was refused, and that its own counts are those of the tables.
func (c *collector) understood(t *testing.T) {
	t.Helper()
	for _, name := range []string{"telcol_bmp_refused_total", "telcol_bmp_unknown_peer_types_total", "telcol_bmp_drifts_total"} {
		if n := c.Metric(t, name); n != 0 {
			t.Errorf("%s is %v", name, n)
		}
	}
	if all, ok := c.Metric(t, "telcol_bmp_updates_total"), c.Metric(t, "telcol_bmp_updates_total", "outcome", "ok"); all != ok || ok == 0 {
		t.Errorf("%v of %v updates are in order", ok, all)
	}
}

// sessions waits for a number of open BMP sessions.
func (c *collector) sessions(t *testing.T, n int) {
	t.Helper()
	daemons.Eventually(t, fmt.Sprintf("%d BMP sessions", n), func() error {
		v, err := ask[glass.DeviceDetail](c, "", nil)
		if err == nil && v.Sessions != n {
			err = fmt.Errorf("%d sessions", v.Sessions)
		}
		return err
	})
}
