package bmp

import "github.com/telcol/telcol/bmp/bgp"

// Counters are what a Session has seen. They only grow.
type Counters struct {
	Messages      [TypeUnknown + 1]uint64 // by MessageType, unknown ones last
	Malformed     uint64                  // messages for which Decode returned an error
	Downs         [DownUnknown + 1]uint64 // Peer Downs by reason, unknown ones last
	Statistics    uint64                  // counters and gauges in Statistics Reports
	OddStatistics uint64                  // of them, those whose value has a length that no number has
	Mirrored      uint64                  // BGP messages in Route Mirroring
	MirrorErrors  uint64                  // Route Mirroring that says that the BGP message is faulty
	MirrorLosses  uint64                  // Route Mirroring that says that the router could not mirror everything
	UnknownTLVs   uint64                  // TLVs of unknown types, skipped by their length
	// UnknownPeerTypes counts messages of peers whose type is not known: see Peer.TypeKnown.
	UnknownPeerTypes uint64
	// PathIDsFlipped counts how often a view was found to have path identifiers against, or again as, its peer's OPENs say.
	PathIDsFlipped uint64
	BadOpens       uint64 // OPENs in Peer Ups that could be read in part only
	NoPeerUp       uint64 // Route Monitoring of peers without Peer Up, read with the defaults
	PeersRefused   uint64 // Peer Ups beyond Config.MaxPeers
	Trailing       uint64 // octets behind the UPDATE of Route Monitoring that are no TLVs
	BGP            bgp.Counters
}

// Counters returns the counts so far.
func (s *Session) Counters() Counters {
	c := s.count
	c.BGP = s.dec.Counters
	return c
}

// fields lists the single counters, for those who walk them.
func (c *Counters) fields() [13]*uint64 {
	return [...]*uint64{
		&c.Malformed, &c.Statistics, &c.OddStatistics, &c.Mirrored, &c.MirrorErrors, &c.MirrorLosses,
		&c.UnknownTLVs, &c.BadOpens, &c.NoPeerUp, &c.PeersRefused, &c.Trailing, &c.PathIDsFlipped,
		&c.UnknownPeerTypes,
	}
}

// Add adds the counts of another session.
func (c *Counters) Add(d *Counters) {
	bgp.AddCounts(c.Messages[:], d.Messages[:])
	bgp.AddCounts(c.Downs[:], d.Downs[:])
	from := d.fields()
	for i, n := range c.fields() {
		*n += *from[i]
	}
	c.BGP.Add(&d.BGP)
}

// Sub takes away earlier counts of the same session, so that what is left was counted since.
func (c *Counters) Sub(d *Counters) {
	bgp.SubCounts(c.Messages[:], d.Messages[:])
	bgp.SubCounts(c.Downs[:], d.Downs[:])
	from := d.fields()
	for i, n := range c.fields() {
		*n -= *from[i]
	}
	c.BGP.Sub(&d.BGP)
}
