// Package intake owns the edge between a worker and the kernel: it opens the plain listening sockets, reads datagrams in batches and
// accepts connections. What the bytes mean is left to others, and so is steering: a socket that belongs to a steering
// group is opened by package steering and handed in here.
//
// Addresses leave this package as netip values with IPv4-mapped IPv6 already unmapped, since one dual-stack socket serves both
// families and a device must look the same whichever it used.
//
// The package keeps counters and returns errors; it does not log. It needs Linux.
package intake

import "errors"

// Errors of this package; they are wrapped with the address and the cause.
var (
	// ErrInUse says that another socket has the address, whoever owns it.
	ErrInUse = errors.New("address is in use by another process")
	// ErrPermission says that this user may not bind the port.
	ErrPermission = errors.New("no permission to listen (ports below 1024 need CAP_NET_BIND_SERVICE)")
	// ErrNotHere says that the address does not belong to this host.
	ErrNotHere = errors.New("address does not belong to this host")
)
