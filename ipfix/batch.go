package ipfix

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

// freeBatches has more room than goroutines decode at once, as a rule. What does not fit is left to the garbage collector.
var freeBatches = make(chan *batch, 16)

func takeBatch() *batch {
	select {
	case b := <-freeBatches:
		b.n = 0
		return b
	default:
		return new(batch)
	}
}

func (b *batch) giveBack() {
	select {
	case freeBatches <- b:
	default:
	}
}

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
