package bgp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// This file is the only one that calls gobgp. What is known of v3.37.0 and kept away from it:
//   - AS_PATH is read by a guessed width: it gets single segments whose width we chose;
//   - decoders index beyond short values (Prefix-SID, route distinguishers): lengths are checked first, and a panic is
//     recovered per attribute;
//   - an unknown sub-TLV of an SRv6 service always panics: we walk these TLVs and show it those it knows;
//   - decoded values point into the input: everything is copied to our own types.

// attrDecoder collects what one attribute cannot tell by itself.
type attrDecoder struct {
	a            *Attributes
	path, as4    []segment
	aggregatorAS uint32
	as4Agg       *gobgp.PathAttributeAs4Aggregator
	width        int
}

// guard runs f and turns a panic of gobgp into an error.
func guard(panics *uint8, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if *panics < 255 {
				*panics++
			}
			err = fmt.Errorf("gobgp panicked (%v): %w", r, ErrAttribute)
		}
	}()
	return f()
}

// decode hands one attribute, header included, to gobgp and takes the value over.
func (d *attrDecoder) decode(attr, value []byte) error {
	typ := attr[1]
	switch {
	case len(value) == 0 && !mayBeEmpty(typ):
		return fmt.Errorf("attribute type %d without a value: %w", typ, ErrAttribute)
	case typ == attrNextHop && d.a.NextHop.IsValid():
		return nil // for routes of MP_REACH_NLRI it means nothing, whatever it is (RFC 4760 section 3)
	case typ == attrNextHop && len(value) != 4:
		return fmt.Errorf("next hop of %d octets: %w", len(value), ErrAttribute) // gobgp takes 16
	}
	switch typ {
	case attrASPath:
		return d.decodePath(attr, value, d.width, &d.path)
	case attrAS4Path:
		return d.decodePath(attr, value, 4, &d.as4)
	case attrAtomicAggregate, attrExtCommunities, attrOTC, attrPrefixSID:
		return d.decodeRaw(attr, value)
	case attrOrigin, attrNextHop, attrMED, attrLocalPref, attrAggregator, attrCommunities, attrOriginatorID,
		attrClusterList, attrAS4Aggregator, attrAIGP, attrLargeCommunity:
	default:
		d.a.Unknown = append(d.a.Unknown, RawAttr{Flags: attr[0], Type: typ, Value: value})
		return nil
	}
	p, err := gobgp.GetPathAttribute(attr)
	if err != nil {
		return err
	}
	if err := p.DecodeFromBytes(attr); err != nil {
		return err
	}
	return d.take(p)
}

// take copies a decoded attribute into our own form.
func (d *attrDecoder) take(p gobgp.PathAttributeInterface) error {
	a := d.a
	switch p := p.(type) {
	case *gobgp.PathAttributeOrigin:
		if p.Value > gobgp.BGP_ORIGIN_ATTR_TYPE_INCOMPLETE {
			return fmt.Errorf("origin %d: %w", p.Value, ErrAttribute)
		}
		a.Origin, a.HasOrigin = p.Value, true
	case *gobgp.PathAttributeNextHop:
		a.NextHop = addrOf(p.Value)
	case *gobgp.PathAttributeMultiExitDisc:
		a.MED, a.HasMED = p.Value, true
	case *gobgp.PathAttributeLocalPref:
		a.LocalPref, a.HasLocalPref = p.Value, true
	case *gobgp.PathAttributeAggregator:
		d.aggregatorAS, a.AggregatorAS, a.Aggregator = p.Value.AS, p.Value.AS, addrOf(p.Value.Address)
	case *gobgp.PathAttributeCommunities:
		a.Communities = sortedSet(p.Value)
	case *gobgp.PathAttributeOriginatorId:
		a.OriginatorID = addrOf(p.Value)
	case *gobgp.PathAttributeClusterList:
		a.ClusterLength = uint8(min(len(p.Value), 255))
		a.ClusterList = make([]uint32, len(p.Value))
		for i, id := range p.Value {
			a.ClusterList[i] = binary.BigEndian.Uint32(id)
		}
	case *gobgp.PathAttributeAs4Aggregator:
		d.as4Agg = p
	case *gobgp.PathAttributeAigp:
		for _, tlv := range p.Values {
			if m, ok := tlv.(*gobgp.AigpTLVIgpMetric); ok && !a.HasAIGP { // RFC 7311 section 3: the first counts
				a.AIGP, a.HasAIGP = m.Metric, true
			}
		}
	case *gobgp.PathAttributeLargeCommunities:
		l := make([][3]uint32, len(p.Values))
		for i, c := range p.Values {
			l[i] = [3]uint32{c.ASN, c.LocalData1, c.LocalData2}
		}
		a.LargeCommunities = sortedLarge(l)
	}
	return nil
}

// decodeRaw handles attributes for which gobgp checks flags and length, while the value is read here: extended
// communities keep all 64 bits, OTC is unknown to it, Prefix-SID is walked by TLV.
func (d *attrDecoder) decodeRaw(attr, value []byte) error {
	var header gobgp.PathAttribute
	if _, err := header.DecodeFromBytes(attr); err != nil {
		return err
	}
	a := d.a
	switch attr[1] {
	case attrAtomicAggregate:
		if len(value) != 0 {
			return fmt.Errorf("atomic aggregate of %d octets: %w", len(value), ErrAttribute)
		}
		a.AtomicAggregate = true
	case attrExtCommunities:
		if len(value)%8 != 0 {
			return fmt.Errorf("extended communities of %d octets: %w", len(value), ErrAttribute)
		}
		l := make([]uint64, 0, len(value)/8)
		for ; len(value) > 0; value = value[8:] {
			l = append(l, binary.BigEndian.Uint64(value))
		}
		a.ExtCommunities = sortedSet(l)
	case attrOTC:
		if len(value) != 4 || attr[0]&(flagOptional|flagTransitive) != flagOptional|flagTransitive {
			return fmt.Errorf("only to customer of %d octets, flags %#x: %w", len(value), attr[0], ErrAttribute)
		}
		a.OTC, a.HasOTC = binary.BigEndian.Uint32(value), true
	case attrPrefixSID:
		return d.decodePrefixSID(value)
	}
	return nil
}

// decodePath reads AS_PATH or AS4_PATH with the given width, one segment of gobgp at a time.
func (d *attrDecoder) decodePath(attr, value []byte, width int, path *[]segment) error {
	var header gobgp.PathAttribute
	if _, err := header.DecodeFromBytes(attr); err != nil {
		return err
	}
	return splitSegments(value, width, func(seg []byte) error {
		var p gobgp.AsPathParamInterface = &gobgp.As4PathParam{}
		if width == 2 {
			p = &gobgp.AsPathParam{}
		}
		if err := p.DecodeFromBytes(seg); err != nil {
			return err
		}
		*path = append(*path, segment{typ: p.GetType(), as: p.GetAS()})
		return nil
	})
}

// decodeSID shows gobgp the fixed part of an SRv6 SID Information sub-TLV (header included) and, when there is one, its
// SID Structure sub-sub-TLV. Both have been checked for length.
func decodeSID(info, structure []byte) (SRv6SID, error) {
	var p gobgp.SRv6InformationSubTLV
	if err := p.DecodeFromBytes(info); err != nil {
		return SRv6SID{}, err
	}
	sid := SRv6SID{Addr: netip.AddrFrom16([16]byte(p.SID)), Behavior: p.EndpointBehavior}
	if structure != nil {
		var s gobgp.SRv6SIDStructureSubSubTLV
		if err := s.DecodeFromBytes(structure); err != nil {
			return SRv6SID{}, err
		}
		sid.BlockLength, sid.NodeLength = s.LocatorBlockLength, s.LocatorNodeLength
		sid.FunctionLength, sid.ArgumentLength = s.FunctionLength, s.ArgumentLength
		sid.TranspositionLength, sid.TranspositionOffset = s.TranspositionLength, s.TranspositionOffset
	}
	return sid, nil
}

// isFlagsError reports gobgp's verdict on the attribute flags, for which RFC 7606 section 3 c has a rule of its own.
func isFlagsError(err error) bool {
	var m *gobgp.MessageError
	return errors.As(err, &m) && m.SubTypeCode == gobgp.BGP_ERROR_SUB_ATTRIBUTE_FLAGS_ERROR
}

// appendOther decodes the routes of a family that has no prefixes and appends their texts.
func appendOther(dst []OtherNLRI, data []byte, f Family, addPath bool, panics *uint8) ([]OtherNLRI, error) {
	mark := len(dst)
	data = data[:len(data):len(data)] // gobgp looks beyond the length where the capacity allows it
	for len(data) > 0 {
		n := OtherNLRI{Family: f}
		if addPath {
			if len(data) < 4 {
				return dst[:mark], fmt.Errorf("%v: path id cut: %w", f, ErrNLRI)
			}
			n.PathID, n.HasPathID = binary.BigEndian.Uint32(data), true
			data = data[4:]
		}
		var used int
		err := guard(panics, func() error {
			p, err := gobgp.NewPrefixFromRouteFamily(f.AFI(), f.SAFI())
			if err != nil {
				return err
			}
			if err := p.DecodeFromBytes(data); err != nil {
				return err
			}
			used, n.Text = p.Len(), p.String()
			return nil
		})
		if err != nil {
			return dst[:mark], fmt.Errorf("%v: %w: %w", f, err, ErrNLRI)
		}
		if used <= 0 || used > len(data) {
			return dst[:mark], fmt.Errorf("%v: route of %d octets, %d left: %w", f, used, len(data), ErrNLRI)
		}
		data = data[used:]
		dst = append(dst, n)
	}
	return dst, nil
}

// Text gives the attribute as gobgp writes it, or "" where gobgp cannot decode it. It is slow.
func (r RawAttr) Text() string {
	attr := appendAttr(nil, r.Flags&^flagExtended, r.Type, r.Value)
	var text string
	var panics uint8
	err := guard(&panics, func() error {
		p, err := gobgp.GetPathAttribute(attr)
		if err != nil {
			return err
		}
		if err := p.DecodeFromBytes(attr); err != nil {
			return err
		}
		text = p.String()
		return nil
	})
	if err != nil {
		return ""
	}
	return text
}

// decodeCapability reads one capability (RFC 5492), header included, into o.
func (o *Open) decodeCapability(data []byte) error {
	var panics uint8
	return guard(&panics, func() error {
		c, err := gobgp.DecodeCapability(data)
		if err != nil {
			return err
		}
		switch c := c.(type) {
		case *gobgp.CapMultiProtocol:
			o.Families = append(o.Families, familyOf(c.CapValue))
		case *gobgp.CapFourOctetASNumber:
			o.AS, o.AS4 = c.CapValue, true
		case *gobgp.CapAddPath:
			for _, t := range c.Tuples {
				o.AddPath = append(o.AddPath, AddPath{familyOf(t.RouteFamily), AddPathMode(t.Mode)})
			}
		}
		return nil
	})
}

func familyOf(f gobgp.RouteFamily) Family { return NewFamily(gobgp.RouteFamilyToAfiSafi(f)) }

// addrOf copies an address; v4-mapped ones become IPv4.
func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
