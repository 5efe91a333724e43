package steering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// DefaultReadBuffer is the receive buffer of a UDP socket, in bytes: a second
// of traffic at 250 Mbit/s.
const DefaultReadBuffer = 32 << 20

// ListenOptions tunes a listening socket.
type ListenOptions struct {
	// ReadBuffer is the size of the receive buffer of a UDP socket, in bytes;
	// default [DefaultReadBuffer]. Without CAP_NET_ADMIN the kernel silently cuts
	// it to net.core.rmem_max. It means nothing to TCP, whose buffers grow.
	ReadBuffer int
	// Replace opens the socket although the slot is taken, for [Group.Replace].
	Replace bool
}

// ListenUDP opens a socket of the group for a worker that will claim slot. Until
// [Group.Claim] it receives nothing, and after it only devices of that slot.
//
// With the address [::] it takes IPv4 as well; where the kernel has no IPv6 it
// becomes 0.0.0.0. Every worker of the group must use the same address. A port the
// group has no listener for is added if the process may, else the error is a
// [NoListenerError]. A slot that is taken already is reported as [SlotTakenError],
// sockets of others on the port as [PortInUseError].
//
// The socket must never be connected, and must not be inherited by child
// processes: a forked copy keeps the slot alive.
func (g *Group) ListenUDP(ctx context.Context, addr netip.AddrPort, slot int, o ListenOptions) (*net.UDPConn, error) {
	var conn *net.UDPConn
	addr = unmap(addr)
	l := Listener{UDP, addr.Port()}
	err := g.join(ctx, l, slot, o, func(prog int) error {
		return withIPv4Fallback(addr, func(addr netip.AddrPort) (err error) {
			conn, err = listenUDP(ctx, addr, prog, o)
			return err
		})
	})
	if err != nil {
		return nil, g.listenError(err, l, addr)
	}
	return conn, nil
}

// ListenTCP is ListenUDP for connections: the listener accepts nothing until its
// slot is claimed. Multipath TCP is off, since such sockets cannot be steered.
func (g *Group) ListenTCP(ctx context.Context, addr netip.AddrPort, slot int, o ListenOptions) (*net.TCPListener, error) {
	var ln *net.TCPListener
	addr = unmap(addr)
	l := Listener{TCP, addr.Port()}
	err := g.join(ctx, l, slot, o, func(prog int) error {
		return withIPv4Fallback(addr, func(addr netip.AddrPort) (err error) {
			ln, err = listenTCP(ctx, addr, prog)
			return err
		})
	})
	if err != nil {
		return nil, g.listenError(err, l, addr)
	}
	return ln, nil
}

// join runs open, which brings a socket into the reuseport group, under the lock
// that lets only one worker at a time be the first.
func (g *Group) join(ctx context.Context, l Listener, slot int, o ListenOptions, open func(prog int) error) error {
	if err := l.validate(); err != nil {
		return err
	}
	lock, err := g.enter(ctx, slot)
	if err != nil {
		return err
	}
	defer lock.unlock()
	e, err := g.endpoint(l)
	if errors.Is(err, ErrNoListener) {
		e, err = g.addListener(l)
	}
	if err != nil {
		return err
	}
	if !o.Replace {
		if err := g.checkFree(e, slot); err != nil {
			return err
		}
	}
	if err := g.pins.checkRivals(l); err != nil {
		return err
	}
	prog, err := g.pins.openProgram(l)
	if err != nil {
		return err
	}
	defer prog.Close()
	return open(prog.FD())
}

// addListener creates a listener that Init was not told of. The caller holds the
// lock.
func (g *Group) addListener(l Listener) (*endpoint, error) {
	missing := func(err error) error {
		return &NoListenerError{Group: g.pins.name, Listener: l, Err: err}
	}
	s, err := g.pins.openShared(false)
	if err != nil {
		return nil, missing(err)
	}
	defer s.close()
	if err := g.pins.createEndpoint(l, s); err != nil {
		return nil, missing(err)
	}
	if err := g.pins.give(s); err != nil {
		return nil, missing(err)
	}
	return g.endpoint(l)
}

// enter locks the group and makes sure that it is still the one that was opened,
// and has the slot.
func (g *Group) enter(ctx context.Context, slot int) (*dirLock, error) {
	lock, err := g.pins.lock(ctx)
	if err != nil {
		return nil, err
	}
	t, err := g.Reload()
	if err == nil && (slot < 0 || slot >= t.slots) {
		err = &SlotRangeError{Group: g.pins.name, Slot: slot, Slots: t.slots}
	}
	if err != nil {
		lock.unlock()
		return nil, err
	}
	return lock, nil
}

// checkRivals refuses a port that another group's workers hold in this network
// namespace. The kernel would let sockets of the same user in, and our program
// would take the rival's place.
func (p pins) checkRivals(l Listener) error {
	names, err := List(p.root)
	if err != nil {
		return err
	}
	for _, name := range names {
		rival := pins{p.root, name}
		if name == p.name {
			continue
		}
		if owners := rival.holders(l); len(owners) > 0 {
			return &PortInUseError{Listener: l, Group: name, Owners: owners}
		}
	}
	return nil
}

// holders returns who holds slots on the listener in this network namespace. What
// cannot be read belongs to another user, whose port the kernel guards.
func (p pins) holders(l Listener) []Owner {
	e, err := p.openEndpoint(l)
	if err != nil {
		return nil
	}
	defer e.close()
	socks, err := sockets(l)
	if err != nil || len(socks) == 0 {
		return nil
	}
	held, err := e.cookies(MaxSlots)
	if err != nil {
		return nil
	}
	return ownersOf(slices.DeleteFunc(socks, func(s socketInfo) bool {
		return !slices.Contains(held, s.cookie)
	}))
}

// listenError adds what a message needs, and the culprits when the port is not
// ours.
func (g *Group) listenError(err error, l Listener, addr netip.AddrPort) error {
	var used *PortInUseError
	if errors.As(err, &used) {
		used.Addr = addr
		return err
	}
	if errors.Is(err, unix.EADDRINUSE) {
		owners := ownersOfPort(l)
		return &PortInUseError{Listener: l, Addr: addr, Owners: owners, Mates: g.otherUsers(l, owners)}
	}
	return fmt.Errorf("listen on %s %s: %w", l.Proto, addr, kind(err))
}

// otherUsers reports whether the sockets on a port are the group's workers', of another user than this process.
func (g *Group) otherUsers(l Listener, owners []Owner) bool {
	e, err := g.endpoint(l)
	if err != nil {
		return false
	}
	held, err := e.cookies(MaxSlots)
	return err == nil && len(owners) > 0 && !slices.ContainsFunc(owners, func(o Owner) bool {
		return o.UID < 0 || o.UID == os.Geteuid() || !slices.Contains(held, o.Cookie)
	})
}

// withIPv4Fallback replaces [::] by 0.0.0.0 on kernels without IPv6.
func withIPv4Fallback(addr netip.AddrPort, listen func(netip.AddrPort) error) error {
	err := listen(addr)
	if errors.Is(err, unix.EAFNOSUPPORT) && addr.Addr() == netip.IPv6Unspecified() {
		return listen(netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
	}
	return err
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
