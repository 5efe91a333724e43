// Package bgp turns the BGP messages that BMP carries into telcol's own values. The decoding of path attributes,
// capabilities and unusual address families is gobgp's; gobgp.go is the only file that calls it, with recover, so that
// an attribute which trips it costs that attribute and nothing else.
//
// An UPDATE (RFC 4271 section 4.3) is walked here and not by gobgp:
//
//	19 octets header | 2 withdrawn length | withdrawn NLRI | 2 attributes length | attributes | NLRI
//	attribute: flags(1) type(1) length(1, or 2 with flag 0x10) value
//	NLRI:      [path id(4)] bits(1) [labels(3 each)] [route distinguisher(8)] prefix
//
// because that walk is where correctness and speed are decided: the AS width and ADD-PATH come from the session and are
// not guessed, an error is contained to what RFC 7606 says, and the attributes of one route are those of thousands of
// others. A Decoder looks the raw bytes of all attributes up in a Cache, and only on a miss asks gobgp.
//
// The package holds no session state: widths and ADD-PATH arrive as Params with each message. It leaves the meaning of
// a route to its callers.
package bgp
