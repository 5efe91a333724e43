// Package rib holds the BGP routes of one device as BMP tells them: its peers, their views, its VRFs and the
// longest-prefix match that answers flows. It owns the life cycle of routes (dump, stale, swept, gone) and the table
// of path attributes shared by all devices of a worker. Parsing BMP, choosing the VRF of a flow and the wall clock are
// left to others: times are passed in.
//
// # Structure
//
//	RIB ── VRF (by RD) ── view ── IP version ── table: trie ─► head entry ─► next entry …   (one prefix's paths)
//	RIB ── peer ── source (view, family) ── feed (one VRF, one sync)  ◄── entry.feed
//
// An entry is 24 octets without pointers in a chunked arena; the addresses, which only the clean-up and prefixes without neighbours
// need, lie beside the entries. The trie's value names the first entry and its attributes, so a lookup waits for memory
// four times in a large IPv4 table: jump, node, slot, then entry and attributes at once. The first entry is kept the best by the
// decision process, since lookups are far more frequent than changes; only a next hop that the best path does not
// have makes a lookup walk the chain. Who has many lookups to make names them to Ahead first, and the waits of all of them overlap.
//
// The trie is our own because the chains of a full table are most of the memory after the entries: it takes 15 octets per IPv4 prefix and
// 50 per IPv6 prefix where bart takes 42, and answers in two thirds of the time. Tests compare the two.
//
// # Figures
//
// From the benchmarks, on two shared cores that were busy with other work (about 2.7 times slower than they are alone): ratios say more
// than nanoseconds. 1 M routes of the Internet's shape, a sixth of them IPv6, with 64 k attribute sets per peer.
//
//	memory per route            75 octets of heap: entry 30, trie 15 per IPv4 prefix and 50 per IPv6 prefix, attributes 23
//	  resident, cache included  102 octets with 1.2 M routes of 1 peer, 74 with 500 k of 4, 77 with 4 devices of 300 k
//	socket to RIB               1.2 to 1.5 µs of CPU a route, 10 to 13 % of it for the garbage collector
//	lookup, uniform / zipf      1.1 / 0.6 µs; LookupAt takes 3 to 10 % more (300 routes, all in cache: 0.16 µs)
//	  20 pairs after Ahead      0.35 of the time of the same lookups alone, uniform, the join around them included
//	  4 peers, best path        1.2 / 0.7 µs
//	  4 peers, unknown hop      2.8 / 1.9 µs
//	  without huge pages        1.7 times as long uniform, 1.3 times zipf
//	Peer Down                   under 25 µs, then in slices: 0.05 µs per route, 0.7 µs where other peers' routes are among them
//	history                     76 octets a version of an IPv4 route, 88 of an IPv6 route
//	live image                  38 octets a route and 18 a version, attributes included; a version takes 0.3 µs to write and 0.6 to take up
//
// # Huge pages
//
// Tables of more than 32768 routes are moved to huge pages by Tick, two pages a call, by the kernel's MADV_COLLAPSE (Linux 6.1). Older
// kernels refuse it, and an operator who has set transparent huge pages to never is obeyed: lookups are slower then, no
// more.
//
// # Quotas
//
// Options limit a device's routes, peers, sources and octets of path attributes. What is beyond them is refused and counted, and
// the device is marked (Totals.OverQuota) until the sources that lack routes begin their next dump. A set of attributes that
// several devices tell is on the account of the first one.
//
// # Life cycle
//
// Each dump of a source into a VRF is a feed. Peer Up makes the feeds of the peer stale and lets new ones begin; a route
// that is told again moves to the new feed; End-of-RIB kills what is left in the old ones. Killing a feed changes one
// flag and a few counters, whatever its size: lookups and counts are exact at once, and Tick reclaims dead entries in
// slices as small as its caller wants. A table without a live route is dropped whole.
//
// # History
//
// LookupAt answers with the routes that were valid at a time. A route is valid from its own time (by the device's clock) until the
// time of what replaced or withdrew it, or the Peer Down or End-of-RIB that ended it; what a source tells in its first dump counts as
// valid since ever, and in a later one since the gap before it began. Routes that go with a stale session's timeout
// leave nothing, since nobody knows when they ended.
//
// A route that ended is a version: its entry, with a second trie per table to find it. A table that lost its last route stays as a ghost
// with its trie and entries, and the dead entries of a living one answer until the clean-up makes versions of them, so that a
// Peer Down costs what it did. Every node of a trie has a stamp, the time of the latest change below it: most
// questions see that nothing has changed since and are answered as by Lookup. Versions go after Options.History, or sooner, the
// oldest first and counted, when they take more than Options.HistoryBytes; what flaps faster than 256 times in that time
// has a shorter history than the rest. Path attributes are held by reference and not counted.
//
// # Ownership
//
// A RIB and the Intern behind it belong to one goroutine; there are no locks. All RIBs of a worker share one Intern.
package rib
