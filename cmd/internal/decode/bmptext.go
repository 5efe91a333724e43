package decode

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/collector/record"
	"github.com/telcol/telcol/correlate/rib"
)

func (e *bmpEvent) write(w io.Writer) {
	fmt.Fprintf(w, "%s %v > %v tcp: bmp version %d, %s, %d octets\n",
		e.Time.Format(clockLayout), e.From, e.To, e.Version, e.Type, e.Octets)
}

func (e *publishedEvent) write(w io.Writer) {
	for _, t := range e.texts {
		fmt.Fprintf(w, "    %s\n", t)
	}
	fmt.Fprintf(w, "    => %s\n", e.Event)
}

func (e *peersEvent) write(w io.Writer) {
	name := ""
	if e.Name != "" {
		name = fmt.Sprintf(", %q", e.Name)
	}
	fmt.Fprintf(w, "peers of %v%s\n", e.From, name)
	for i := range e.Rows {
		r := &e.Rows[i]
		state := "down"
		if r.Up {
			state = "up"
		}
		fmt.Fprintf(w, "  %-24s %s, AS %d, %s: %d routes announced, %d withdrawn", peerName(r.Peer, r.Distinguisher), r.RIB, r.AS, state, r.Announced, r.Withdrawn)
		if r.Table != "" {
			fmt.Fprintf(w, ", table %q", r.Table)
		}
		if len(r.EndOfRIB) > 0 {
			fmt.Fprintf(w, ", end-of-rib of %s", strings.Join(r.EndOfRIB, ", "))
		}
		fmt.Fprintln(w)
	}
	if e.Beyond > 0 {
		fmt.Fprintf(w, "  %d messages of peers beyond %d are not counted here\n", e.Beyond, maxPeerViews)
	}
}

// write writes what of the summary is about BMP.
func (e *bmpSummaryEvent) write(w io.Writer) {
	fmt.Fprintf(w, "  bmp        %d messages in %d sessions; %d routes announced, %d withdrawn, %d end-of-rib; %d route messages of peers that are not up\n",
		e.Messages, e.Sessions, e.Announced, e.Withdrawn, e.EndOfRIB, e.NoPeerUp)
}

// peerName names a peer as its routes do.
func peerName(a netip.Addr, distinguisher string) string {
	if distinguisher == "" {
		return a.String()
	}
	return a.String() + " in " + distinguisher
}

// distinguisher writes a peer distinguisher like a route distinguisher, "" for none.
func distinguisher(p *bmp.Peer) string {
	if p.Distinguisher == 0 {
		return ""
	}
	return rib.RD(p.Distinguisher).String()
}

func peerText(p *bmp.Peer) string {
	t := fmt.Sprintf("peer %s, %v, AS %d, id %v, type %d, flags %#x", peerName(p.Addr, distinguisher(p)), p.View(), p.AS, p.BGPID, p.Type, p.Flags)
	if p.Time != 0 {
		t += ", at " + time.Unix(0, p.Time).UTC().Format(clockLayout)
	}
	return t
}

func initiationText(m *bmp.Initiation) []string {
	return named(m.Strings, m.TLVs, "name", m.SysName, "description", m.SysDescr)
}

func terminationText(m *bmp.Termination) []string {
	return named(m.Strings, m.TLVs, "reason", m.ReasonText())
}

func peerUpText(m *bmp.PeerUp) []string {
	list := []string{fmt.Sprintf("local %v port %d, remote port %d", m.LocalAddr, m.LocalPort, m.RemotePort)}
	if m.Renewed {
		list = append(list, "was up: its routes are told again")
	}
	list = append(list, openText("sent", &m.Sent), openText("received", &m.Received))
	return append(list, named(m.Strings, m.TLVs, "table", m.TableName, "admin label", m.AdminLabel)...)
}

func openText(name string, o *bgp.Open) string {
	if !o.ID.IsValid() {
		return name + " open: not readable"
	}
	t := fmt.Sprintf("%s open: AS %d, id %v, hold time %d", name, o.AS, o.ID, o.HoldTime)
	for _, f := range o.Families {
		t += ", " + f.String()
	}
	if !o.AS4 {
		t += ", AS numbers of two octets"
	}
	if len(o.AddPath) > 0 {
		t += ", add-path"
		for _, p := range o.AddPath {
			t += " " + p.Family.String()
		}
	}
	return t
}

func peerDownText(m *bmp.PeerDown) []string {
	list := []string{fmt.Sprintf("reason %d: %s", m.Reason, m.ReasonText())}
	if n := m.Notification; n != nil {
		list = append(list, fmt.Sprintf("notification %d/%d", n.Code, n.Subcode))
	}
	if !m.Known {
		list = append(list, "was not up")
	}
	return append(list, named(m.Strings, m.TLVs, "table", m.TableName)...)
}

func statisticText(s *bmp.Statistic) []string {
	t := fmt.Sprintf("%s (%d)", s.Name(), s.Type)
	if s.Family != 0 {
		t += " " + s.Family.String()
	}
	if s.Raw != nil {
		return []string{fmt.Sprintf("%s: 0x%x", t, s.Raw)}
	}
	return []string{fmt.Sprintf("%s: %d", t, s.Value)}
}

func mirrorText(m *bmp.RouteMirroring) []string {
	list := []string{fmt.Sprintf("%d BGP messages", len(m.Messages))}
	if m.Errored {
		list = append(list, "mirrored because of an error")
	}
	if m.Lost {
		list = append(list, "messages were lost")
	}
	return list
}

// named lists what has a value, free text, and how many other TLVs there are.
func named(free []string, others []bmp.TLV, pairs ...string) []string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, fmt.Sprintf("%s: %s", pairs[i], printable(pairs[i+1])))
		}
	}
	for _, s := range free {
		list = append(list, "text: "+printable(s))
	}
	if len(others) > 0 {
		list = append(list, fmt.Sprintf("%d other tlvs", len(others)))
	}
	return list
}

// printable quotes a text that would not stay in its line.
func printable(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// routesText says whose routes follow and what was wrong with them.
func routesText(m *bmp.RouteMonitoring) string {
	t := peerText(&m.Peer)
	if !m.Known {
		t += ", not up"
	}
	if m.Outcome != bgp.OutcomeOK {
		t += ": " + m.Outcome.String()
	}
	return t
}

func prefixText(action string, n *bgp.NLRI, a *bgp.Attributes) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %v", action, n.Family, n.Prefix)
	if n.Family.SAFI() == bgp.SAFIVPN {
		fmt.Fprintf(&b, " in %v", rib.RD(n.RD))
	}
	if n.HasPathID {
		fmt.Fprintf(&b, ", path %d", n.PathID)
	}
	if n.HasLabel {
		fmt.Fprintf(&b, ", label %d", n.Label)
	}
	attributesText(&b, a)
	return []string{b.String()}
}

func otherText(action string, n *bgp.OtherNLRI, a *bgp.Attributes) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %s", action, n.Family, printable(n.Text))
	if n.HasPathID {
		fmt.Fprintf(&b, ", path %d", n.PathID)
	}
	attributesText(&b, a)
	return []string{b.String()}
}

// attributesText writes the attributes that one looks for first; the event has all.
func attributesText(b *strings.Builder, a *bgp.Attributes) {
	if a == nil {
		return
	}
	if a.NextHop.IsValid() {
		fmt.Fprintf(b, ", next hop %v", a.NextHop)
	}
	fmt.Fprintf(b, ", as path %v", a.ASPath)
	if len(a.ASSet) > 0 {
		fmt.Fprintf(b, " set %v", a.ASSet)
	}
	if a.HasLocalPref {
		fmt.Fprintf(b, ", local pref %d", a.LocalPref)
	}
	if a.HasMED {
		fmt.Fprintf(b, ", med %d", a.MED)
	}
	if n := len(a.Communities) + len(a.ExtCommunities) + len(a.LargeCommunities); n > 0 {
		var list []byte
		for _, c := range a.Communities {
			list = append(record.AppendCommunity(list, c), ' ')
		}
		for _, c := range a.ExtCommunities {
			list = append(record.AppendExtCommunity(list, c), ' ')
		}
		for _, c := range a.LargeCommunities {
			list = append(record.AppendLargeCommunity(list, c), ' ')
		}
		fmt.Fprintf(b, ", communities %s", list[:len(list)-1])
	}
}
