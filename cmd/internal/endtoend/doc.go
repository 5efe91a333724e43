// Package endtoend holds the tests of the whole path: telcol's own binary as worker processes, steered by the kernel, fed by replayed
// captures and simulated routers, delivering to standard output and to a real Kafka. It has no code of the product.
package endtoend
