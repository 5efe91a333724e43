package bgp

import "strconv"

// Family is an address family (AFI) with its subsequent address family (SAFI): AFI<<8 | SAFI. Zero is no family.
type Family uint32

// Families that this package decodes to prefixes. All others go through gobgp to text.
const (
	IPv4Unicast   Family = 1<<8 | 1
	IPv4Multicast Family = 1<<8 | 2
	IPv4Labeled   Family = 1<<8 | 4
	IPv4VPN       Family = 1<<8 | 128
	IPv6Unicast   Family = 2<<8 | 1
	IPv6Multicast Family = 2<<8 | 2
	IPv6Labeled   Family = 2<<8 | 4
	IPv6VPN       Family = 2<<8 | 128
)

// Address family numbers and subsequent ones, as IANA assigns them.
const (
	AFIIPv4       uint16 = 1
	AFIIPv6       uint16 = 2
	SAFIUnicast   uint8  = 1
	SAFIMulticast uint8  = 2
	SAFILabeled   uint8  = 4
	SAFIVPN       uint8  = 128
)

// NewFamily joins an AFI and a SAFI.
func NewFamily(afi uint16, safi uint8) Family { return Family(afi)<<8 | Family(safi) }

// AFI gives the address family number.
func (f Family) AFI() uint16 { return uint16(f >> 8) }

// SAFI gives the subsequent address family number.
func (f Family) SAFI() uint8 { return uint8(f) }

// IsPrefix reports whether routes of the family are IP prefixes, which this package decodes itself.
func (f Family) IsPrefix() bool {
	switch f {
	case IPv4Unicast, IPv4Multicast, IPv4Labeled, IPv4VPN, IPv6Unicast, IPv6Multicast, IPv6Labeled, IPv6VPN:
		return true
	}
	return false
}

// String gives the usual name, such as "ipv4-unicast", or "afi-25/safi-70" for families without prefixes.
func (f Family) String() string {
	var afi, safi string
	switch f.AFI() {
	case AFIIPv4:
		afi = "ipv4"
	case AFIIPv6:
		afi = "ipv6"
	}
	switch f.SAFI() {
	case SAFIUnicast:
		safi = "unicast"
	case SAFIMulticast:
		safi = "multicast"
	case SAFILabeled:
		safi = "labelled"
	case SAFIVPN:
		safi = "vpn"
	}
	if afi != "" && safi != "" {
		return afi + "-" + safi
	}
	return "afi-" + strconv.Itoa(int(f.AFI())) + "/safi-" + strconv.Itoa(int(f.SAFI()))
}
