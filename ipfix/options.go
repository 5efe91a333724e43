package ipfix

import (
	"iter"
	"net/netip"
	"time"
)

// Told says where an entry of an option table comes from.
type Told struct {
	Updated  int64  // when the record that last said it was decoded, Unix nanoseconds: the device's clock may be wrong
	Template uint16 // of that record
}

// VRF is what an exporter said of a VRF id in options data.
type VRF struct {
	Name  string // VRFname (236), NULs and blanks trimmed; "" when not told
	RD    uint64 // mplsVpnRouteDistinguisher (90), big-endian
	HasRD bool
	Told
}

// Interface is what an exporter said of an interface index in options data.
type Interface struct {
	Name        string // interfaceName (82)
	Description string // interfaceDescription (83)
	Told
}

// Sampling is what an exporter said of a selector or sampler in options data.
type Sampling struct {
	Rate      uint32 // one out of this many packets, 0 when what was told does not say
	Algorithm uint16 // selectorAlgorithm (304), else samplingAlgorithm (35) or samplerMode (49)
	Name      string // selectorName (335), else samplerName (84)
	Told
}

// SelectionSequence is what an exporter said of the selectors that packets pass one behind the other (RFC 5476 section 6.5.1).
type SelectionSequence struct {
	Selectors []uint64 // ids, in order
	Told
}

// Options holds the option tables of one device's observation domain. It belongs to the goroutine that decodes. The maps
// hold what this domain was told; the methods also answer from domain 0, which RFC 7011 section 3.1 has for what
// concerns the whole exporter.
type Options struct {
	IngressVRFs map[uint32]VRF       // by ingressVRFID (234)
	EgressVRFs  map[uint32]VRF       // by egressVRFID (235)
	Interfaces  map[uint32]Interface // by ingressInterface (10), egressInterface (14)

	Selectors map[uint64]Sampling          // by selectorId (302)
	Samplers  map[uint64]Sampling          // by samplerId (48)
	Sequences map[uint64]SelectionSequence // by selectionSequenceId (301)
	PerIf     map[uint32]Sampling          // by ingressInterface (10), told without a selector or sampler
	Default   Sampling                     // told for the exporter or the domain as a whole

	SystemInit    int64         // systemInitTimeMilliseconds (160), Unix nanoseconds, 0 when not told
	Exporter      netip.Addr    // exporterIPv4Address (130), exporterIPv6Address (131)
	ActiveTimeout time.Duration // flowActiveTimeout (36)
	IdleTimeout   time.Duration // flowIdleTimeout (37)
	About         Told          // when one of these four was last told

	tables  *Tables
	general *Options // of domain 0, nil in itself
	changes uint32   // counts changes of sampling, for rateCache

	namesDefault bool // see Distinguisher
}

// defaultVRF is what IOS XR and others call the default table, and the one that they tell with a route distinguisher of zero on purpose.
const defaultVRF = "default"

// isDefault reports whether a VRF is told to be the default table by its name.
func (v *VRF) isDefault() bool { return v.HasRD && v.RD == 0 && v.Name == defaultVRF }

// Distinguisher gives the route distinguisher of a VRF of this domain; false when it is not known, or when the VRF has none. IOS XR tells a
// distinguisher of zero of its default table and of VRFs without one alike, so that once one is named "default", the others
// have none. Zero is the default table.
func (o *Options) Distinguisher(v VRF) (rd uint64, ok bool) {
	return v.RD, v.HasRD && (v.RD != 0 || v.Name == defaultVRF || !o.defaultNamed())
}

func (o *Options) defaultNamed() bool {
	for ; o != nil; o = o.general {
		if o.namesDefault {
			return true
		}
	}
	return false
}

// IngressVRF returns what is known of an ingress VRF id. An exporter that told the id as an egress VRF only meant the same VRF.
func (o *Options) IngressVRF(id uint32) (VRF, bool) {
	for ; o != nil; o = o.general {
		if v, ok := o.IngressVRFs[id]; ok {
			return v, true
		}
		if v, ok := o.EgressVRFs[id]; ok {
			return v, true
		}
	}
	return VRF{}, false
}

// EgressVRF returns what is known of an egress VRF id. An exporter that told the id as an ingress VRF only meant the same VRF.
func (o *Options) EgressVRF(id uint32) (VRF, bool) {
	for ; o != nil; o = o.general {
		if v, ok := o.EgressVRFs[id]; ok {
			return v, true
		}
		if v, ok := o.IngressVRFs[id]; ok {
			return v, true
		}
	}
	return VRF{}, false
}

// Interface returns what is known of an interface index.
func (o *Options) Interface(index uint32) (Interface, bool) {
	for ; o != nil; o = o.general {
		if v, ok := o.Interfaces[index]; ok {
			return v, true
		}
	}
	return Interface{}, false
}

// ExporterAddr returns the address that the exporter said it has, the zero address when it did not.
func (o *Options) ExporterAddr() netip.Addr {
	for ; o != nil; o = o.general {
		if o.Exporter.IsValid() {
			return o.Exporter
		}
	}
	return netip.Addr{}
}

// systemInit returns the start of the system, 0 when not told.
func (o *Options) systemInit() int64 {
	for ; o != nil; o = o.general {
		if o.SystemInit != 0 {
			return o.SystemInit
		}
	}
	return 0
}

// Len gives the number of entries in the tables.
func (o *Options) Len() int {
	return len(o.IngressVRFs) + len(o.EgressVRFs) + len(o.Interfaces) + len(o.Selectors) + len(o.Samplers) +
		len(o.Sequences) + len(o.PerIf)
}

// Tables holds the option tables of a device by observation domain. Sessions of the device may share it; it belongs to the
// goroutine that decodes.
type Tables struct {
	// Refused counts entries and domains that were not taken for Config.MaxOptions and Config.MaxDomains.
	Refused uint64
	// Changed counts entries that were new or said something else than before.
	Changed uint64
	// Expired counts entries dropped after Config.OptionsAge.
	Expired uint64
	// Records counts the options records that were read.
	Records uint64

	cfg     Config
	domains map[uint32]*Options
	entries int
	use     usage
}

// usage is what the sessions of a device keep together, for the quotas that are the device's.
type usage struct {
	templates, fields   int
	heldSets, heldBytes int
}

// Kept gives what the sessions of the device keep: templates, and data sets that wait for one with the octets they take.
func (t *Tables) Kept() (templates, sets, octets int) {
	return t.use.templates, t.use.heldSets, t.use.heldBytes
}

// NewTables returns empty tables with the limits of cfg.
func NewTables(cfg Config) *Tables {
	t := &Tables{cfg: cfg.withDefaults(), domains: make(map[uint32]*Options)}
	t.domains[0] = &Options{tables: t}
	return t
}

// Domain returns the tables of a domain, empty when it told nothing. It returns those of domain 0 when there are too many domains.
func (t *Tables) Domain(id uint32) *Options {
	if o := t.domains[id]; o != nil {
		return o
	}
	if len(t.domains) > t.cfg.MaxDomains {
		t.Refused++
		return t.domains[0]
	}
	o := &Options{tables: t, general: t.domains[0]}
	t.domains[id] = o
	return o
}

// Known returns the tables of a domain, nil when it has none.
func (t *Tables) Known(id uint32) *Options { return t.domains[id] }

// All goes over the domains in no order.
func (t *Tables) All() iter.Seq2[uint32, *Options] {
	return func(yield func(uint32, *Options) bool) {
		for id, o := range t.domains {
			if !yield(id, o) {
				return
			}
		}
	}
}

// Len gives the number of entries of all domains.
func (t *Tables) Len() int { return t.entries }

// Expire drops entries that were not told again within Config.OptionsAge.
func (t *Tables) Expire(now int64) {
	if t.cfg.OptionsAge < 0 {
		return
	}
	before := now - int64(t.cfg.OptionsAge)
	for _, o := range t.domains {
		n := expire(o.IngressVRFs, before) + expire(o.EgressVRFs, before) + expire(o.Interfaces, before)
		s := expire(o.Selectors, before) + expire(o.Samplers, before) + expire(o.Sequences, before) + expire(o.PerIf, before)
		if s > 0 {
			o.changes++
		}
		t.entries -= n + s
		t.Expired += uint64(n + s)
	}
}

// dated is an entry that knows when it was told.
type dated interface{ told() int64 }

func (t Told) told() int64 { return t.Updated }

// expire drops entries told before a time and gives their number.
func expire[K comparable, V dated](m map[K]V, before int64) int {
	n := len(m)
	for k, v := range m {
		if v.told() < before {
			delete(m, k)
		}
	}
	return n - len(m)
}
