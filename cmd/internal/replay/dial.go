package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout is how long a connection may take to be accepted.
const dialTimeout = 10 * time.Second

// dial opens a socket from a source address to the collector. Its errors say what to do.
func dial(ctx context.Context, network string, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	to, err := target(from, to)
	if err != nil {
		return nil, err
	}
	local := netip.AddrPortFrom(from, 0)
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: net.TCPAddrFromAddrPort(local)}
	if network == "udp" {
		d.LocalAddr = net.UDPAddrFromAddrPort(local)
	}
	d.SetMultipathTCP(false) // routers do not speak it
	conn, err := d.DialContext(ctx, network, to.String())
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w %v is not on this machine: add it (%s) or map it to one of 127.0.0.0/8 (--map %v=127.0.1.1): %w",
			ErrAddress, from, addCommand(from), from, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w %v does not listen, is it running? %w", ErrRefused, to, err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return nil, fmt.Errorf("%w %v has no way to %v: map it to an address of a network in between: %w", ErrAddress, from, to, err)
	}
	return nil, fmt.Errorf("%w %v, from %v: %w", ErrRefused, to, from, err)
}

// target gives the collector's address for a source: the loopback address of the source's family in place of one that
// means this host but is of the other family.
func target(from netip.Addr, to netip.AddrPort) (netip.AddrPort, error) {
	addr := to.Addr().Unmap()
	local := addr.IsLoopback() || addr.IsUnspecified()
	switch {
	case from.Is4() == addr.Is4() && !addr.IsUnspecified():
		return netip.AddrPortFrom(addr, to.Port()), nil
	case local && from.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port()), nil
	case local:
		return netip.AddrPortFrom(netip.IPv6Loopback(), to.Port()), nil
	}
	return netip.AddrPort{}, fmt.Errorf("%w %v and the collector's %v are of two families: map it to an address of the collector's",
		ErrAddress, from, addr)
}

// addCommand is how to give this machine an address.
func addCommand(a netip.Addr) string {
	if a.Is4() {
		return fmt.Sprintf("ip addr add %v/32 dev lo", a)
	}
	return fmt.Sprintf("ip -6 addr add %v/128 dev lo nodad", a)
}

// pending returns the error that a socket would give to its next call.
func pending(conn net.Conn) error {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var code int
	if cerr := raw.Control(func(fd uintptr) { code, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) }); cerr != nil {
		return cerr
	}
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	return err
}
