package steering

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pinConfig  = "config"
	pinBuckets = "buckets"
	pinAliases = "aliases"
	pinAllow   = "allow"
	pinPlan    = "plan"
	pinPinned  = "pinned"
	pinTold    = "aliases_told"
	pinSaved   = "saved"
	pinDevices = "devices"
	pinWorkers = "workers"
	pinSlots   = "slots"
	pinStats   = "stats"
	pinProg    = "prog"
)

// pins are the paths of one group.
type pins struct {
	root string
	name string
}

func newPins(root, name string) (pins, error) {
	if root == "" {
		root = DefaultRoot
	}
	if !ValidName(name) {
		return pins{}, fmt.Errorf("group %q: %w", name, ErrName)
	}
	return pins{filepath.Clean(root), name}, nil
}

// ValidName reports whether a group can have this name; see ErrName.
func ValidName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func (p pins) dir() string             { return filepath.Join(p.root, p.name) }
func (p pins) file(name string) string { return filepath.Join(p.dir(), name) }

func (p pins) listenerDir(l Listener) string { return filepath.Join(p.dir(), l.dir()) }
func (p pins) listenerFile(l Listener, name string) string {
	return filepath.Join(p.listenerDir(l), name)
}

// listeners returns the listeners that are completely pinned.
func (p pins) listeners() ([]Listener, error) {
	entries, err := os.ReadDir(p.dir())
	if err != nil {
		return nil, p.missing(err)
	}
	var found []Listener
	for _, e := range entries {
		l, ok := listenerOfDir(e.Name())
		if !ok {
			continue
		}
		if _, err := os.Lstat(p.listenerFile(l, pinProg)); err == nil {
			found = append(found, l)
		}
	}
	return sortListeners(found), nil
}

// missing turns "no such file" into ErrNoGroup.
func (p pins) missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q in %s", ErrNoGroup, p.name, p.root)
	}
	return fmt.Errorf("steering group %q: %w", p.name, kind(err))
}

// dirLock is an exclusive flock on a group's directory. bpffs holds no ordinary
// files to lock.
type dirLock struct{ f *os.File }

// lockPoll is how often a taken lock is tried again. Locks are held for the few
// milliseconds of a start-up.
const lockPoll = 5 * time.Millisecond

// lock waits for the group's lock until ctx ends. It returns ErrNoGroup when the
// directory is not there, or was removed while waiting.
func (p pins) lock(ctx context.Context) (*dirLock, error) {
	f, err := os.Open(p.dir())
	if err != nil {
		return nil, p.missing(err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock steering group %q: %w", p.name, kind(err))
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("steering group %q is %w by %s: %w", p.name, ErrLocked, lockHolder(f), ctx.Err())
			f.Close()
			return nil, err
		case <-time.After(lockPoll):
		}
	}
	if !sameFile(f, p.dir()) {
		f.Close()
		return nil, fmt.Errorf("%w: %q was removed", ErrNoGroup, p.name)
	}
	return &dirLock{f}, nil
}

// lockHolder finds out who holds the flock of a file, from the kernel's list.
func lockHolder(f *os.File) Owner {
	unseen := Owner{UID: -1}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return unseen
	}
	list, err := os.ReadFile("/proc/locks")
	if err != nil {
		return unseen
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(list)) {
		// 1: FLOCK  ADVISORY  WRITE 854 00:1f:5 0 EOF; whoever waits for it has an arrow in the second place.
		w := strings.Fields(line)
		if len(w) < 6 || w[1] != "FLOCK" || w[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(w[4]); err == nil && pid > 0 {
			return Owner{PID: pid, Command: command(pid), UID: -1}
		}
	}
	return unseen
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// unlock lets go of the lock; closing the only descriptor does it.
func (l *dirLock) unlock() { l.f.Close() }
