package record

import (
	"math"
	"slices"
	"strconv"
)

// AppendCommunity appends the text of a community (RFC 1997): "64496:299", or the name of a well-known one.
func AppendCommunity(dst []byte, c uint32) []byte {
	switch c {
	case 0xffffff01:
		return append(dst, "no-export"...)
	case 0xffffff02:
		return append(dst, "no-advertise"...)
	case 0xffffff03:
		return append(dst, "no-export-subconfed"...)
	case 0xffff029a:
		return append(dst, "blackhole"...) // RFC 7999
	}
	return appendPair(dst, uint64(c>>16), uint64(c&0xffff))
}

// AppendLargeCommunity appends the text of a large community (RFC 8092): "64496:1:2".
func AppendLargeCommunity(dst []byte, c [3]uint32) []byte {
	dst = appendPair(dst, uint64(c[0]), uint64(c[1]))
	return appendDecimal(append(dst, ':'), uint64(c[2]))
}

// The first octet of an extended community, with the values that have a text here.
const (
	extAS2         = 0x00 // 2-octet AS, 4-octet value (RFC 4360 section 3.1)
	extIPv4        = 0x01 // IPv4 address, 2-octet value (RFC 4360 section 3.2)
	extAS4         = 0x02 // 4-octet AS, 2-octet value (RFC 5668)
	extOpaque      = 0x03 // RFC 4360 section 3.3
	extEVPN        = 0x06 // RFC 7432
	extAS2Local    = 0x40 // as extAS2, not transitive
	extOpaqueLocal = 0x43 // as extOpaque, not transitive
)

// AppendExtCommunity appends the text of an extended community (RFC 4360), its eight octets read as a big-endian number:
//
//	rt:ADMIN:VALUE                    route target; ADMIN is an AS number or an IPv4 address
//	soo:ADMIN:VALUE                   route origin (site of origin)
//	ospf-domain:ADMIN:VALUE           RFC 4577
//	ospf-router:ADDRESS:VALUE         RFC 4577
//	source-as:AS:VALUE                RFC 6514
//	vrf-import:ADDRESS:VALUE          RFC 6514
//	link-bandwidth:AS:OCTETS          octets per second
//	ospf-route:AREA:TYPE:OPTIONS      RFC 4577
//	color:VALUE, color:CO:VALUE       RFC 9012; with the CO bits of RFC 9256 if they are not zero
//	encap:TYPE                        tunnel type of RFC 9012
//	router-mac:aa:bb:cc:dd:ee:ff      RFC 9135
//	validation:STATE                  origin validation state (RFC 8097)
//	0x0123456789abcdef                any other, and the above with reserved bits set
func AppendExtCommunity(dst []byte, c uint64) []byte {
	before := len(dst)
	switch c >> 56 {
	case extAS2, extIPv4, extAS4:
		dst = appendExtAdmin(dst, c)
	case extOpaque:
		dst = appendExtOpaque(dst, c)
	case extEVPN:
		if byte(c>>48) == 0x03 {
			dst = append(dst, "router-mac:"...)
			dst = appendColons(dst, [6]byte{byte(c >> 40), byte(c >> 32), byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)})
		}
	case extAS2Local:
		dst = appendLinkBandwidth(dst, c)
	case extOpaqueLocal:
		if c>>8 == 0x43_00_00_00_00_00_00 {
			dst = appendDecimal(append(dst, "validation:"...), c&0xff)
		}
	}
	if len(dst) == before {
		dst = appendHex64(append(dst, "0x"...), c)
	}
	return dst
}

// extAdminNames are the subtypes of the communities that consist of an administrator and its value.
var extAdminNames = [...]string{
	0x02: "rt:", 0x03: "soo:", 0x05: "ospf-domain:", 0x07: "ospf-router:", 0x09: "source-as:", 0x0b: "vrf-import:",
}

// appendExtAdmin writes the communities of an AS or an address; nothing if the subtype has no name for that type.
func appendExtAdmin(dst []byte, c uint64) []byte {
	typ, sub := c>>56, byte(c>>48)
	if int(sub) >= len(extAdminNames) || extAdminNames[sub] == "" {
		return dst
	}
	ofAddress, ofAS := sub == 0x07 || sub == 0x0b, sub == 0x09
	if ofAddress && typ != extIPv4 || ofAS && typ == extIPv4 {
		return dst
	}
	dst = append(dst, extAdminNames[sub]...)
	switch typ {
	case extAS2:
		return appendPair(dst, c>>32&0xffff, c&0xffffffff)
	case extAS4:
		return appendPair(dst, c>>16&0xffffffff, c&0xffff)
	}
	dst = appendDotted(dst, uint32(c>>16))
	return appendDecimal(append(dst, ':'), c&0xffff)
}

func appendExtOpaque(dst []byte, c uint64) []byte {
	switch byte(c >> 48) {
	case 0x06:
		dst = append(dst, "ospf-route:"...)
		dst = appendDotted(dst, uint32(c>>16))
		dst = append(dst, ':')
		return appendPair(dst, c>>8&0xff, c&0xff)
	case 0x0b:
		if c>>32&0x3fff != 0 {
			return dst
		}
		dst = append(dst, "color:"...)
		if co := c >> 46 & 3; co != 0 {
			return appendPair(dst, co, c&0xffffffff)
		}
		return appendDecimal(dst, c&0xffffffff)
	case 0x0c:
		if c>>16&0xffffffff == 0 {
			return appendDecimal(append(dst, "encap:"...), c&0xffff)
		}
	}
	return dst
}

// appendLinkBandwidth reads the value as the IEEE float it is; what is not a plain amount stays unnamed.
func appendLinkBandwidth(dst []byte, c uint64) []byte {
	rate := float64(math.Float32frombits(uint32(c)))
	if byte(c>>48) != 0x04 || math.IsNaN(rate) || math.IsInf(rate, 0) || math.Signbit(rate) {
		return dst
	}
	dst = append(dst, "link-bandwidth:"...)
	dst = appendDecimal(dst, c>>32&0xffff)
	return strconv.AppendFloat(append(dst, ':'), rate, 'f', -1, 32)
}

// hasTextTwin reports whether list holds the 2-octet AS form of a 4-octet AS community with the same text. Both on
// one route would put a text twice into an array that promises not to.
func hasTextTwin(list []uint64, c uint64) bool {
	admin, value := c>>16&0xffffffff, c&0xffff
	if c>>56 != extAS4 || admin > 0xffff {
		return false
	}
	sub := c >> 48 & 0xff
	if sub != 0x02 && sub != 0x03 && sub != 0x05 && sub != 0x09 {
		return false
	}
	return slices.Contains(list, extAS2<<56|sub<<48|admin<<32|value)
}

func appendCommunities(dst []byte, k *key, list []uint32) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(k.append(dst), '[')
	for _, c := range list {
		dst = append(AppendCommunity(append(dst, '"'), c), '"', ',')
	}
	return closeArray(dst)
}

func appendExtCommunities(dst []byte, k *key, list []uint64) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(k.append(dst), '[')
	for _, c := range list {
		if !hasTextTwin(list, c) {
			dst = append(AppendExtCommunity(append(dst, '"'), c), '"', ',')
		}
	}
	return closeArray(dst)
}

func appendLargeCommunities(dst []byte, k *key, list [][3]uint32) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(k.append(dst), '[')
	for _, c := range list {
		dst = append(AppendLargeCommunity(append(dst, '"'), c), '"', ',')
	}
	return closeArray(dst)
}

func appendDotted(dst []byte, v uint32) []byte {
	b, n := room(dst, addrRoom)
	return b[:putIPv4(b, n, v)]
}
