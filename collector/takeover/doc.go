// Package takeover is the way by which a running worker hands its slot to the process that replaces it: a Unix socket per slot, on which
// only the same user is heard, and messages on it that may carry a descriptor. What is said is the collector's; who may say it, how
// much of it there may be, and how versions find out that they do not understand each other is decided here.
//
//	new process                         running worker
//	    Dial, Hello  ──────────────────►  Accept, Hello
//	    Receive      ◄──────────────────  Send, with descriptors
//	    Send         ──────────────────►  Receive
//
// A message is sent in frames of at most 1 MiB:
//
//	+------+-------+--------------------+---------+
//	| kind | flags | length, big-endian | payload |      flags: 1 more frames of this message follow
//	|  1   |   1   |         4          |         |             2 a descriptor came with the header
//	+------+-------+--------------------+---------+
//
// The hello is the one thing that no version may change: "telcol takeover ", the version as one octet, and what follows is a message of
// that version.
package takeover
