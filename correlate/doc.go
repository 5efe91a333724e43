// Package correlate owns the devices of a worker and joins their flows with their routes.
//
// A Correlator is the state of all devices that are steered to one worker: per device the IPFIX template scopes and option
// tables (package ipfix), the routes told by its BMP sessions (package rib) and its names. One goroutine owns it and calls every
// method of it, so that a join takes no lock. What may run elsewhere is the parsing of a BMP session: a Feed decodes messages in the
// session's own goroutine and collects route operations into a Batch, which the owner then applies with Correlator.Apply.
//
//	datagram ─► Correlator.Message ─► ipfix.Session ─► join with rib.RIB ─► handler(*Record)
//	BMP bytes ─► Feed (session's goroutine) ─► Batch ─► Correlator.Apply (owner) ─► rib.RIB
//
// # The join
//
// A flow belongs to a VRF: by the route distinguisher in its record, else by the options table of its observation domain. A VRF
// whose distinguisher is unknown is never guessed, and the default table is a VRF like any other. In that VRF the longest prefix of the
// best view that has the address family answers: Loc-RIB, then Adj-RIB-In post-policy, then pre-policy. Among the paths of that prefix
// the flow's own BGP next hop chooses, else the decision steps of BGP.
//
// Flows are joined by the batch, as many as a datagram has of one set. What costs in a join is to wait for memory, so the RIB is told of
// all their addresses before the first is looked up: what they need is then fetched at the same time.
//
// # BMP sessions
//
// Peers are known by their address, distinguisher and class (bmp.Peer.Key), and each has sources: a view (Loc-RIB, Adj-RIB-In or
// Adj-RIB-Out before or after policy) and a family. Peer Up begins a new sync of them, End-of-RIB or quiet ends it and sweeps what was not
// told again, Peer Down removes everything at once. The end of a session, Termination included, makes stale what it has told; that
// goes when another session has told it again or after a timeout.
//
// A device may have several sessions at once, before the loss of an old one is noticed or on purpose, one for each view. Every
// source then belongs to the newest session that has told anything of it; what an older one still says about it is counted as
// superseded and left out, and its end does not touch it. See rib.Session.
//
// Route counts in statistics reports are compared with the RIB (Drift), quotas of routes and peers are a mark on the device
// (Refused).
//
// Sockets, clocks, logs and metrics belong to package collector; the correlator counts in plain fields.
package correlate
