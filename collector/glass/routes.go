package glass

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// Routes is /devices/{device}/routes. A page may have more lines than its limit, since the paths of a prefix are never parted, and
// fewer, even none, where its bounds on size and work ended it: only a page without Next is the last.
type Routes struct {
	Device string  `json:"device"`
	Routes []Route `json:"routes"`
	Next
}

// routeFilter chooses routes.
type routeFilter struct {
	vrfs   map[rib.RD]bool // nil: all
	view   rib.View
	any    bool // of view
	peer   netip.Addr
	family rib.Family // zero: all
	best   bool
	stale  bool
}

func routesPage(rq *request) (answer, error) {
	var filter routeFilter
	var scan rib.Scan
	for _, read := range []func() error{
		func() error { return rq.readPrefix(&scan) },
		func() error { return rq.readPlace(&scan) },
		func() error { return rq.readFilter(&filter) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	scan.Want = filter.table
	var found []rib.Route
	size, steps, more := 0, 0, true
	var err error
	for more && len(found) < rq.limit && size < maxPageBytes && steps < pageSteps && err == nil {
		err = rq.slice(func(d *correlate.Device) (n int) {
			n, more = d.RIB().Scan(&scan, sliceSteps, func(rt *rib.Route) bool {
				if filter.route(rt) {
					found = append(found, *rt)
					size += sizeOf(rt.Attrs)
				}
				return len(found) < rq.limit && size < maxPageBytes
			})
			steps += n
			return n
		})
	}
	if err != nil && (!late(err) || steps == 0) {
		return nil, err
	}
	out := &Routes{Device: rq.device.String(), Routes: make([]Route, len(found))}
	for i := range found {
		out.Routes[i] = describeRoute(&found[i])
	}
	if more {
		last := ""
		if scan.Last.IsValid() {
			last = scan.Last.String()
		}
		out.Next.Next = rq.cursorAt(scan.Table, last)
	}
	return out, nil
}

// readPrefix reads what the walk is about. An address alone means what covers it.
func (rq *request) readPrefix(s *rib.Scan) error {
	text, match := rq.params.Get("prefix"), rq.params.Get("match")
	if text == "" {
		if match != "" {
			return badf("match=%s needs a prefix", match)
		}
		return nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return badf("prefix %q is neither a prefix (10.0.0.0/8) nor an address", text)
		}
		a = a.Unmap()
		p = netip.PrefixFrom(a, a.BitLen())
		if match == "" {
			match = "shorter"
		}
	}
	if p.Addr().Is4In6() {
		return badf("prefix %q is IPv4 written as IPv6, write it as IPv4", text)
	}
	s.Prefix = p.Masked()
	switch match {
	case "", "exact":
		s.Range = rib.Exact
	case "longer":
		s.Range = rib.Within
	case "shorter":
		s.Range = rib.Covering
	default:
		return badf("match %q is unknown, want exact, longer or shorter", match)
	}
	return nil
}

// readPlace puts the walk where the cursor is.
func (rq *request) readPlace(s *rib.Scan) error {
	s.Table = rq.cursor.Table
	if rq.cursor.Last == "" {
		return nil
	}
	p, err := netip.ParsePrefix(rq.cursor.Last)
	if err != nil || s.Prefix.IsValid() && !s.Prefix.Overlaps(p) {
		return badf("the cursor is damaged")
	}
	if s.Prefix.IsValid() && (s.Range == rib.Within && p.Bits() < s.Prefix.Bits() || s.Range == rib.Covering && p.Bits() > s.Prefix.Bits()) {
		return badf("the cursor is of another question")
	}
	s.Last = p.Masked()
	return nil
}

func (rq *request) readFilter(f *routeFilter) (err error) {
	if f.peer, err = rq.addr("peer"); err != nil {
		return err
	}
	if f.best, err = rq.flag("best"); err != nil {
		return err
	}
	if f.stale, err = rq.flag("stale"); err != nil {
		return err
	}
	if text := rq.params.Get("family"); text != "" {
		var ok bool
		if f.family, ok = families[text]; !ok {
			return badf("family %q is unknown, want one of %s", text, strings.Join(familyNames(), ", "))
		}
	}
	if f.view, f.any, err = rq.view(); err != nil {
		return err
	}
	if which := rq.params.Get("vrf"); which != "" {
		names, err := rq.vrfNames()
		if err != nil {
			return err
		}
		f.vrfs, err = chooseVRFs(which, names)
		return err
	}
	return nil
}

func familyNames() []string {
	var list []string
	for name := range families {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// view reads the parameter of that name; any is true without it.
func (rq *request) view() (v rib.View, any bool, err error) {
	text := rq.params.Get("view")
	if text == "" {
		return 0, true, nil
	}
	var names []string
	for v := range rib.View(rib.Views) {
		if v.String() == text {
			return v, false, nil
		}
		names = append(names, v.String())
	}
	return 0, false, badf("view %q is unknown, want one of %s", text, strings.Join(names, ", "))
}

func (f *routeFilter) table(t rib.TableStatus) bool {
	return (f.any || t.View == f.view) && (f.vrfs == nil || f.vrfs[t.VRF]) &&
		(f.family == rib.Family{} || t.IPv6 == (f.family.AFI == rib.IPv6Unicast.AFI))
}

func (f *routeFilter) route(rt *rib.Route) bool {
	return (!f.peer.IsValid() || rt.Peer.Addr == f.peer) && (f.family == rib.Family{} || rt.Family == f.family) &&
		(!f.best || rt.Best) && (!f.stale || rt.Stale)
}

func (x *Routes) text(w io.Writer) {
	fmt.Fprintln(w, routeHead)
	for i := range x.Routes {
		x.Routes[i].line(w)
	}
}
