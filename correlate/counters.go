package correlate

import (
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Counters count what the correlator did since it was made, devices that have left included.
type Counters struct {
	Quality Quality         // of the joins of all devices
	IPFIX   ipfix.Counters  // of all devices
	Options OptionsCounters // of all devices
	RIB     rib.Stats       // of all devices

	VersionUnknown map[uint16]uint64 // messages of versions that are not decoded
	TooShort       uint64            // datagrams without a version
	DeviceQuota    uint64            // messages of devices beyond Config.MaxDevices
	Malformed      uint64            // messages that ended in an error; records before the error were kept

	Held [numWaits]uint64 // flows that began to wait, by what for (WaitText gives its name); how it ended is in Quality

	BMP BMPCounters
}

// WaitText names an index of Counters.Held.
func WaitText(i int) string { return wait(i).String() }

// HoldEndText names an index of Quality.Ended.
func HoldEndText(i int) string { return holdEnd(i).String() }

// OptionsCounters count what became of entries of option tables.
type OptionsCounters struct {
	Changed uint64 // new, or told differently
	Expired uint64 // not told again in time
	Refused uint64 // over a quota
}

func (n *OptionsCounters) add(t *ipfix.Tables) {
	n.Changed += t.Changed
	n.Expired += t.Expired
	n.Refused += t.Refused
}

// Indices of Quality.Joins.
const (
	SideSrc = 0
	SideDst = 1
)

// Totals are sums over the devices of now.
type Totals struct {
	Devices     int
	WithRoutes  int // devices with at least one route
	ClocksOff   int // devices whose clock differs from ours by more than Config.ClockTolerance
	BMPSessions int
	Peers       int
	Routes      int
	AttrSets    int
	AttrBytes   int // of sets of path attributes, by Config.MaxAttrBytes
	History     int // octets of routes of the past, by Config.HistoryBytes
	Templates   int
	Options     int // entries of option tables
	HeldSets    int // data that waits for its template
	HeldBytes   int // data that waits for its template
	HeldFlows   int // flows that wait: for routes, a session or the meaning of their VRF id

	OverRoutes   int    // devices that lack routes because of their quota of routes
	OverAttrs    int    // devices that lack routes because of their quota of path attributes
	OverSources  int    // devices that lack peers because of their quota of peers
	DriftDevices int    // devices whose tables differ lastingly from what they report
	DriftTables  int    // these tables
	DriftRoutes  uint64 // the largest of the differences
}

// addRIB adds what happened to the routes of a device.
func (n *Counters) addRIB(d *Device) {
	s := d.rib.Stats()
	n.RIB.Add(&s)
}

// addBMP adds what the BMP sessions of a device have told and are marked with.
func (t *Totals) addBMP(d *Device) {
	t.Peers += d.rib.Counts().Peers
	t.AttrBytes += d.rib.AttrBytes()
	t.History += d.rib.HistoryBytes()
	r := d.Refused()
	if r.Routes > 0 {
		t.OverRoutes++
	}
	if r.Attrs > 0 {
		t.OverAttrs++
	}
	if r.Sources > 0 {
		t.OverSources++
	}
	tables, largest := d.Drifting()
	if tables > 0 {
		t.DriftDevices++
	}
	t.DriftTables += tables
	t.DriftRoutes = max(t.DriftRoutes, largest)
}
