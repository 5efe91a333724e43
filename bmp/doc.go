// Package bmp reads and writes the BGP Monitoring Protocol: version 3 of RFC 7854 with Adj-RIB-Out (RFC 8671) and
// Loc-RIB (RFC 9069), and the TLV form of Route Monitoring in version 4 (draft-ietf-grow-bmp-tlv).
//
// A message is a common header, for most types a per-peer header, and a body, all big-endian:
//
//	common    version(1) length(4, of the whole message) type(1)
//	per-peer  type(1) flags(1) distinguisher(8) address(16) AS(4) BGP id(4) seconds(4) microseconds(4)
//
//	0 Route Monitoring   per-peer, BGP UPDATE
//	1 Statistics Report  per-peer, count(4), TLVs
//	2 Peer Down          per-peer, reason(1), data
//	3 Peer Up            per-peer, local address(16) local port(2) remote port(2) sent OPEN, received OPEN, TLVs
//	4 Initiation         TLVs
//	5 Termination        TLVs
//	6 Route Mirroring    per-peer, TLVs
//
//	TLV       type(2) length(2) value; in version 4 Route Monitoring: type(2) length(2) index(2) value
//
// A Reader cuts a byte stream into messages, a Session decodes them and remembers from each Peer Up how that peer's
// UPDATEs are written: AS width and ADD-PATH. Both belong to one goroutine; the cache of decoded attributes is shared.
// BGP itself is in package bmp/bgp.
//
// What routers do beyond the RFCs is accepted here and said next to the line: Peer Ups under another peer type or
// another policy flag than their routes, routes without Peer Up, Peer Down without Peer Up.
//
// The package owns bytes and their meaning within one session. It leaves to its callers the sockets, what a lost session
// means, and the routing tables.
package bmp
