package steering

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrNoGroup means that no group of that name is pinned.
	ErrNoGroup = errors.New("no such steering group")
	// ErrNotPermitted means that the process lacks the capability, or the file
	// permission, for what it tried.
	ErrNotPermitted = errors.New("not permitted")
	// ErrUnsupported means that the kernel is older than Linux 5.14 or lacks BPF.
	ErrUnsupported = errors.New("not supported by this kernel (Linux 5.14 or later is needed)")
	// ErrIncompatible means that what is pinned was made by another version
	// whose layout this one does not share.
	ErrIncompatible = errors.New("pinned by an incompatible version")
	// ErrPortInUse means that sockets outside the group hold the port.
	ErrPortInUse = errors.New("port in use")
	// ErrOtherUser means that the group's workers hold the port and another user runs
	// them than this process: the kernel lets sockets of one user share a port. It is
	// ErrPortInUse as well.
	ErrOtherUser = errors.New("the group's workers are another user's")
	// ErrSlotTaken means that a live socket holds the slot; see [SlotTakenError].
	ErrSlotTaken = errors.New("slot taken")
	// ErrSlotRange means a slot the group does not have; see [SlotRangeError].
	ErrSlotRange = errors.New("slot out of range")
	// ErrSlotsMismatch means that a group exists with another number of slots;
	// see [SlotsMismatchError].
	ErrSlotsMismatch = errors.New("number of slots differs")
	// ErrOtherKey means that a group exists with another key than the one given.
	ErrOtherKey = errors.New("the group has another key")
	// ErrOtherPlan means that a key file holds another plan than the group had when it
	// was last saved: somebody else has put it there.
	ErrOtherPlan = errors.New("the file holds another plan than the group's")
	// ErrKeyFile means that a key file is damaged or is none.
	ErrKeyFile = errors.New("not a whole key file")
	// ErrNoKeyFile means that the group has no key file and none was named.
	ErrNoKeyFile = errors.New("the group has no key file")
	// ErrNotSaved means that a change is in effect but not in the key file; see
	// [NotSavedError].
	ErrNotSaved = errors.New("not saved")
	// ErrNoListener means that the group steers nothing on that protocol and port
	// and this process may not add it; see [NoListenerError].
	ErrNoListener = errors.New("no such listener in the group")
	// ErrGroupBusy means that workers still hold slots; see [BusyError].
	ErrGroupBusy = errors.New("group has running workers")
	// ErrName means a group name that cannot be a name in bpffs.
	ErrName = errors.New("group names are 1 to 64 letters, digits, '-' and '_'")
	// ErrSlotCount means a number of slots outside 1 to [MaxSlots].
	ErrSlotCount = errors.New("a group has 1 to 256 slots")
	// ErrAliasChain means an alias that would point to an address that is itself
	// an alias, or away from one that others point to.
	ErrAliasChain = errors.New("alias of an alias")
	// ErrOutdated means a group without what versions before this one did not have yet;
	// [Init] adds it and changes nothing else.
	ErrOutdated = errors.New("made by an older version")
	// ErrLocked means that another process has held the group's lock, which is a
	// matter of milliseconds, for as long as there was time.
	ErrLocked = errors.New("locked")
	// ErrNotStuck means that the worker of a slot is well, or has just come; see
	// [NotStuckError].
	ErrNotStuck = errors.New("worker is not stuck")
	// ErrNotMounted means that no bpffs is mounted at the root and it is not
	// possible to mount one there.
	ErrNotMounted = errors.New("no bpf file system")
)

// SlotsMismatchError reports a group that exists with another number of slots.
// It is [ErrSlotsMismatch].
type SlotsMismatchError struct {
	Group string
	Want  int // asked for
	Have  int // of the group
}

func (e *SlotsMismatchError) Error() string {
	return fmt.Sprintf("steering group %q has %d slots, not %d", e.Group, e.Have, e.Want)
}

// Is reports whether target is [ErrSlotsMismatch].
func (e *SlotsMismatchError) Is(target error) bool { return target == ErrSlotsMismatch }

// NotSavedError reports that the group's key file could not be brought up to date. It is
// [ErrNotSaved], and what it wraps. The next change tries again, as does [Group.Save].
type NotSavedError struct {
	File string
	Err  error
}

func (e *NotSavedError) Error() string { return fmt.Sprintf("not saved in %s: %v", e.File, e.Err) }

// Is reports whether target is [ErrNotSaved].
func (e *NotSavedError) Is(target error) bool { return target == ErrNotSaved }

// Unwrap returns why it could not be saved.
func (e *NotSavedError) Unwrap() error { return e.Err }

// SlotRangeError reports a slot the group does not have. It is [ErrSlotRange].
type SlotRangeError struct {
	Group string
	Slot  int
	Slots int
}

func (e *SlotRangeError) Error() string {
	return fmt.Sprintf("slot %d: steering group %q has slots 0 to %d", e.Slot, e.Group, e.Slots-1)
}

// Is reports whether target is [ErrSlotRange].
func (e *SlotRangeError) Is(target error) bool { return target == ErrSlotRange }

// SlotTakenError reports the live owner of a slot. It is [ErrSlotTaken].
type SlotTakenError struct {
	Group    string
	Slot     int
	Listener Listener // the first listener found taken
	Owner    Owner
}

func (e *SlotTakenError) Error() string {
	return fmt.Sprintf("slot %d of steering group %q is taken by %s", e.Slot, e.Group, e.Owner)
}

// Is reports whether target is [ErrSlotTaken].
func (e *SlotTakenError) Is(target error) bool { return target == ErrSlotTaken }

// PortInUseError names what holds a port that the group wants. It is
// [ErrPortInUse].
type PortInUseError struct {
	Listener Listener
	Addr     netip.AddrPort
	Group    string  // another steering group, if that is what it is
	Owners   []Owner // as far as they can be seen from here
	// Mates means that the owners are workers of this group, of another user than this
	// process.
	Mates bool
}

func (e *PortInUseError) Error() string {
	names := make([]string, len(e.Owners))
	for i, o := range e.Owners {
		names[i] = o.String()
	}
	who := strings.Join(slices.Compact(names), ", ")
	switch {
	case e.Mates:
		who = fmt.Sprintf("the group's own workers: %s, of user %d, and this process is of user %d", who, e.Owners[0].UID, os.Geteuid())
	case e.Group != "":
		who = fmt.Sprintf("steering group %q: %s", e.Group, who)
	case who == "":
		who = "another user or program"
	}
	return fmt.Sprintf("%s %s is in use by %s", e.Listener.Proto, e.Addr, who)
}

// Is reports whether target is [ErrPortInUse], or [ErrOtherUser] where that is why.
func (e *PortInUseError) Is(target error) bool {
	return target == ErrPortInUse || e.Mates && target == ErrOtherUser
}

// NoListenerError reports a port the group has no listener for, and why none
// could be added. It is [ErrNoListener], and what it wraps: mostly
// [ErrNotPermitted].
type NoListenerError struct {
	Group    string
	Listener Listener
	Err      error
}

func (e *NoListenerError) Error() string {
	return fmt.Sprintf("steering group %q has no listener %s, and it cannot be added: %v", e.Group, e.Listener, e.Err)
}

// Is reports whether target is [ErrNoListener].
func (e *NoListenerError) Is(target error) bool { return target == ErrNoListener }

// Unwrap returns why the listener could not be added.
func (e *NoListenerError) Unwrap() error { return e.Err }

// BusyError reports the slots that running workers hold. It is [ErrGroupBusy].
type BusyError struct {
	Group string
	Slots []int
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("steering group %q has running workers in slots %v", e.Group, e.Slots)
}

// Is reports whether target is [ErrGroupBusy].
func (e *BusyError) Is(target error) bool { return target == ErrGroupBusy }

// NotStuckError reports a worker that cannot be evicted because nothing is wrong
// with it. It is [ErrNotStuck].
type NotStuckError struct {
	Group string
	Slot  int
	Owner Owner
	Told  bool          // it has told of itself
	Age   time.Duration // how long ago
}

func (e *NotStuckError) Error() string {
	told := "has not told anything yet"
	if e.Told {
		told = fmt.Sprintf("told %v ago that it is well", e.Age.Round(time.Millisecond))
	}
	return fmt.Sprintf("slot %d of steering group %q is held by %s, which %s", e.Slot, e.Group, e.Owner, told)
}

// Is reports whether target is [ErrNotStuck].
func (e *NotStuckError) Is(target error) bool { return target == ErrNotStuck }

// kind adds the sentinel that fits the system's error, so that callers need not
// know which of the many calls failed.
func kind(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}
