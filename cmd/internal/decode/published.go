package decode

import (
	"maps"
	"slices"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// published gives the flow as a worker would publish it that knows the options told so far and no routes.
func (d *decoder) published(f *ipfix.Flow) []byte {
	r := correlate.Record{
		Device: d.dev.key.addr, Exporter: d.dev.key.addr, Received: d.packet0.Time.UnixNano(), Flow: f,
		RIB: correlate.RIBAbsent,
	}
	if i, ok := f.Options.Interface(f.InIf); ok && f.Has&ipfix.FieldInIf != 0 {
		r.InIfName = i.Name
	}
	if i, ok := f.Options.Interface(f.OutIf); ok && f.Has&ipfix.FieldOutIf != 0 {
		r.OutIfName = i.Name
	}
	if v, ok := f.Options.IngressVRF(f.IngressVRF); ok && f.Has&ipfix.FieldIngressVRF != 0 {
		r.IngressVRFName = v.Name
	}
	if v, ok := f.Options.EgressVRF(f.EgressVRF); ok && f.Has&ipfix.FieldEgressVRF != 0 {
		r.EgressVRFName = v.Name
	}
	if f.Has&ipfix.FieldRD != 0 {
		r.RD, r.HasRD = rib.RD(f.RD), true
	}
	d.buf = d.encoder.AppendJSON(d.buf[:0], &r)
	return d.buf
}

// tables shows the option tables of a session.
func (d *decoder) tables(dev *device) {
	all := maps.Collect(dev.session.Tables().All())
	for _, domain := range slices.Sorted(maps.Keys(all)) {
		e := &tablesEvent{Kind: "tables", Device: dev.key.addr, Domain: domain, Rows: rows(all[domain])}
		if len(e.Rows) > 0 {
			d.out.tables(e)
		}
	}
}
