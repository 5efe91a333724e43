// Package rib holds the BGP routes of one device as BMP tells them: its peers, their views, its VRFs and the
// longest-prefix match that answers flows. It owns the life cycle of routes (dump, stale, swept, gone) and the table
// of path attributes shared by all devices of a worker. Parsing BMP, choosing the VRF of a flow and the wall clock are
// left to others: times are passed in.
//
// # Structure
//
//	RIB ── VRF (by RD) ── view ── IP version ── table: bart trie ─► head entry ─► next entry …   (one prefix's paths)
//	RIB ── peer ── source (view, family) ── feed (one VRF, one sync)  ◄── entry.feed
//
// An entry is 24 octets without pointers in a chunked arena; the addresses, which only the clean-up needs, lie beside
// the entries, so a lookup touches the trie, an entry and its attribute set.
//
// # Life cycle
//
// Each dump of a source into a VRF is a feed. Peer Up makes the feeds of the peer stale and lets new ones begin; a route
// that is told again moves to the new feed; End-of-RIB kills what is left in the old ones. Killing a feed changes one
// flag and a few counters, whatever its size: lookups and counts are exact at once, and Tick reclaims dead entries in
// slices as small as its caller wants. A table without a live route is dropped whole.
//
// # Ownership
//
// A RIB and the Intern behind it belong to one goroutine; there are no locks. All RIBs of a worker share one Intern.
package rib
