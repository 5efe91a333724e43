// Package replay plays captures of routers against a collector: the TCP payloads of a router over a connection of its own
// (BMP, and IPFIX where they begin with a message of it), its UDP payloads as datagrams (IPFIX, NetFlow v9), from an address per
// router, in order and in time. It does not look into datagrams: what else is in a capture is to be filtered out first.
//
// # Time
//
// Every file begins at the same moment, and within a file the packets go by their time and keep their distances, divided
// by the speed. A file whose packets are not in the order of their time is sorted, for which it must fit into memory. Files
// that continue each other are to be merged first. At speed 0 nothing waits, but for the gap: a router's first
// datagram leaves at least that long after its last BMP octet before it, so that a collector has its routes when
// the flows come.
//
// # Addresses
//
// A router's packets come from its own address or the one that it is mapped to, which must exist on this machine: any of
// 127.0.0.0/8, or one added to lo. When the collector's address is of the other family and on this host, the
// loopback address of the router's family is used.
//
// # Streams
//
// A TCP stream is what has the same addresses and ports in a file. Octets are sent once and in the order of their
// sequence numbers: retransmissions are dropped, what came early waits, within bounds. The SYN may carry data, and may
// count in the sequence space or not, as in captures that were made up. A stream that misses octets stops there, and
// Run says so, since nothing behind a gap makes sense. A connection stays open until the end, even if the router closed
// it, unless the router opened a new one.
package replay
