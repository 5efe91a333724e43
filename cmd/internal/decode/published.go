package decode

import (
	"maps"
	"slices"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// published gives the flow as a worker would publish it that knows the options told so far and no routes.
func (d *decoder) published(f *ipfix.Flow) []byte {
	r := correlate.Record{
		Device: d.dev.key.addr, Exporter: d.dev.key.addr, Received: d.packet0.Time.UnixNano(), Flow: f,
		RIB: correlate.RIBAbsent,
	}
	r.Describe(f)
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
