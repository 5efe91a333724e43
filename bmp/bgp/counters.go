package bgp

// Counters are what a Decoder has seen. They only grow.
type Counters struct {
	Updates      uint64                       // UPDATEs given to DecodeUpdate
	Outcomes     [OutcomeMalformed + 1]uint64 // UPDATEs by Outcome
	CacheHits    uint64                       // attribute sets found
	CacheMisses  uint64                       // attribute sets decoded
	WidthGuessed uint64                       // attribute sets whose AS numbers were read in the unlikely width, for only that made sense
	Panics       uint64                       // panics of gobgp that were contained
	OtherRoutes  uint64                       // routes of families without prefixes, decoded to text
	OtherSkipped uint64                       // octets of such routes that were not decoded
}

// fields lists the single counters, for those who walk them.
func (c *Counters) fields() [7]*uint64 {
	return [...]*uint64{
		&c.Updates, &c.CacheHits, &c.CacheMisses, &c.WidthGuessed, &c.Panics, &c.OtherRoutes, &c.OtherSkipped,
	}
}

// Add adds the counts of another decoder.
func (c *Counters) Add(d *Counters) {
	AddCounts(c.Outcomes[:], d.Outcomes[:])
	from := d.fields()
	for i, n := range c.fields() {
		*n += *from[i]
	}
}

// Sub takes away earlier counts of the same decoder.
func (c *Counters) Sub(d *Counters) {
	SubCounts(c.Outcomes[:], d.Outcomes[:])
	from := d.fields()
	for i, n := range c.fields() {
		*n -= *from[i]
	}
}

// AddCounts adds b to a, which are of one length.
func AddCounts(a, b []uint64) {
	for i := range a {
		a[i] += b[i]
	}
}

// SubCounts takes b from a.
func SubCounts(a, b []uint64) {
	for i := range a {
		a[i] -= b[i]
	}
}
