package record

import (
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// A device sends few combinations of interfaces and of VRFs, each with names that must be looked through for what needs
// escaping. Their fields are rendered once and copied from then on.
const (
	interfaceFragments = 256
	vrfFragments       = 64
	maxFragment        = 1024 // octets; longer ones are rendered each time, so that the caches stay within 320 KiB
)

// fragments is a direct-mapped cache of the text of a group of fields, by everything that the text depends on.
type fragments[K comparable] []fragment[K]

type fragment[K comparable] struct {
	key  K
	text []byte // nil in an entry that was never used
}

// append writes the text of a key, by render if it is not there. The hash picks the entry.
func (c fragments[K]) append(dst []byte, hash uint32, k K, render func([]byte, K) []byte) []byte {
	f := &c[hash&uint32(len(c)-1)]
	if f.text != nil && f.key == k {
		return append(dst, f.text...)
	}
	before := len(dst)
	dst = render(dst, k)
	if text := dst[before:]; len(text) > 0 && len(text) <= maxFragment {
		f.key, f.text = k, append(f.text[:0], text...)
	}
	return dst
}

// interfaceKey is all that the fields of a flow's interfaces depend on.
type interfaceKey struct {
	has             ipfix.FieldSet
	in, out         uint32
	inName, outName string
}

const interfaceFields = ipfix.FieldInIf | ipfix.FieldOutIf

func (e *Encoder) appendInterfaces(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	k := interfaceKey{
		has: f.Has & interfaceFields, in: f.InIf, out: f.OutIf, inName: r.InIfName, outName: r.OutIfName,
	}
	return e.interfaces.append(dst, k.in+16*k.out, k, renderInterfaces)
}

func renderInterfaces(dst []byte, k interfaceKey) []byte {
	if k.has&ipfix.FieldInIf != 0 {
		dst = appendUint(dst, &keyInIf, uint64(k.in))
	}
	if k.has&ipfix.FieldOutIf != 0 {
		dst = appendUint(dst, &keyOutIf, uint64(k.out))
	}
	dst = appendText(dst, &keyInIfName, k.inName)
	return appendText(dst, &keyOutIfName, k.outName)
}

// vrfKey is all that the fields of a flow's VRFs depend on.
type vrfKey struct {
	has                           ipfix.FieldSet
	ingress, egress               uint32
	ingressName, egressName, name string
	rd                            rib.RD
	hasRD                         bool
}

const vrfFields = ipfix.FieldIngressVRF | ipfix.FieldEgressVRF

func (e *Encoder) appendVRF(dst []byte, r *correlate.Record) []byte {
	f := r.Flow
	k := vrfKey{
		has: f.Has & vrfFields, ingress: f.IngressVRF, egress: f.EgressVRF,
		ingressName: r.IngressVRFName, egressName: r.EgressVRFName, name: r.VRFName, rd: r.RD, hasRD: r.HasRD,
	}
	return e.vrfs.append(dst, k.ingress+8*k.egress, k, renderVRF)
}

func renderVRF(dst []byte, k vrfKey) []byte {
	if k.has&ipfix.FieldIngressVRF != 0 {
		dst = appendUint(dst, &keyIngressVRFID, uint64(k.ingress))
	}
	if k.has&ipfix.FieldEgressVRF != 0 {
		dst = appendUint(dst, &keyEgressVRFID, uint64(k.egress))
	}
	dst = appendText(dst, &keyIngressVRFName, k.ingressName)
	dst = appendText(dst, &keyEgressVRFName, k.egressName)
	dst = appendText(dst, &keyVRFName, k.name)
	if k.hasRD {
		dst = appendRD(dst, &keyRD, k.rd)
	}
	return dst
}
