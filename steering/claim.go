package steering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Claim is a slot held by this process. It ends with Release, or when the sockets
// are closed.
type Claim struct {
	group *Group
	slot  int

	mu   sync.Mutex // Release and Refresh
	held []seat
}

// seat is one socket of a claim.
type seat struct {
	*endpoint
	sock   syscall.Conn
	cookie uint64
}

// Claim takes the slot for the sockets, which ListenUDP and ListenTCP returned:
// from then on they receive. It is all or nothing. A slot that any other live
// socket holds, on whichever listener, is reported as [SlotTakenError]; claiming
// again what one holds already succeeds. Sockets of another network namespace than
// the other workers' are refused with [ErrNotHere].
func (g *Group) Claim(ctx context.Context, slot int, socks ...syscall.Conn) (*Claim, error) {
	return g.claim(ctx, slot, false, socks)
}

// Replace is Claim of a slot that others may hold, whose sockets receive nothing from then on: what comes goes to these, and what those
// have queued is theirs to read. On listeners that no socket here is for, the others stay.
func (g *Group) Replace(ctx context.Context, slot int, socks ...syscall.Conn) (*Claim, error) {
	return g.claim(ctx, slot, true, socks)
}

func (g *Group) claim(ctx context.Context, slot int, replace bool, socks []syscall.Conn) (*Claim, error) {
	lock, err := g.enter(ctx, slot)
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	c := &Claim{group: g, slot: slot}
	how := ebpf.UpdateNoExist
	if replace {
		how = ebpf.UpdateAny
	}
	for _, sock := range socks {
		s, err := g.seat(sock)
		if err != nil {
			return nil, fmt.Errorf("claim slot %d: %w", slot, err)
		}
		c.held = append(c.held, s)
	}
	if err := c.checkHere(); err != nil {
		return nil, err
	}
	if !replace {
		if err := c.checkOthers(); err != nil {
			return nil, err
		}
	}
	// It may have been replaced since the sockets were opened.
	if _, err := c.refresh(); err != nil {
		return nil, err
	}
	for i, s := range c.held {
		if err := c.sit(s, how); err != nil {
			for _, s := range c.held[:i] {
				s.leave(slot)
			}
			return nil, err
		}
	}
	return c, nil
}

// Refresh gives the sockets the program that is pinned now. A worker calls it when
// the table's generation changes: whoever replaces the pinned program has no socket
// to attach it with. The next packet uses it; none is lost. It returns the revision
// of that program.
func (c *Claim) Refresh(ctx context.Context) (revision uint32, err error) {
	lock, err := c.group.pins.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer lock.unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refresh()
}

// refresh is Refresh for whoever holds the lock.
func (c *Claim) refresh() (uint32, error) {
	t, err := c.group.Reload()
	if err != nil {
		return 0, err
	}
	for _, s := range c.held {
		prog, err := c.group.pins.openProgram(s.Listener)
		if err != nil {
			return 0, err
		}
		err = onSocket(s.sock, func(fd int) error { return attach(fd, prog.FD()) })
		prog.Close()
		if err != nil {
			return 0, fmt.Errorf("program of %s: %w", s.Listener, err)
		}
	}
	return t.program, nil
}

// Slot returns the slot held.
func (c *Claim) Slot() int { return c.slot }

// Cookie returns the kernel's name for one of the sockets in the slot, for the worker's [Report]; 0 once it is released.
func (c *Claim) Cookie() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 {
		return 0
	}
	return c.held[0].cookie
}

// Lost reports whether somebody else has taken the slot away on one of the listeners, see [Group.Evict]. A slot that was released
// is not lost.
func (c *Claim) Lost() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.held {
		if cookie, err := s.endpoint.cookie(c.slot); err != nil || cookie != s.cookie {
			return err == nil, err
		}
	}
	return false, nil
}

// Release gives the slot back: nothing new arrives, what is queued can still be
// read, connections go on. The sockets remain the caller's to drain and close.
//
// UDP sockets are made invisible to the kernel's lookup by binding them to an
// interface that no packet has: a member that closes while it can be found costs
// its neighbours datagrams. Lookups under way may still find them, so read on for a
// few milliseconds before closing; what arrives then may even be a neighbour's.
// Releasing again, or after the sockets were closed, does
// nothing.
func (c *Claim) Release(ctx context.Context) error {
	lock, err := c.group.pins.lock(ctx)
	switch {
	case err == nil:
		defer lock.unlock()
	case !errors.Is(err, ErrNoGroup): // a destroyed group has nobody to race with
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, s := range c.held {
		errs = append(errs, s.leave(c.slot))
		if err := s.retire(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	c.held = nil // the kernel lets a socket be retired once
	return errors.Join(errs...)
}

// seat finds the listener a socket belongs to.
func (g *Group) seat(sock syscall.Conn) (seat, error) {
	l, cookie, err := identify(sock)
	if err != nil {
		return seat{}, err
	}
	e, err := g.endpoint(l)
	if err != nil {
		return seat{}, err
	}
	return seat{e, sock, cookie}, nil
}

// checkOthers refuses a slot that another process holds on a listener this one
// may not even have. The caller holds the lock.
func (c *Claim) checkOthers() error {
	all, err := c.group.all()
	if err != nil {
		return err
	}
	own := make([]uint64, len(c.held))
	for i, s := range c.held {
		own[i] = s.cookie
	}
	for _, e := range all {
		if err := c.group.checkFree(e, c.slot, own...); err != nil {
			return err
		}
	}
	return nil
}

// checkHere refuses sockets of another network namespace than that of the group's other workers: the program finds such a socket in its
// slot and cannot give it anything. What cannot be listed is not checked.
func (c *Claim) checkHere() error {
	for _, s := range c.held {
		held, err := s.endpoint.cookies(MaxSlots)
		if err != nil {
			return err
		}
		held = slices.DeleteFunc(held, func(cookie uint64) bool { return cookie == 0 || cookie == s.cookie })
		socks, err := sockets(s.Listener)
		if err != nil || len(held) == 0 {
			continue
		}
		if slices.ContainsFunc(socks, func(k socketInfo) bool { return slices.Contains(held, k.cookie) }) {
			continue
		}
		// Those that ended meanwhile are in no slot any more: the kernel takes a socket out of there before it is listed no more.
		again, err := s.endpoint.cookies(MaxSlots)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(again, func(cookie uint64) bool { return slices.Contains(held, cookie) }) {
			return fmt.Errorf("claim slot %d on %s: %w", c.slot, s.Listener, ErrNotHere)
		}
	}
	return nil
}

// checkFree returns a SlotTakenError if a socket other than those with the given
// cookies is in the slot.
func (g *Group) checkFree(e *endpoint, slot int, own ...uint64) error {
	cookie, err := e.cookie(slot)
	if err != nil {
		return err
	}
	if cookie == 0 {
		return nil
	}
	for _, c := range own {
		if c == cookie {
			return nil
		}
	}
	return g.taken(e, slot, cookie)
}

func (g *Group) taken(e *endpoint, slot int, cookie uint64) error {
	return &SlotTakenError{Group: g.pins.name, Slot: slot, Listener: e.Listener, Owner: ownerOf(e.Listener, cookie)}
}

// sit puts the socket in the slot. Unless it is to replace, the map itself refuses
// a second owner, so even a process that ignores the lock cannot take the slot away.
func (c *Claim) sit(s seat, how ebpf.MapUpdateFlags) error {
	err := onSocket(s.sock, func(fd int) error {
		return s.slots.Update(uint32(c.slot), uint64(fd), how)
	})
	if err == nil {
		return nil
	}
	// The map holds a socket once at most, and says so even for its own slot.
	if errors.Is(err, ebpf.ErrKeyExist) || errors.Is(err, unix.EBUSY) {
		switch cookie, lerr := s.endpoint.cookie(c.slot); {
		case lerr != nil:
			return lerr
		case cookie == s.cookie:
			return nil
		case cookie != 0:
			return c.group.taken(s.endpoint, c.slot, cookie)
		}
	}
	return fmt.Errorf("claim slot %d on %s: %w", c.slot, s.Listener, kind(err))
}

// leave takes the socket out of the slot if it is still the one in there. The
// caller holds the lock.
func (s seat) leave(slot int) error {
	cookie, err := s.endpoint.cookie(slot)
	if err != nil || cookie != s.cookie {
		return err
	}
	if err := s.slots.Delete(uint32(slot)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("release slot %d on %s: %w", slot, s.Listener, kind(err))
	}
	return nil
}

// noInterface is an index that no interface has; the kernel does not check it.
const noInterface = 0x7ffffff0

// retire hides a UDP socket from the kernel's lookup. What it has queued stays.
func (s seat) retire() error {
	if s.Proto != UDP {
		return nil
	}
	return onSocket(s.sock, func(fd int) error {
		return sockopt("SO_BINDTOIFINDEX", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, noInterface))
	})
}

// cookie returns the cookie of the socket in a slot, 0 if it is empty.
func (e *endpoint) cookie(slot int) (uint64, error) {
	var cookie uint64
	err := e.slots.Lookup(uint32(slot), &cookie)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("slot %d of %s: %w", slot, e.Listener, kind(err))
	}
	return cookie, nil
}

// identify returns protocol, port and cookie of a bound socket.
func identify(sock syscall.Conn) (l Listener, cookie uint64, err error) {
	err = onSocket(sock, func(fd int) error {
		proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if err != nil {
			return sockopt("SO_PROTOCOL", err)
		}
		switch proto {
		case unix.IPPROTO_UDP:
			l.Proto = UDP
		case unix.IPPROTO_TCP:
			l.Proto = TCP
		default:
			return fmt.Errorf("socket of protocol %d cannot be steered", proto)
		}
		cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
		if err != nil {
			return sockopt("SO_COOKIE", err)
		}
		sa, err := unix.Getsockname(fd)
		switch sa := sa.(type) {
		case *unix.SockaddrInet4:
			l.Port = uint16(sa.Port)
		case *unix.SockaddrInet6:
			l.Port = uint16(sa.Port)
		}
		return sockopt("getsockname", err)
	})
	return l, cookie, err
}
