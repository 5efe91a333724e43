package intake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ListenUDP opens a socket of its own, without steering: no other process can bind the address. [::] takes IPv4 too.
func ListenUDP(ctx context.Context, addr netip.AddrPort) (*net.UDPConn, error) {
	var lc net.ListenConfig
	return listen(addr, "udp", func(network, at string) (*net.UDPConn, error) {
		c, err := lc.ListenPacket(ctx, network, at)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	})
}

// ListenTCP opens a listener of its own, without steering: no other process can bind the address. [::] takes IPv4 too. It
// never speaks Multipath TCP, which package net offers by default and whose sockets a steering program cannot select.
func ListenTCP(ctx context.Context, addr netip.AddrPort) (*net.TCPListener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return listen(addr, "tcp", func(network, at string) (*net.TCPListener, error) {
		l, err := lc.Listen(ctx, network, at)
		if err != nil {
			return nil, err
		}
		return l.(*net.TCPListener), nil
	})
}

// listen keeps package net from turning 0.0.0.0 into [::], and on a host without IPv6 takes 0.0.0.0 for [::].
func listen[T any](addr netip.AddrPort, network string, open func(network, at string) (T, error)) (T, error) {
	family := network
	if addr.Addr().Unmap().Is4() {
		family += "4"
	}
	l, err := open(family, addr.String())
	if errors.Is(err, unix.EAFNOSUPPORT) && addr.Addr() == netip.IPv6Unspecified() {
		l, err = open(network+"4", netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()).String())
	}
	if err != nil {
		return l, fmt.Errorf("listen on %s %s: %w", network, addr, listenError(err))
	}
	return l, nil
}

// listenError puts the sentinel that says what to do in front of the kernel's word.
func listenError(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w: %w", ErrInUse, unix.EADDRINUSE)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %w", ErrPermission, unix.EACCES)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w: %w", ErrNotHere, unix.EADDRNOTAVAIL)
	}
	return err
}
