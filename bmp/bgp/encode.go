package bgp

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// MaxMessage is the largest message of classic BGP (RFC 4271 section 4.1), which AppendUpdate keeps to where one route
// fits.
const MaxMessage = 4096

// appendHeader appends a BGP header whose length closeMessage fills.
func appendHeader(b []byte, typ uint8) []byte {
	for range 16 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0, typ)
}

// closeMessage writes the length of the message that starts at start.
func closeMessage(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+16:], uint16(min(len(b)-start, math.MaxUint16)))
	return b
}

// AppendUpdate appends one UPDATE, header included. It holds a prefix of withdrawn, or, when there is none, a prefix of
// announced with attrs: routes of one family, as many as fit into MaxMessage and at least one. The numbers say how many
// of each were used; call again with the others. Routes are written with a path identifier when HasPathID is set, AS
// numbers in four octets unless width is AS2.
func AppendUpdate(b []byte, withdrawn, announced []NLRI, attrs *Attributes, width ASWidth) (out []byte, nw, na int) {
	start := len(b)
	b = appendHeader(b, TypeUpdate)
	switch {
	case len(withdrawn) > 0:
		b, nw = appendWithdraw(b, start, withdrawn)
	case len(announced) > 0:
		b, na = appendAnnounce(b, start, announced, attrs, width)
	default:
		b = append(b, 0, 0, 0, 0)
	}
	return closeMessage(b, start), nw, na
}

// AppendEndOfRIB appends the UPDATE that ends the initial dump of a family (RFC 4724 section 2), header included.
func AppendEndOfRIB(b []byte, f Family) []byte {
	start := len(b)
	b = appendHeader(b, TypeUpdate)
	if f == IPv4Unicast {
		return closeMessage(append(b, 0, 0, 0, 0), start)
	}
	b = append(b, 0, 0, 0, 6, flagOptional, attrMPUnreach, 3)
	b = append(b, byte(f>>16), byte(f>>8), byte(f))
	return closeMessage(b, start)
}

func appendWithdraw(b []byte, start int, routes []NLRI) ([]byte, int) {
	f := routes[0].Family
	if f == IPv4Unicast {
		field := len(b)
		b, n := appendRoutes(append(b, 0, 0), routes, start+MaxMessage-2, true)
		binary.BigEndian.PutUint16(b[field:], uint16(len(b)-field-2))
		return append(b, 0, 0), n
	}
	field := len(b) + 2
	b = append(b, 0, 0, 0, 0, flagOptional|flagExtended, attrMPUnreach, 0, 0, byte(f>>16), byte(f>>8), byte(f))
	b, n := appendRoutes(b, routes, start+MaxMessage, true)
	binary.BigEndian.PutUint16(b[field:], uint16(len(b)-field-2))
	binary.BigEndian.PutUint16(b[field+4:], uint16(len(b)-field-6))
	return b, n
}

func appendAnnounce(b []byte, start int, routes []NLRI, attrs *Attributes, width ASWidth) (out []byte, n int) {
	f := routes[0].Family
	classic := f == IPv4Unicast && attrs.NextHop.Is4() && !attrs.V4Mapped
	field := len(b) + 2
	b = append(b, 0, 0, 0, 0)
	b = appendAttributes(b, attrs, width, classic)
	if classic {
		binary.BigEndian.PutUint16(b[field:], uint16(len(b)-field-2))
		return appendRoutes(b, routes, start+MaxMessage, false)
	}
	reach := len(b)
	b = append(b, flagOptional|flagExtended, attrMPReach, 0, 0, byte(f>>16), byte(f>>8), byte(f))
	b = appendNextHop(b, attrs, f.SAFI() == SAFIVPN)
	b, n = appendRoutes(append(b, 0), routes, start+MaxMessage, false)
	binary.BigEndian.PutUint16(b[reach+2:], uint16(len(b)-reach-4))
	binary.BigEndian.PutUint16(b[field:], uint16(len(b)-field-2))
	return b, n
}

// appendNextHop appends the next hop of MP_REACH_NLRI with its length.
func appendNextHop(b []byte, a *Attributes, vpn bool) []byte {
	field := len(b)
	b = append(b, 0)
	for _, addr := range []netip.Addr{a.NextHop, a.LinkLocalNextHop} {
		if !addr.IsValid() {
			continue
		}
		if vpn {
			b = append(b, make([]byte, RDSize)...)
		}
		if a.V4Mapped {
			v6 := addr.As16()
			b = append(b, v6[:]...)
			continue
		}
		b = append(b, addr.AsSlice()...)
	}
	b[field] = byte(len(b) - field - 1)
	return b
}

// appendRoutes appends the routes of the first one's family while b stays below limit, and at least one.
func appendRoutes(b []byte, routes []NLRI, limit int, withdraw bool) (out []byte, n int) {
	for i := range routes {
		mark := len(b)
		if routes[i].Family != routes[0].Family {
			return b, i
		}
		b = appendRoute(b, &routes[i], withdraw)
		if len(b) > limit && i > 0 {
			return b[:mark], i
		}
	}
	return b, len(routes)
}

// appendRoute appends one route.
func appendRoute(b []byte, n *NLRI, withdraw bool) []byte {
	if n.HasPathID {
		b = binary.BigEndian.AppendUint32(b, n.PathID)
	}
	bits, safi := n.Prefix.Bits(), n.Family.SAFI()
	labelled, vpn := safi == SAFILabeled || safi == SAFIVPN, safi == SAFIVPN
	total := bits
	if labelled {
		total += 24
	}
	if vpn {
		total += RDSize * 8
	}
	b = append(b, byte(total))
	if labelled {
		label := n.Label<<4 | 1
		if !n.HasLabel {
			label = 3<<4 | 1 // implicit null
			if withdraw {
				label = labelWithdraw
			}
		}
		b = append(b, byte(label>>16), byte(label>>8), byte(label))
	}
	if vpn {
		b = binary.BigEndian.AppendUint64(b, n.RD)
	}
	if n.Family.AFI() == AFIIPv6 {
		a := n.Prefix.Addr().As16()
		return append(b, a[:(bits+7)/8]...)
	}
	a := n.Prefix.Addr().As4()
	return append(b, a[:(bits+7)/8]...)
}

// appendAttr appends an attribute with its value; long ones get the extended length.
func appendAttr(b []byte, flags, typ uint8, value []byte) []byte {
	if len(value) > 255 {
		b = append(b, flags|flagExtended, typ, byte(len(value)>>8), byte(len(value)))
	} else {
		b = append(b, flags, typ, byte(len(value)))
	}
	return append(b, value...)
}

// openAttr appends the head of an attribute with extended length, which closeAttr fills.
func openAttr(b []byte, flags, typ uint8) (out []byte, start int) {
	return append(b, flags|flagExtended, typ, 0, 0), len(b)
}

func closeAttr(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start-4))
	return b
}

func appendAttr32(b []byte, flags, typ uint8, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, flags, typ, 4), v)
}

// AppendNotification appends a NOTIFICATION (RFC 4271 section 4.5), header included.
func AppendNotification(b []byte, code, subcode uint8, data []byte) []byte {
	start := len(b)
	b = append(appendHeader(b, TypeNotification), code, subcode)
	return closeMessage(append(b, data...), start)
}
