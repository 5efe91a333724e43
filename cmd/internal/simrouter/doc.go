// Package simrouter plays routers: from a source address of its own, each tells its routes over BMP and exports flows into
// them over IPFIX. The demo, the end-to-end tests and the benchmarks use it.
//
// A [Device] is one router without its sockets: what it would send, and the right answer to every flow. All of it follows from a
// seed by arithmetic: the prefix of route number i, its attributes and the content of flow number n are computed when asked for, so
// that thousands of routes take no memory and a [Checker] can tell, from an enriched record alone, what should stand in it. A
// [Router] gives a Device its sockets, sends at a steady rate and comes back when a session is lost; a [Fleet] is many of them.
//
// # Tables
//
// A device has a global table and one for each VRF, IPv4 and IPv6. VRFs use the same addresses with other routes, so that a join
// in the wrong VRF gives a wrong answer and not none. A table is cut into blocks, one for each route, eight routes to a pattern:
//
//	0-4  a /24 (/48) at the start of its block, the rest of the block has no route
//	5    the whole block, /22 (/44)
//	6    the whole block
//	7    a /25 (/56) inside the block of route 6: the longer prefix answers there
//
// Of each 16 routes one changes its attributes from time to time, and one, to which no flow goes, comes and goes.
//
// # Dialects
//
// Devices differ, as routers do: in the view they tell (Loc-RIB, or Adj-RIB-In after policy), in how they tell a VRF (a Loc-RIB or
// a peer with a route distinguisher, or VPN routes), in VRF ids and in interface names. Each tells some routes with other attributes
// in a view that must not answer.
package simrouter
