package glass

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// Option is a line of /devices/{device}/options: an entry of an option table, with what it says and where that comes from.
type Option struct {
	Domain uint32  `json:"domain"`
	Table  string  `json:"table"`
	ID     *uint64 `json:"id,omitempty"` // none in exporter and sampling, which have one entry

	Name        string   `json:"name,omitempty"`
	RD          string   `json:"rd,omitempty"`
	Description string   `json:"description,omitempty"`
	Rate        uint32   `json:"sampling_rate,omitempty"`
	Algorithm   uint16   `json:"algorithm,omitempty"`
	Selectors   []uint64 `json:"selectors,omitempty"`

	Exporter      string `json:"exporter,omitempty"`       // its address
	SystemInit    string `json:"system_init,omitempty"`    // when it started
	ActiveTimeout int64  `json:"active_timeout,omitempty"` // seconds
	IdleTimeout   int64  `json:"idle_timeout,omitempty"`   // seconds

	Told     string `json:"told"` // when it was last told
	Age      int64  `json:"age_seconds"`
	Template uint16 `json:"template"` // by which
}

// Options is /devices/{device}/options.
type Options struct {
	Device  string   `json:"device"`
	Options []Option `json:"options"`
	Next
}

// optionTable names a table. The order is that of the page.
type optionTable uint8

const (
	tableExporter optionTable = iota
	tableSampling
	tableIngressVRF
	tableEgressVRF
	tableInterface
	tableSelector
	tableSampler
	tableSequence
	tablePerInterface
	numTables
)

func (t optionTable) String() string {
	return [...]string{
		"exporter", "sampling", "ingress-vrf", "egress-vrf", "interface", "selector", "sampler", "selection-sequence", "interface-sampling",
	}[t]
}

// optionKey is the place of an entry.
type optionKey struct {
	Domain uint32      `json:"d"`
	Table  optionTable `json:"t"`
	ID     uint64      `json:"i"`
}

func (k optionKey) compare(o optionKey) int {
	return cmp.Or(cmp.Compare(k.Domain, o.Domain), cmp.Compare(k.Table, o.Table), cmp.Compare(k.ID, o.ID))
}

// optionsPage lists the entries by domain, table and id: all keys are gathered first, then the lines of this page.
func optionsPage(rq *request) (answer, error) {
	after, err := afterKey[optionKey](rq)
	if err != nil {
		return nil, err
	}
	wanted, err := rq.optionFilter()
	if err != nil {
		return nil, err
	}
	var all []optionKey
	if err := each(rq, optionKeys, func(k optionKey) {
		if wanted(k) {
			all = append(all, k)
		}
	}); err != nil {
		return nil, err
	}
	part, more := pageOf(all, optionKey.compare, after, rq.limit)
	out := &Options{Device: rq.device.String(), Options: []Option{}}
	for i := 0; i < len(part); {
		if err := rq.slice(func(d *correlate.Device) (steps int) {
			for ; i < len(part) && steps < sliceSteps; i++ {
				out.add(rq, d, part[i])
				steps += lineSteps
			}
			return steps
		}); err != nil {
			return nil, err
		}
	}
	out.Next, err = nextAfter(rq, part, more)
	return out, err
}

// optionFilter reads the parameters domain and table.
func (rq *request) optionFilter() (func(optionKey) bool, error) {
	domain, any, err := rq.domain()
	if err != nil {
		return nil, err
	}
	only := numTables
	if text := rq.params.Get("table"); text != "" {
		var names []string
		for t := range numTables {
			names = append(names, t.String())
		}
		i := slices.Index(names, text)
		if i < 0 {
			return nil, badf("table %q is unknown, want one of %s", text, strings.Join(names, ", "))
		}
		only = optionTable(i)
	}
	return func(k optionKey) bool {
		return (any || k.Domain == domain) && (only == numTables || k.Table == only)
	}, nil
}

// optionKeys yields where the entries are. It may rest while the tables change.
func optionKeys(d *correlate.Device) iter.Seq[optionKey] {
	return func(yield func(optionKey) bool) {
		for domain, o := range d.Options().All() {
			if !yieldKeys(domain, o, yield) {
				return
			}
		}
	}
}

// yieldKeys yields the entries of a domain. The two that are always there count when they say something.
func yieldKeys(domain uint32, o *ipfix.Options, yield func(optionKey) bool) bool {
	for t, told := range map[optionTable]ipfix.Told{tableExporter: o.About, tableSampling: o.Default.Told} {
		if told.Updated != 0 && !yield(optionKey{domain, t, 0}) {
			return false
		}
	}
	return keysOf(o.IngressVRFs, domain, tableIngressVRF, yield) && keysOf(o.EgressVRFs, domain, tableEgressVRF, yield) &&
		keysOf(o.Interfaces, domain, tableInterface, yield) && keysOf(o.Selectors, domain, tableSelector, yield) &&
		keysOf(o.Samplers, domain, tableSampler, yield) && keysOf(o.Sequences, domain, tableSequence, yield) &&
		keysOf(o.PerIf, domain, tablePerInterface, yield)
}

func keysOf[K uint32 | uint64, V any](m map[K]V, domain uint32, t optionTable, yield func(optionKey) bool) bool {
	for id := range m {
		if !yield(optionKey{domain, t, uint64(id)}) {
			return false
		}
	}
	return true
}

// add describes an entry, unless it has gone meanwhile.
func (x *Options) add(rq *request, d *correlate.Device, k optionKey) {
	o := d.Options().Known(k.Domain)
	if o == nil {
		return
	}
	v := Option{Domain: k.Domain, Table: k.Table.String(), ID: &k.ID}
	told, ok := ipfix.Told{}, true
	switch id := uint32(k.ID); k.Table {
	case tableExporter:
		told = v.exporter(o)
	case tableSampling:
		v.ID, told = nil, v.sampling(o.Default)
	case tableIngressVRF:
		told, ok = v.vrf(o.IngressVRFs, id)
	case tableEgressVRF:
		told, ok = v.vrf(o.EgressVRFs, id)
	case tableInterface:
		var e ipfix.Interface
		e, ok = o.Interfaces[id]
		v.Name, v.Description, told = e.Name, e.Description, e.Told
	case tableSelector:
		told, ok = sampledBy(&v, o.Selectors, k.ID)
	case tableSampler:
		told, ok = sampledBy(&v, o.Samplers, k.ID)
	case tablePerInterface:
		told, ok = sampledBy(&v, o.PerIf, id)
	case tableSequence:
		var e ipfix.SelectionSequence
		e, ok = o.Sequences[k.ID]
		v.Selectors, told = e.Selectors, e.Told
	case numTables:
	}
	if ok {
		v.Told, v.Age, v.Template = when(told.Updated), rq.age(told.Updated), told.Template
		x.Options = append(x.Options, v)
	}
}

func (v *Option) exporter(o *ipfix.Options) ipfix.Told {
	v.ID, v.SystemInit = nil, when(o.SystemInit)
	v.ActiveTimeout, v.IdleTimeout = int64(o.ActiveTimeout/time.Second), int64(o.IdleTimeout/time.Second)
	if o.Exporter.IsValid() {
		v.Exporter = o.Exporter.String()
	}
	return o.About
}

func (v *Option) sampling(s ipfix.Sampling) ipfix.Told {
	v.Name, v.Rate, v.Algorithm = s.Name, s.Rate, s.Algorithm
	return s.Told
}

func (v *Option) vrf(vrfs map[uint32]ipfix.VRF, id uint32) (ipfix.Told, bool) {
	e, ok := vrfs[id]
	v.Name = e.Name
	if e.HasRD {
		v.RD = rib.RD(e.RD).String()
	}
	return e.Told, ok
}

func sampledBy[K comparable](v *Option, table map[K]ipfix.Sampling, id K) (ipfix.Told, bool) {
	e, ok := table[id]
	return v.sampling(e), ok
}

func (x *Options) text(w io.Writer) {
	fmt.Fprintln(w, "DOMAIN\tTABLE\tID\tNAME\tSAYS\tAGE\tTEMPLATE")
	for i := range x.Options {
		v := &x.Options[i]
		id := "-"
		if v.ID != nil {
			id = fmt.Sprint(*v.ID)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\n", v.Domain, v.Table, id, dash(plain(v.Name)), dash(v.says()), ageText(v.Age), v.Template)
	}
}

// says puts what an entry says beside its name into words.
func (v *Option) says() string {
	var said []string
	add := func(is bool, format string, args ...any) {
		if is {
			said = append(said, fmt.Sprintf(format, args...))
		}
	}
	add(v.RD != "", "rd %s", v.RD)
	add(v.Description != "", "%s", plain(v.Description))
	add(v.Rate != 0, "1 of %d", v.Rate)
	add(v.Algorithm != 0, "algorithm %d", v.Algorithm)
	add(len(v.Selectors) > 0, "selectors %v", v.Selectors)
	add(v.Exporter != "", "address %s", v.Exporter)
	add(v.SystemInit != "", "started %s", v.SystemInit)
	add(v.ActiveTimeout != 0, "active timeout %ds", v.ActiveTimeout)
	add(v.IdleTimeout != 0, "idle timeout %ds", v.IdleTimeout)
	return strings.Join(said, ", ")
}
