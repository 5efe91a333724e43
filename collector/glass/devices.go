package glass

import (
	"fmt"
	"io"
	"iter"
	"net/netip"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// Device is a line of /devices.
type Device struct {
	Device   string   `json:"device"`
	Name     string   `json:"name,omitempty"`
	Sessions int      `json:"sessions"` // BMP, open
	Peers    int      `json:"peers"`
	VRFs     int      `json:"vrfs"` // with routes
	Routes   int      `json:"routes"`
	RIBState string   `json:"rib_state"`
	LastSeen string   `json:"last_seen,omitempty"`
	Marks    []string `json:"marks"` // what is out of order: drift, route-quota, attribute-quota, peer-quota
}

// Devices is /devices.
type Devices struct {
	Slot    int      `json:"slot"`
	Devices []Device `json:"devices"`
	Next
}

func describeDevice(d *correlate.Device) Device {
	n := d.RIB().Counts()
	return Device{
		Device: d.Addr().String(), Name: d.Name(), Sessions: d.Sessions(), Peers: n.Peers, VRFs: n.VRFs, Routes: n.Routes,
		RIBState: d.RIBState().String(), LastSeen: when(d.Seen()), Marks: marksOf(d),
	}
}

// marksOf names what is out of order with a device: tables that lastingly have another number of routes than it counts itself, and what it
// told beyond its quotas since its present BMP sessions began.
func marksOf(d *correlate.Device) []string {
	marks := []string{}
	if tables, _ := d.Drifting(); tables > 0 {
		marks = append(marks, "drift")
	}
	r := d.Refused()
	if r.Routes > 0 {
		marks = append(marks, "route-quota")
	}
	if r.Attrs > 0 {
		marks = append(marks, "attribute-quota")
	}
	if r.Sources > 0 {
		marks = append(marks, "peer-quota")
	}
	return marks
}

// devicesPage lists the devices by address: all addresses are gathered first, then the lines of this page.
func devicesPage(rq *request) (answer, error) {
	var after *netip.Addr
	if rq.cursor.Last != "" {
		a, err := netip.ParseAddr(rq.cursor.Last)
		if err != nil {
			return nil, badf("the cursor is damaged")
		}
		after = &a
	}
	all := []netip.Addr{}
	ask := func(f func(*correlate.Correlator) int) error { return rq.glass.slice(rq.ctx, f) }
	devices := (*correlate.Correlator).Devices
	if err := eachOf(ask, devices, func(d *correlate.Device) { all = append(all, d.Addr()) }); err != nil {
		return nil, err
	}
	part, more := pageOf(all, netip.Addr.Compare, after, rq.limit)
	out := &Devices{Slot: rq.glass.cfg.Slot, Devices: []Device{}}
	if more {
		out.Next.Next = rq.cursorAt(0, part[len(part)-1].String())
	}
	for len(part) > 0 {
		n := min(len(part), sliceSteps/lineSteps)
		if err := ask(func(c *correlate.Correlator) int {
			for _, a := range part[:n] {
				if d := c.Device(a); d != nil { // it may have been forgotten meanwhile
					out.Devices = append(out.Devices, describeDevice(d))
				}
			}
			return n * lineSteps
		}); err != nil {
			return nil, err
		}
		part = part[n:]
	}
	return out, nil
}

func (x *Devices) text(w io.Writer) {
	fmt.Fprintln(w, "DEVICE\tNAME\tSESSIONS\tPEERS\tVRFS\tROUTES\tRIB\tLAST SEEN\tMARKS")
	for i := range x.Devices {
		x.Devices[i].line(w)
	}
}

func (d *Device) line(w io.Writer) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", d.Device, dash(plain(d.Name)), d.Sessions, d.Peers, d.VRFs, d.Routes,
		d.RIBState, dash(d.LastSeen), dash(joined(d.Marks)))
}

// DeviceDetail is /devices/{device}.
type DeviceDetail struct {
	Device
	States   map[string]int `json:"table_states"` // number of peers' views and families, by state
	Stale    int            `json:"stale_routes"`
	Counters RIBCounters    `json:"counters"`
	Next
}

// RIBCounters are what happened to a device's routes since it became known.
type RIBCounters struct {
	Announced       uint64 `json:"announced"`
	Replaced        uint64 `json:"replaced"`
	Refreshed       uint64 `json:"refreshed"`
	Withdrawn       uint64 `json:"withdrawn"`
	WithdrawnAbsent uint64 `json:"withdrawn_absent"`
	Swept           uint64 `json:"swept"`
	RefusedRoutes   uint64 `json:"refused_routes"`
	RefusedAttrs    uint64 `json:"refused_attributes"`
	RefusedSources  uint64 `json:"refused_sources"`
	Invalid         uint64 `json:"invalid"`
	HistoryEvicted  uint64 `json:"history_evicted"` // earlier routes that went before their time
}

func devicePage(rq *request) (answer, error) {
	out := &DeviceDetail{States: map[string]int{}}
	sources := func(d *correlate.Device) iter.Seq[rib.SourceStatus] { return d.RIB().Sources() }
	if err := each(rq, sources, func(s rib.SourceStatus) {
		out.States[s.State.String()]++
		out.Stale += s.Stale
	}); err != nil {
		return nil, err
	}
	return out, rq.slice(func(d *correlate.Device) int {
		out.Device = describeDevice(d)
		st := d.RIB().Stats()
		out.Counters = RIBCounters{
			Announced: st.Announced, Replaced: st.Replaced, Refreshed: st.Refreshed, Withdrawn: st.Withdrawn,
			WithdrawnAbsent: st.WithdrawnAbsent, Swept: st.Swept, RefusedRoutes: st.RefusedRoutes,
			RefusedAttrs: st.RefusedAttrs, RefusedSources: st.RefusedSources, Invalid: st.Invalid, HistoryEvicted: st.HistoryEvicted,
		}
		return 1
	})
}

func (x *DeviceDetail) text(w io.Writer) {
	(&Devices{Devices: []Device{x.Device}}).text(w)
	c := &x.Counters
	fmt.Fprintf(w, "\nstale routes\t%d\n", x.Stale)
	for _, s := range []rib.State{rib.Absent, rib.Syncing, rib.Synced, rib.Stale} {
		fmt.Fprintf(w, "tables %s\t%d\n", s, x.States[s.String()])
	}
	for _, n := range []struct {
		name  string
		value uint64
	}{
		{"announced", c.Announced},
		{"replaced", c.Replaced},
		{"refreshed", c.Refreshed},
		{"withdrawn", c.Withdrawn},
		{"withdrawn, absent", c.WithdrawnAbsent},
		{"swept", c.Swept},
		{"refused routes", c.RefusedRoutes},
		{"refused attributes", c.RefusedAttrs},
		{"refused sources", c.RefusedSources},
		{"invalid", c.Invalid},
		{"history evicted", c.HistoryEvicted},
	} {
		fmt.Fprintf(w, "%s\t%d\n", n.name, n.value)
	}
}
