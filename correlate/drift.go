package correlate

import (
	"slices"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate/rib"
)

// Drift compares how many routes a router says that a table of a peer has with how many are in the RIB. A difference is worth attention
// when it lasts: routes are on their way when a report comes, and a report may be older than the routes before it.
//
// A report is compared when the table is whole (synced, nothing stale in it), when it did not change by more than the tolerance since the
// report before, and when it is clear what the number means: a number for all families is taken only when the
// RIB has all families that the BGP session agreed on, and never beside numbers by family; one of a filtered Loc-RIB never.
type Drift struct {
	View    rib.View
	Family  rib.Family // zero: all families together
	Ours    int
	Theirs  uint64
	Time    int64 // of the last report, by our clock
	Since   int64 // of the first report of those in a row that differ, 0 when the last one did not
	Reports int   // in a row that differ in the same direction by more than the tolerance
	Lasting bool  // so many that it counts
}

// Diff is how many routes the router has more than we.
func (f *Drift) Diff() int64 { return int64(f.Theirs) - int64(f.Ours) }

// driftShare is the part of a router's count that a difference must be larger than, beside Config.DriftRoutes: in a table that never rests
// some routes are always on their way.
const driftShare = 100

// Drifts returns the last comparisons for a peer, at most one for each view and family. They are valid until the owner's next call.
func (d *Device) Drifts(peer rib.PeerKey) []Drift { return d.drift[peer] }

// Drifting returns how many tables have a lasting difference, and the largest of these.
func (d *Device) Drifting() (tables int, largest uint64) {
	for _, list := range d.drift {
		for i := range list {
			if f := &list[i]; f.Lasting {
				tables++
				largest = max(largest, magnitude(f.Diff()))
			}
		}
	}
	return tables, largest
}

func magnitude(n int64) uint64 { return uint64(max(n, -n)) }

// compare looks at the numbers of a Statistics Report.
func (c *Correlator) compare(d *Device, peer rib.PeerKey, m *bmp.Statistics, now int64) {
	if c.cfg.DriftReports < 0 {
		return
	}
	for i := range m.Stats {
		st := &m.Stats[i]
		view, ok := st.Counts(&m.Peer)
		if !ok || st.Family == 0 && byFamily(m, view) {
			continue
		}
		c.counted.BMP.DriftReports++
		ours, ok := 0, !m.Filtered()
		if ok {
			ours, ok = d.count(peer, rib.View(view), st.Family)
		}
		if !ok {
			c.counted.BMP.DriftSkipped++
			continue
		}
		c.drift(d, peer, Drift{View: rib.View(view), Family: ribFamily(st.Family), Ours: ours, Theirs: st.Value, Time: now})
	}
}

// byFamily reports whether a report has numbers by family for a view.
func byFamily(m *bmp.Statistics, view bmp.View) bool {
	return slices.ContainsFunc(m.Stats, func(st bmp.Statistic) bool {
		v, ok := st.Counts(&m.Peer)
		return ok && v == view && st.Family != 0
	})
}

// count returns how many routes we have of a peer's view and family, and whether that can be compared. Without a family it is
// the sum over those of the BGP session.
func (d *Device) count(peer rib.PeerKey, view rib.View, family bgp.Family) (n int, ok bool) {
	p, sources, known := d.rib.Peer(peer)
	if !known || p.Info.Filtered {
		return 0, false
	}
	families := p.Info.Families
	if family != 0 {
		families = []rib.Family{ribFamily(family)}
	}
	for _, f := range families {
		i := slices.IndexFunc(sources, func(s rib.SourceStatus) bool { return s.View == view && s.Family == f })
		if i < 0 || sources[i].State != rib.Synced || sources[i].Stale != 0 {
			return 0, false
		}
		n += sources[i].Routes
	}
	return n, len(families) > 0
}

// drift takes one comparison.
func (c *Correlator) drift(d *Device, peer rib.PeerKey, now Drift) {
	list := d.drift[peer]
	i := slices.IndexFunc(list, func(f Drift) bool { return f.View == now.View && f.Family == now.Family })
	if i < 0 {
		i, list = len(list), append(list, Drift{View: now.View, Family: now.Family, Ours: now.Ours})
		d.drift[peer] = list
	}
	last := &list[i]
	tolerance := max(uint64(c.cfg.DriftRoutes), now.Theirs/driftShare)
	differs := magnitude(now.Diff()) > tolerance
	changed := magnitude(int64(now.Ours)-int64(last.Ours)) > tolerance
	same := last.Reports > 0 && (now.Diff() < 0) == (last.Diff() < 0)
	switch {
	case !differs:
	case changed: // what is in a row stays as it is
		now.Since, now.Reports, now.Lasting = last.Since, last.Reports, last.Lasting
	case same:
		now.Since, now.Reports, now.Lasting = last.Since, last.Reports+1, last.Lasting
	default:
		now.Since, now.Reports = now.Time, 1
	}
	if !now.Lasting && now.Reports >= c.cfg.DriftReports {
		now.Lasting = true
		c.counted.BMP.Drifts++
		if c.cfg.Drifted != nil {
			c.cfg.Drifted(d.addr, peer, now)
		}
	}
	*last = now
}
