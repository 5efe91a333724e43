package glass

import (
	"cmp"
	"net/netip"
	"strconv"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// streamName gives the text of a transport session, in which templates and sequence numbers have their meaning: tcp: with the number of the
// connection, or udp, of one address or source port where these are kept apart.
func streamName(s correlate.Stream) string {
	switch {
	case s.Conn != 0:
		return "tcp:" + strconv.FormatUint(s.Conn, 10)
	case s.Addr.IsValid() && s.Port != 0:
		return "udp:" + netip.AddrPortFrom(s.Addr, s.Port).String()
	case s.Addr.IsValid():
		return "udp:" + s.Addr.String()
	case s.Port != 0:
		return "udp:" + strconv.Itoa(int(s.Port))
	}
	return "udp"
}

// compareStreams orders transport sessions: that of most datagrams first.
func compareStreams(a, b correlate.Stream) int {
	return cmp.Or(cmp.Compare(a.Conn, b.Conn), a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port))
}

// protocolName is that of the metrics.
func protocolName(version uint16) string {
	if version == ipfix.VersionNetFlow9 {
		return "netflow_v9"
	}
	return "ipfix"
}

// domain reads the parameter of that name; any is true without it.
func (rq *request) domain() (id uint32, any bool, err error) {
	text := rq.params.Get("domain")
	if text == "" {
		return 0, true, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, false, badf("domain %q is not the number of an observation domain", text)
	}
	return uint32(n), false, nil
}

// age gives how long ago something was, in whole seconds.
func (rq *request) age(ns int64) int64 { return (rq.now.UnixNano() - ns) / 1e9 }

func ageText(seconds int64) string { return strconv.FormatInt(seconds, 10) + "s" }
