package ipfix

import "sync"

// BatchFlows is how many flows a BatchHandler is given at most: all of a usual datagram's, and few enough that they and what they need
// fit in a processor's nearest caches.
const BatchFlows = 24

// batch is the flows of a set that have been decoded and not been given to the handler, with the memory they need. Sessions share
// batches: that of the last message is still in the processor's caches, whichever device it was of.
type batch struct {
	flows [BatchFlows]Flow
	spans [BatchFlows][]span // of the flows' records
	n     int
}

var freeBatches = sync.Pool{New: func() any { return new(batch) }}

func takeBatch() *batch {
	b := freeBatches.Get().(*batch)
	b.n = 0
	return b
}

func (b *batch) giveBack() { freeBatches.Put(b) }

// nextSpans is room for the spans of the next record.
func (b *batch) nextSpans(t *Template) []span {
	spans := &b.spans[b.n]
	if len(*spans) < len(t.gaps) {
		*spans = make([]span, len(t.gaps))
	}
	return (*spans)[:len(t.gaps)]
}

// next adds a flow, which holds what it did when it was last used.
func (b *batch) next() *Flow {
	f := &b.flows[b.n]
	b.n++
	return f
}

// take empties the batch. The flows are valid until the next one is added.
func (b *batch) take() []Flow {
	flows := b.flows[:b.n]
	b.n = 0
	return flows
}
