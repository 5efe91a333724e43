package glass

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
)

// Peer is a line of /devices/{device}/peers.
type Peer struct {
	Peer          string      `json:"peer"` // address; 0.0.0.0 for the Loc-RIB and the device's own routes
	Class         string      `json:"class"`
	Distinguisher string      `json:"distinguisher,omitempty"`
	Name          string      `json:"name,omitempty"` // VRF or table name
	AS            uint32      `json:"as,omitempty"`
	LocalAS       uint32      `json:"local_as,omitempty"`
	BGPID         string      `json:"bgp_id,omitempty"`
	Up            bool        `json:"up"`
	Since         string      `json:"since,omitempty"`
	Routes        int         `json:"routes"`
	Tables        []PeerTable `json:"tables"`
	Drift         []PeerDrift `json:"drift,omitempty"` // where its own count of routes is not ours
}

// PeerDrift is a view and family, or all families together, of which the device counts other routes than are held.
type PeerDrift struct {
	View    string `json:"view"`
	Family  string `json:"family"` // or all
	Ours    int    `json:"ours"`
	Theirs  uint64 `json:"theirs"`
	Since   string `json:"since"`   // of the first of these reports
	Reports int    `json:"reports"` // in a row
	Lasting bool   `json:"lasting"` // so many that it counts
}

// PeerTable is one view and family of a peer.
type PeerTable struct {
	View      string `json:"view"`
	Family    string `json:"family"`
	State     string `json:"state"`
	Routes    int    `json:"routes"`
	Stale     int    `json:"stale"`
	LastHeard string `json:"last_heard,omitempty"`
}

// Peers is /devices/{device}/peers.
type Peers struct {
	Device string `json:"device"`
	Peers  []Peer `json:"peers"`
	Next
}

func peersPage(rq *request) (answer, error) {
	after, err := afterKey[rib.PeerKey](rq)
	if err != nil {
		return nil, err
	}
	only, err := rq.addr("peer")
	if err != nil {
		return nil, err
	}
	var all []rib.PeerKey
	peers := func(d *correlate.Device) iter.Seq[rib.PeerStatus] { return d.RIB().Peers() }
	if err := each(rq, peers, func(p rib.PeerStatus) {
		if !only.IsValid() || only == p.Key.Addr {
			all = append(all, p.Key)
		}
	}); err != nil {
		return nil, err
	}
	part, more := pageOf(all, compareKeys, after, rq.limit)
	out := &Peers{Device: rq.device.String(), Peers: []Peer{}}
	for i := 0; i < len(part); {
		if err := rq.slice(func(d *correlate.Device) (steps int) {
			for ; i < len(part) && steps < sliceSteps; i++ {
				steps += lineSteps * out.add(d, part[i])
			}
			return steps
		}); err != nil {
			return nil, err
		}
	}
	out.Next, err = nextAfter(rq, part, more)
	return out, err
}

// add describes a peer and returns the number of lines it took.
func (x *Peers) add(d *correlate.Device, k rib.PeerKey) int {
	st, sources, ok := d.RIB().Peer(k)
	if !ok {
		return 1
	}
	p := Peer{
		Peer: k.Addr.String(), Class: className(k.Class), Name: st.Info.Name, AS: st.Info.AS, LocalAS: st.Info.LocalAS,
		Up: st.Up, Since: when(st.Since), Routes: st.Routes, Tables: make([]PeerTable, len(sources)),
	}
	if k.Distinguisher != 0 {
		p.Distinguisher = k.Distinguisher.String()
	}
	if st.Info.BGPID.IsValid() {
		p.BGPID = st.Info.BGPID.String()
	}
	slices.SortFunc(sources, func(a, b rib.SourceStatus) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Family.AFI, b.Family.AFI), cmp.Compare(a.Family.SAFI, b.Family.SAFI))
	})
	for i, s := range sources {
		p.Tables[i] = PeerTable{
			View: s.View.String(), Family: familyName(s.Family), State: s.State.String(), Routes: s.Routes, Stale: s.Stale,
			LastHeard: when(s.Heard),
		}
	}
	drifts := d.Drifts(k)
	for i := range drifts {
		if f := &drifts[i]; f.Reports > 0 {
			p.Drift = append(p.Drift, describeDrift(f))
		}
	}
	x.Peers = append(x.Peers, p)
	return 1 + len(sources) + len(drifts)
}

func describeDrift(f *correlate.Drift) PeerDrift {
	family := "all"
	if f.Family != (rib.Family{}) {
		family = familyName(f.Family)
	}
	return PeerDrift{
		View: f.View.String(), Family: family, Ours: f.Ours, Theirs: f.Theirs, Since: when(f.Since), Reports: f.Reports, Lasting: f.Lasting,
	}
}

// drift gives how many routes more the device counts in a table, where that lasts.
func (p *Peer) drift(t *PeerTable) string {
	for _, f := range p.Drift {
		if f.Lasting && f.View == t.View && (f.Family == t.Family || f.Family == "all") {
			return fmt.Sprintf("%+d", int64(f.Theirs)-int64(f.Ours))
		}
	}
	return "-"
}

func (x *Peers) text(w io.Writer) {
	fmt.Fprintln(w, "PEER\tCLASS\tDISTINGUISHER\tNAME\tAS\tUP\tSINCE\tVIEW\tFAMILY\tSTATE\tROUTES\tSTALE\tDRIFT")
	for i := range x.Peers {
		p := &x.Peers[i]
		head := fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%v\t%s", p.Peer, p.Class, dash(p.Distinguisher), dash(plain(p.Name)), p.AS, p.Up, dash(p.Since))
		if len(p.Tables) == 0 {
			fmt.Fprintf(w, "%s\t-\t-\t-\t0\t0\t-\n", head)
		}
		for j := range p.Tables {
			t := &p.Tables[j]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", head, t.View, t.Family, t.State, t.Routes, t.Stale, p.drift(t))
		}
	}
}

func className(c rib.PeerClass) string {
	switch c {
	case rib.ClassGlobal:
		return "global"
	case rib.ClassRD:
		return "rd"
	case rib.ClassLocal:
		return "local"
	}
	return strconv.Itoa(int(c))
}

// families are the names of the families that routes are held of.
var families = map[string]rib.Family{
	"ipv4-unicast": rib.IPv4Unicast, "ipv4-labelled": rib.IPv4Labelled, "ipv4-vpn": rib.IPv4VPN,
	"ipv6-unicast": rib.IPv6Unicast, "ipv6-labelled": rib.IPv6Labelled, "ipv6-vpn": rib.IPv6VPN,
}

func familyName(f rib.Family) string {
	for name, g := range families {
		if g == f {
			return name
		}
	}
	return fmt.Sprintf("afi-%d/safi-%d", f.AFI, f.SAFI)
}

// compareKeys orders peers by class, distinguisher and address.
func compareKeys(a, b rib.PeerKey) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Distinguisher, b.Distinguisher), a.Addr.Compare(b.Addr))
}
