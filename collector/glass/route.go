package glass

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/correlate/rib"
)

// Route is a route; the names and texts of its attributes are those of the record.
type Route struct {
	RD               string   `json:"rd"`
	View             string   `json:"view"`
	Peer             string   `json:"peer,omitempty"` // BGP peer, absent for Loc-RIB
	Distinguisher    string   `json:"distinguisher,omitempty"`
	Family           string   `json:"family,omitempty"`
	Prefix           string   `json:"prefix"`
	PathID           *uint32  `json:"path_id,omitempty"`
	Best             bool     `json:"best"`
	Stale            bool     `json:"stale"`
	NextHop          string   `json:"next_hop,omitempty"`
	ASPath           []uint32 `json:"as_path"`
	ASSet            []uint32 `json:"as_set,omitempty"`
	Origin           string   `json:"origin,omitempty"`
	LocalPref        *uint32  `json:"local_pref,omitempty"`
	MED              *uint32  `json:"med,omitempty"`
	OriginatorID     string   `json:"originator_id,omitempty"`
	Communities      []string `json:"communities,omitempty"`
	ExtCommunities   []string `json:"ext_communities,omitempty"`
	LargeCommunities []string `json:"large_communities,omitempty"`
	RouteTime        string   `json:"route_time,omitempty"`
}

// describeRoute makes text of a route.
func describeRoute(rt *rib.Route) Route {
	out := Route{
		RD: rt.VRF.String(), View: rt.View.String(), Family: familyName(rt.Family), Prefix: rt.Prefix.String(),
		Best: rt.Best, Stale: rt.Stale, RouteTime: when(rt.Time),
	}
	if rt.View != rib.LocRIB {
		out.Peer = rt.Peer.Addr.String()
	}
	if rt.Peer.Distinguisher != 0 {
		out.Distinguisher = rt.Peer.Distinguisher.String()
	}
	if rt.HasPathID {
		out.PathID = &rt.PathID
	}
	out.setAttrs(rt.Attrs)
	return out
}

// describeMatch makes text of the answer of a lookup. Best says how it was chosen there: by BGP's steps, not by the next hop.
func describeMatch(rd rib.RD, m *rib.Match) *Route {
	out := &Route{
		RD: rd.String(), View: m.View.String(), Prefix: m.Prefix.String(), Best: !m.ByNextHop, Stale: m.State == rib.Stale,
		RouteTime: when(m.Time),
	}
	if m.Peer.IsValid() {
		out.Peer = m.Peer.String()
	}
	if m.HasPathID {
		out.PathID = &m.PathID
	}
	out.setAttrs(m.Attrs)
	return out
}

func (x *Route) setAttrs(a *rib.Attrs) {
	x.ASPath = []uint32{}
	if a == nil {
		return
	}
	x.ASPath = append(x.ASPath, a.ASPath...)
	x.ASSet = a.ASSet
	if a.NextHop.IsValid() {
		x.NextHop = a.NextHop.String()
	}
	if a.OriginatorID.IsValid() {
		x.OriginatorID = a.OriginatorID.String()
	}
	if a.HasOrigin {
		x.Origin = originName(a.Origin)
	}
	if a.HasLocalPref {
		x.LocalPref = &a.LocalPref
	}
	if a.HasMED {
		x.MED = &a.MED
	}
	x.Communities = texts(a.Communities, record.AppendCommunity)
	x.ExtCommunities = texts(a.ExtCommunities, record.AppendExtCommunity)
	x.LargeCommunities = texts(a.LargeCommunities, record.AppendLargeCommunity)
}

func texts[T any](list []T, appendTo func([]byte, T) []byte) (out []string) {
	for _, v := range list {
		out = append(out, string(appendTo(nil, v)))
	}
	return out
}

func originName(o uint8) string {
	switch o {
	case rib.OriginIGP:
		return "igp"
	case rib.OriginEGP:
		return "egp"
	}
	return "incomplete"
}

// sizeOf estimates the octets that a route takes on a page.
func sizeOf(a *rib.Attrs) int {
	const line, number = 400, 14 // the longest texts of numbers are rare
	if a == nil {
		return line
	}
	return line + number*(len(a.ASPath)+len(a.ASSet)+len(a.Communities)+2*len(a.ExtCommunities)+3*len(a.LargeCommunities))
}

const routeHead = "\tRD\tVIEW\tPEER\tPREFIX\tPATH\tNEXT HOP\tPREF\tMED\tORIGIN\tAS PATH\tCOMMUNITIES"

// line writes a route behind routeHead: > is the best path of its prefix in its view, s is stale.
func (x *Route) line(w io.Writer) {
	flags := ""
	if x.Best {
		flags = ">"
	}
	if x.Stale {
		flags += "s"
	}
	path := make([]string, len(x.ASPath))
	for i, as := range x.ASPath {
		path[i] = strconv.FormatUint(uint64(as), 10)
	}
	all := append(append(append([]string{}, x.Communities...), x.ExtCommunities...), x.LargeCommunities...)
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", flags, x.RD, x.View, dash(x.Peer), x.Prefix, number(x.PathID),
		dash(x.NextHop), number(x.LocalPref), number(x.MED), dash(x.Origin), dash(strings.Join(path, " ")), dash(strings.Join(all, " ")))
}

func number(n *uint32) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatUint(uint64(*n), 10)
}
