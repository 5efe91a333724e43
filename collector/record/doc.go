// Package record owns the public schema of the enriched flow record and its encoders.
//
// It turns one [correlate.Record] into the bytes of one message. It opens nothing, reads no clock, keeps no record and
// knows neither Kafka nor the join: what a field says was decided by package ipfix (what the exporter sent) or
// package correlate (which route answered), and how the bytes travel is up to package sink.
//
// # JSON
//
// One flat object in UTF-8, without blanks and without a line end. "type" comes first, so that a reader of mixed
// lines can tell records apart by their first octets; no other order is promised.
//
//	{"type":"flow","schema":1,"record_id":"33312-1700000000-77-4","device":"192.0.2.1", ... ,"join_as_of":"flow-end"}
//	 └─────────────── of the message, rendered once ───────────────┘ └ of the flow ┘ └ of the routes, cached ┘
//
// What a reader may rely on:
//
//   - A field is left out when it is not known. Zero is a value, absence is not: an exporter that does not send a
//     counter has no counter here, and "sampling_rate" without a number is unknown, not 1.
//   - An array is an array whatever it holds. For a route that was found, "src_as_path" ("dst_as_path") is always
//     there, and is [] for a route of the device's own AS: every route has a path. The other attributes of a route
//     are optional in BGP, so their fields are there when the route has them: no "src_communities" on a joined
//     record means a route without communities.
//   - Numbers are decimal integers: AS numbers, counters, ports, flags, "etype" and "forwarding_status" too. Counters
//     use all 64 bits.
//   - Times are RFC 3339 in UTC with nine digits of fraction, always 30 characters.
//   - Addresses and prefixes are text in the canonical form of RFC 5952, MAC addresses are six octets in lower case
//     with colons.
//   - "record_id" is domain, export time in seconds, sequence number and position in the message, joined by "-". It
//     depends on nothing but the datagram: a device's record keeps it when the datagram is decoded again.
//   - Names told by devices may hold any octet. They are escaped, and octets that are not UTF-8 become U+FFFD.
//   - "extra" is there when it was asked for, see [WithExtra]. Its values are written by package ipfix; numbers in it,
//     unlike all others, may be negative or have a fraction.
//   - "join_src" and "join_dst" are there when the flow has the address; "join_as_of" when at least one of them is.
//
// Texts of communities: "64496:299", with the names no-export, no-advertise, no-export-subconfed (RFC 1997) and
// blackhole (RFC 7999); "64496:1:2" for large ones (RFC 8092). Extended communities have the forms listed at
// [AppendExtCommunity]; what has no form there is "0x" and 16 hexadecimal digits. Order is that of the numbers.
package record

// Values that a message carries about its own content, for instance in Kafka headers.
const (
	// Type is the record's "type" field.
	Type = "flow"
	// Schema is the record's "schema" field. A change that breaks a reader raises it.
	Schema = 1
	// SchemaText is Schema as text, for headers.
	SchemaText = "1"
	// ContentTypeJSON is the media type of what [Encoder.AppendJSON] writes.
	ContentTypeJSON = "application/json"
)
