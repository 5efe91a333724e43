// Package interop holds the tests against exporters that others wrote: softflowd, pmacctd's nfprobe, Open vSwitch and
// go-ipfix's exporting process. Each watches the same made-up traffic and exports it to a telcol worker and, where it can, to
// nfcapd as well. What came out of telcol must be what was on the wire, what the exporter counted, and what nfcapd stored.
//
// The tests need root, and install the programs where they can; see package daemons. They have no code of the product.
package interop
