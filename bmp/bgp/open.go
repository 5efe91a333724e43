package bgp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// AddPathMode is the send/receive field of the ADD-PATH capability (RFC 7911 section 4).
type AddPathMode uint8

// The modes of ADD-PATH; a sender of AddPathBoth does both.
const (
	AddPathReceive AddPathMode = 1
	AddPathSend    AddPathMode = 2
	AddPathBoth    AddPathMode = 3
)

// AddPath is one entry of the ADD-PATH capability.
type AddPath struct {
	Family Family
	Mode   AddPathMode
}

// Open is a BGP OPEN message (RFC 4271 section 4.2) with its capabilities (RFC 5492). It keeps nothing of its input.
type Open struct {
	ID           netip.Addr // BGP identifier
	AS           uint32     // from the four-octet AS capability when present
	HoldTime     uint16     // seconds
	Version      uint8
	AS4          bool         // the four-octet AS capability (RFC 6793) was there
	Families     []Family     // of the multiprotocol capabilities (RFC 4760), in their order
	AddPath      []AddPath    // of the ADD-PATH capability (RFC 7911)
	Capabilities []Capability // all others, as received and in their order
}

// Capability is a capability that says nothing about how UPDATEs are read, or that could not be decoded.
type Capability struct {
	Code  uint8 // IANA "Capability Codes"
	Value []byte
}

// Name gives a short name of the capability, "capability-N" where there is none.
func (c *Capability) Name() string {
	if name := capabilityNames[c.Code]; name != "" {
		return name
	}
	return "capability-" + strconv.Itoa(int(c.Code))
}

var capabilityNames = map[uint8]string{
	capMultiprotocol: "multiprotocol",
	2:                "route-refresh",
	5:                "extended-next-hop",
	6:                "extended-message",
	8:                "multiple-labels",
	9:                "role",
	64:               "graceful-restart",
	capAS4:           "four-octet-as",
	capAddPath:       "add-path",
	70:               "enhanced-route-refresh",
	71:               "long-lived-graceful-restart",
	73:               "fqdn",
	128:              "route-refresh-cisco",
}

const (
	paramCapability = 2
	paramExtended   = 255 // RFC 9072

	capMultiprotocol = 1
	capAS4           = 65
	capAddPath       = 69

	openSize = 10 // version(1) AS(2) hold time(2) identifier(4) parameters length(1)
)

// DecodeOpen decodes the body of an OPEN (the message without its 19-octet header). A capability that cannot be decoded
// is skipped: it is reported by the error, which wraps ErrOpen, together with everything that could be read.
func DecodeOpen(body []byte) (Open, error) {
	var o Open
	if len(body) < openSize {
		return o, fmt.Errorf("open of %d octets: %w", len(body), ErrOpen)
	}
	o.Version = body[0]
	o.AS = uint32(binary.BigEndian.Uint16(body[1:]))
	o.HoldTime = binary.BigEndian.Uint16(body[3:])
	o.ID = netip.AddrFrom4([4]byte(body[5:9]))
	params, size, wide := body[openSize:], int(body[9]), 1
	if size != 0 && len(params) >= 3 && params[0] == paramExtended {
		params, size, wide = params[3:], int(binary.BigEndian.Uint16(params[1:])), 2
	}
	if len(params) < size {
		return o, fmt.Errorf("open parameters of %d octets, %d left: %w", size, len(params), ErrOpen)
	}
	return o, o.decodeParams(params[:size], wide)
}

// decodeParams walks optional parameters whose lengths take wide octets.
func (o *Open) decodeParams(data []byte, wide int) error {
	var bad error
	for len(data) > 0 {
		if len(data) < 1+wide {
			return fmt.Errorf("open parameter cut: %w", ErrOpen)
		}
		size := int(data[1])
		if wide == 2 {
			size = int(binary.BigEndian.Uint16(data[1:]))
		}
		end := 1 + wide + size
		if len(data) < end {
			return fmt.Errorf("open parameter of %d octets: %w", size, ErrOpen)
		}
		if data[0] == paramCapability {
			if err := o.decodeCapabilities(data[1+wide : end]); err != nil {
				bad = err
			}
		}
		data = data[end:]
	}
	return bad
}

func (o *Open) decodeCapabilities(data []byte) error {
	var bad error
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(data[1]) {
			return fmt.Errorf("capability cut: %w", ErrOpen)
		}
		end := 2 + int(data[1])
		kept := wantCapability(data[0], end-2)
		if kept {
			if err := o.decodeCapability(data[:end:end]); err != nil {
				bad = fmt.Errorf("capability %d: %w: %w", data[0], err, ErrOpen)
				kept = false
			}
		}
		if !kept {
			o.Capabilities = append(o.Capabilities, Capability{Code: data[0], Value: bytes.Clone(data[2:end])})
		}
		data = data[end:]
	}
	return bad
}

// wantCapability picks the capabilities that say how UPDATEs are written. FRR sends an ADD-PATH capability without
// entries, which gobgp refuses.
func wantCapability(code byte, size int) bool {
	switch code {
	case capMultiprotocol, capAS4:
		return true
	case capAddPath:
		return size > 0
	}
	return false
}

// mode gives the ADD-PATH mode of a family, 0 when it is not listed. The last entry of a family counts.
func (o *Open) mode(f Family) AddPathMode {
	for i := len(o.AddPath) - 1; i >= 0; i-- {
		if o.AddPath[i].Family == f {
			return o.AddPath[i].Mode
		}
	}
	return 0
}

// AddPathFrom lists the families whose routes carry path identifiers when sender sends to receiver: those the one may
// send and the other receive.
func AddPathFrom(sender, receiver *Open) []Family {
	return addPathFamilies(sender, receiver, func(s, r AddPathMode) bool {
		return s&AddPathSend != 0 && r&AddPathReceive != 0
	})
}

// AddPathEither lists the families that both OPENs have in their ADD-PATH capability, whatever the direction. It is for
// the OPENs that a router makes up to describe its own Loc-RIB (RFC 9069 section 5.2).
func AddPathEither(a, b *Open) []Family {
	return addPathFamilies(a, b, func(x, y AddPathMode) bool { return x != 0 && y != 0 })
}

func addPathFamilies(a, b *Open, ok func(x, y AddPathMode) bool) []Family {
	var out []Family
	for i, e := range a.AddPath {
		if last := a.lastIndex(e.Family); last == i && ok(e.Mode, b.mode(e.Family)) {
			out = append(out, e.Family)
		}
	}
	return out
}

func (o *Open) lastIndex(f Family) int {
	for i := len(o.AddPath) - 1; i >= 0; i-- {
		if o.AddPath[i].Family == f {
			return i
		}
	}
	return -1
}
