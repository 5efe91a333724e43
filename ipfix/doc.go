// Package ipfix decodes IPFIX (RFC 7011) and NetFlow v9 (RFC 3954) messages into flows.
//
// It owns the messages, sets, templates and options of one exporting device and what they mean: a
// [Session] holds the templates of one transport session, a [Tables] what the device told in options
// data, a [Model] names and types the information elements, a [Flow] is one record with the meaning
// of its elements applied, and a [Builder] writes messages. It leaves sockets, clocks, goroutines,
// logs and metrics to its callers: time is passed in, and what happens is counted in plain structs.
//
// A message is a header and sets. The two protocols differ in the header and in the set ids of
// templates (IPFIX 2 and 3, NetFlow v9 0 and 1); all numbers are big-endian.
//
//	IPFIX                                  NetFlow v9
//	+--------+--------+--------+--------+  +--------+--------+--------+--------+
//	|   version 10    |  message octets |  |    version 9    |      count      |
//	|       export time, seconds        |  |        sysUptime, milliseconds    |
//	|  sequence number: data records    |  |       export time, seconds        |
//	|       observation domain id       |  |   sequence number: messages       |
//	+--------+--------+--------+--------+  |             source id             |
//	                                       +--------+--------+--------+--------+
//
//	set                                    template record in a template set
//	+--------+--------+--------+--------+  +--------+--------+--------+--------+
//	|     set id      |   set octets    |  | template id>255 |   field count   |
//	|  records, then up to 3 octets or  |  |E| element id    |  field octets   |  once per field;
//	|  more of zero padding             |  |  enterprise number, only if E     |  65535 octets: variable
//	+--------+--------+--------+--------+  +--------+--------+--------+--------+
//
// An options template record has a scope field count after its field count (IPFIX), or the octets of
// its scope and option fields in place of the field count (NetFlow v9). A data record is its fields
// without any framing. A field of variable length begins with its length in one octet, or with 255 and
// the length in two.
//
// # Templates and plans
//
// The length of a field is what the template says, never what the registry says: exporters send
// numbers in fewer octets and strings in fixed ones. A template is compiled once, when it is learnt,
// into a plan: offsets and operations for the fields that a Flow has, nothing for the others. Running a
// plan allocates nothing.
//
// Templates with the elements of two packets (a tunnel and what is in it) have two plans, chosen for
// each record: where the first protocol says that something is inside, the first occurrence of an element is
// the outer packet and the last the inner; else the first alone is the packet. Templates with the
// addresses of both families are chosen alike, by the family whose addresses are filled.
//
// # Untrusted input
//
// Every length is compared with the octets that are left before it is used, nothing is allocated from a
// length on the wire, and what a device can make us keep is bounded by [Config]. What is refused is
// counted and the rest goes on; where framing is lost, the rest of the message is.
//
// # Ownership
//
// A Session and the Tables it feeds belong to one goroutine. A Model does not change after it is made and
// may be shared. A decoded message is not kept: values of a record point into it and are valid during the
// handler's call only.
package ipfix
