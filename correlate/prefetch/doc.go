// Package prefetch asks the processor for memory that will be needed soon. A worker's tables are larger than its caches, and to wait for
// them costs more than all that is computed. It is for the tables of the join, of the encoder and of the sink.
package prefetch

// LineSize is the size of the cache lines that Lines counts, in octets. Where lines are longer some are asked for twice.
const LineSize = 64
