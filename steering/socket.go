package steering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// network returns the name that makes package net take the address as it is:
// [::] for both families, everything else for its own.
func network(p Proto, addr netip.Addr) string {
	switch {
	case addr.Is4():
		return string(p) + "4"
	case addr.IsUnspecified():
		return string(p)
	}
	return string(p) + "6"
}

// listenUDP binds a socket that no datagram can enter before it is in its slot.
//
// Two things see to that. The program is attached before bind: then the first
// member's group is born with it. Such a socket cannot join a group that exists:
// bind says EADDRINUSE, and it has to be done again without, which is safe since
// the group has the program already. What is left is a moment inside bind in which
// the kernel finds the first member without asking the program; a socket filter
// that drops everything covers it.
func listenUDP(ctx context.Context, addr netip.AddrPort, prog int, o ListenOptions) (*net.UDPConn, error) {
	open := func(first bool) (net.PacketConn, error) {
		lc := net.ListenConfig{Control: control(func(fd int) error {
			return prepareUDP(fd, prog, first, o)
		})}
		return lc.ListenPacket(ctx, network(UDP, addr.Addr()), addr.String())
	}
	pc, err := open(true)
	first := err == nil
	if errors.Is(err, unix.EADDRINUSE) {
		pc, err = open(false)
	}
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	err = onSocket(conn, func(fd int) error {
		if !first {
			if err := attach(fd, prog); err != nil {
				return err
			}
		}
		return openFilter(fd)
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func prepareUDP(fd, prog int, first bool, o ListenOptions) error {
	if err := share(fd); err != nil {
		return err
	}
	if err := setReadBuffer(fd, o.ReadBuffer); err != nil {
		return err
	}
	if err := closeFilter(fd); err != nil {
		return err
	}
	if first {
		return attach(fd, prog)
	}
	return nil
}

// listenTCP binds and listens like listenUDP. The first member attaches before
// bind, joiners after listen: a second socket that has attached and is not yet
// listening could not listen any more. No filter is needed, since the kernel looks
// only for sockets that listen, and those are in their group.
func listenTCP(ctx context.Context, addr netip.AddrPort, prog int) (*net.TCPListener, error) {
	open := func(first bool) (net.Listener, error) {
		lc := net.ListenConfig{Control: control(func(fd int) error {
			if err := share(fd); err != nil || !first {
				return err
			}
			return attach(fd, prog)
		})}
		lc.SetMultipathTCP(false)
		return lc.Listen(ctx, network(TCP, addr.Addr()), addr.String())
	}
	l, err := open(true)
	if err == nil {
		return l.(*net.TCPListener), nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, err
	}
	if l, err = open(false); err != nil {
		return nil, err
	}
	ln := l.(*net.TCPListener)
	if err := onSocket(ln, func(fd int) error { return attach(fd, prog) }); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// control adapts do to net.ListenConfig, which runs it before bind.
func control(do func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error { return onRaw(c, do) }
}

// onSocket runs do on the descriptor of a socket.
func onSocket(c syscall.Conn, do func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return onRaw(raw, do)
}

func onRaw(raw syscall.RawConn, do func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func share(fd int) error {
	return sockopt("SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

func attach(fd, prog int) error {
	return sockopt("attach program", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_EBPF, prog))
}

// closeFilter makes the socket drop every datagram.
func closeFilter(fd int) error {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	prog := unix.SockFprog{Len: uint16(len(drop)), Filter: &drop[0]}
	return sockopt("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

func openFilter(fd int) error {
	return sockopt("SO_DETACH_FILTER", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
}

func setReadBuffer(fd, size int) error {
	if size <= 0 {
		size = DefaultReadBuffer
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return sockopt("SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size))
}

func sockopt(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
