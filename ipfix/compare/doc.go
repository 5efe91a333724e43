// Package compare measures package ipfix beside what others do with the same octets: goflow2 v2 (BSD-3-Clause), whose
// decoder makes a list of fields and whose producer makes a Protocol Buffers message or JSON of it, and go-ipfix, which makes
// an element with a value for every field. It is a module of its own, so that telcol depends on neither more than
// it does, and holds nothing but benchmarks:
//
//	make bench-compare
package compare
