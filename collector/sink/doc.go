// Package sink owns the way out of a worker: it takes encoded records, holds them in bounded memory until they are delivered, and
// knows of each what became of it. It sees keys and bytes only; what they mean is left to package record.
//
// A record travels
//
//	Get ─► Item ─► Send ─┬───────────────► client ─► brokers ─► promise ─► free list ─► Get
//	                     └► waiting line ─┘   │
//	                          │ full          └ refused for good
//	                          ▼               ▼
//	                       lost, by reason, oldest first
//
// The client holds the records that are on their way, up to a window per topic; what it has taken cannot be taken back without the risk of
// duplicates, but for those of a topic that is deleted and created again, which come back to the line (renew.go). The waiting line in front of it holds the rest, and there the oldest record is dropped when memory is
// full. A spool on disk will stand between the line and the loss: see Kafka.makeRoom.
//
// Every record given to Send is, at any time, counted in exactly one of delivered, waiting and lost by reason.
package sink

import "errors"

// ErrUndelivered is returned by Flush when records were left at the deadline. They wait until Close, which counts them as lost.
var ErrUndelivered = errors.New("records were not delivered in time")
