// Package demo shows telcol at work on one machine: a Kafka-protocol broker in the process, a steering group, workers as processes
// of their own, and simulated routers. It reads the topic back, compares every record with what the routers know to be right, and
// draws what it sees.
//
// What it starts it ends, in reverse: the routers' flows, then the workers, by SIGTERM, so that they deliver what they took, then
// the steering group and the broker. Nothing is left behind.
//
// The broker keeps all it is given. So that memory stays bounded however long the demo runs, what was read back is deleted but for
// the last part, and flows pause when the reading falls behind.
package demo
