package steering

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// EvictOptions says whom [Group.Evict] may evict, and how.
type EvictOptions struct {
	Force bool // also a worker that is not stuck
	Spare bool // take the slot, but let the process live
}

// Eviction says what became of the worker that held a slot.
type Eviction struct {
	Owner  Owner
	Stuck  time.Duration // how long it had told nothing; 0 if it was not stuck
	Killed bool
	// Err says why the process was not killed. It receives nothing new, and ends by
	// itself if it ever gets on: see [Claim.Lost].
	Err error
}

// Evict frees a slot whose worker is stuck or stopped, see [StuckAfter]: it kills the process, after making sure that it is the one
// whose sockets are in the slot, and takes out what is left in there. A process that cannot be seen or may not be killed from
// here loses the slot all the same. A worker that is not stuck is left alone and reported as [NotStuckError], unless it is forced.
//
// It returns nil where nobody holds the slot.
func (g *Group) Evict(ctx context.Context, slot int, o EvictOptions) (*Eviction, error) {
	if slot < 0 || slot >= MaxSlots {
		return nil, fmt.Errorf("%w: %d", ErrSlotRange, slot)
	}
	lock, err := g.pins.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.unlock()
	held, err := g.holders(slot)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	ev := &Eviction{}
	if ev.Owner, ev.Stuck, err = g.culprit(slot, held, o.Force); err != nil {
		return nil, err
	}
	if !o.Spare {
		ev.Err = ev.Owner.kill(held)
		ev.Killed = ev.Err == nil
	}
	for _, h := range held {
		if h.owner.PID != ev.Owner.PID && h.owner.PID != 0 && !o.Force {
			continue // of somebody else, who is not stuck
		}
		// Only what was found: the kernel empties the slot of one that ends, and another may have come since.
		if cookie, err := h.cookie(slot); err != nil || cookie != h.owner.Cookie {
			continue
		}
		if err := h.slots.Delete(uint32(slot)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil, fmt.Errorf("evict from slot %d on %s: %w", slot, h.Listener, kind(err))
		}
	}
	return ev, nil
}

// holder is a socket in a slot.
type holder struct {
	*endpoint
	owner Owner
}

// holders returns the sockets in a slot, on all listeners.
func (g *Group) holders(slot int) (held []holder, err error) {
	all, err := g.all()
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		cookie, err := e.cookie(slot)
		if err != nil {
			return nil, err
		}
		if cookie != 0 {
			held = append(held, holder{e, ownerOf(e.Listener, cookie)})
		}
	}
	return held, nil
}

// culprit returns which of the holders to evict: the one whose report is old; any if it is forced.
func (g *Group) culprit(slot int, held []holder, force bool) (Owner, time.Duration, error) {
	r := new(Report)
	if err := g.maps.workers.Lookup(uint32(slot), r); err != nil {
		return Owner{}, 0, fmt.Errorf("report of slot %d: %w", slot, kind(err))
	}
	var cookies []uint64
	for _, h := range held {
		cookies = append(cookies, h.owner.Cookie)
	}
	at := max(slices.Index(cookies, r.Cookie), 0)
	switch owner := held[at].owner; {
	case r.stuck(cookies):
		return owner, r.Age(), nil
	case force:
		return owner, 0, nil
	default:
		return owner, 0, &NotStuckError{Group: g.pins.name, Slot: slot, Owner: owner, Told: cookies[at] == r.Cookie, Age: r.Age()}
	}
}

// killPatience is how long a killed process may take to be gone: the kernel closes all it has.
const killPatience = 5 * time.Second

// kill kills the process. It is held by a descriptor while its sockets are looked at again: the number alone could be another's
// by now.
func (o Owner) kill(held []holder) error {
	switch o.PID {
	case 0:
		return fmt.Errorf("%w: it cannot be seen from here", ErrNotPermitted)
	case os.Getpid():
		return errors.New("it is this process")
	}
	fd, err := unix.PidfdOpen(o.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pid %d: %w", o.PID, kind(err))
	}
	defer unix.Close(fd)
	at := slices.IndexFunc(held, func(h holder) bool { return h.owner == o })
	if again := ownerOf(held[at].Listener, o.Cookie); again.PID != o.PID {
		return nil // gone since
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill pid %d: %w", o.PID, kind(err))
	}
	return awaitEnd(fd, killPatience)
}

// awaitEnd waits until the process behind a descriptor has ended.
func awaitEnd(pidfd int, patience time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(patience); ; {
		left := time.Until(deadline)
		n, err := unix.Poll(fds, int(max(left, 0).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the end: %w", err)
		case n > 0:
			return nil
		case left <= 0:
			return fmt.Errorf("it is killed and not gone after %v", patience)
		}
	}
}
