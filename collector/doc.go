// Package collector is the worker: it builds, starts, drains and stops the parts, and connects them with queues that are bounded.
//
// One goroutine, the core, owns all device state; readers of sockets, sessions of BMP and IPFIX, the sink, the follower of the steering group
// and the HTTP server run beside it and talk to it by channels. Metrics, logs and settings live here; decoding, joining and steering
// are the packages' below.
package collector
