package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/correlate"
)

// stateDir keeps what a worker's devices have told once and not every time, templates and option tables, over a restart: one file a device,
// replaced as a whole. The owner makes the octets, a goroutine of the worker writes them. A nil stateDir (none configured)
// keeps nothing.
type stateDir struct {
	dir    string
	log    *slog.Logger
	warn   *sampled // of writes: when one fails, so do those of all devices
	writes chan stateWrite

	written, failed atomic.Uint64
	again           unsaved
}

// unsaved are devices whose files could not be written. They are tried again.
type unsaved struct {
	mu      sync.Mutex
	devices map[netip.Addr]struct{}
}

// add remembers a device.
func (u *unsaved) add(device netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.devices == nil {
		u.devices = make(map[netip.Addr]struct{})
	}
	u.devices[device] = struct{}{}
}

// each takes the devices and calls f for each.
func (u *unsaved) each(f func(netip.Addr)) {
	u.mu.Lock()
	devices := u.devices
	u.devices = nil
	u.mu.Unlock()
	for d := range devices {
		f(d)
	}
}

// stateWrite is one file to write, or to remove when it has no octets.
type stateWrite struct {
	device netip.Addr
	state  []byte
}

const (
	stateSuffix = ".device"
	badSuffix   = ".bad" // of a file that could not be read and was set aside
	tempSuffix  = ".new"
	stateQueue  = 64 // files waiting to be written
	stateRound  = 32 // devices looked at for changes a second
	maxState    = 64 << 20
)

// openState makes the directory of a slot. It must be writable now: a worker that finds out later has lost what it was to keep.
func openState(cfg *Config, log *slog.Logger) (*stateDir, error) {
	if cfg.StateDir == "" {
		return nil, nil
	}
	s := &stateDir{
		dir: filepath.Join(cfg.StateDir, cfg.Group, strconv.Itoa(cfg.Slot)), log: log, warn: newSampled(log),
		writes: make(chan stateWrite, stateQueue),
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, s.advise(err)
	}
	probe := filepath.Join(s.dir, "probe"+tempSuffix)
	if err := os.WriteFile(probe, nil, 0o640); err != nil {
		return nil, s.advise(err)
	}
	return s, os.Remove(probe)
}

func (s *stateDir) advise(err error) error {
	return fmt.Errorf("state directory %s cannot be used (%w): make it writable for this user or choose another --state-dir", s.dir, err)
}

// load takes up all devices of the directory, and those of others that belong here now. What is another device's since the aliases have changed
// comes last: what that one has told itself counts.
func (s *stateDir) load(c *correlate.Correlator, owned *ownership, now time.Time) {
	if s == nil {
		return
	}
	loaded, others := 0, 0
	for _, aliases := range [...]bool{false, true} {
		loaded += s.loadOwn(c, owned, aliases, now)
		others += s.loadOthers(c, owned, aliases, now)
	}
	s.log.Info("state loaded", "devices", loaded, "of_other_slots", others, "dir", s.dir)
}

// loadOwn takes up the devices of the directory that are aliases, or those that are none, and returns how many. A file that cannot be taken up is
// set aside with a warning.
func (s *stateDir) loadOwn(c *correlate.Correlator, owned *ownership, aliases bool, now time.Time) (loaded int) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		s.log.Warn("state not loaded", "dir", s.dir, "err", err)
		return 0
	}
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), stateSuffix)
		device, err := netip.ParseAddr(name)
		if alias := err == nil && c.Canonical(device) != device; !ok || alias != aliases || err == nil && !owned.owns(device) {
			continue // the other kind's, or another slot's since the group has changed
		}
		if err := s.loadFile(c, s.dir, f.Name(), name, now); err != nil {
			s.log.Warn("state of a device set aside", "file", f.Name(), "err", err)
			path := filepath.Join(s.dir, f.Name())
			if err := os.Rename(path, path+badSuffix); err != nil {
				s.log.Warn("state file not set aside", "file", f.Name(), "err", err)
			}
			continue
		}
		loaded++
	}
	return loaded
}

var errStateSize = errors.New("file is too large")

func (s *stateDir) loadFile(c *correlate.Correlator, dir, file, name string, now time.Time) error {
	device, err := netip.ParseAddr(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if info.Size() > maxState {
		return errStateSize
	}
	state, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return err
	}
	if err := c.Restore(device, state, now.UnixNano()); err != nil {
		return err
	}
	c.Absorb(device)
	return nil
}

// round queues the devices that have changed, as many as there is room for. The owner calls it about once a second.
func (s *stateDir) round(c *correlate.Correlator, now time.Time) {
	if s == nil {
		return
	}
	s.retry(c)
	room := min(cap(s.writes)-len(s.writes), stateRound)
	c.Unsaved(now.UnixNano(), room, func(device netip.Addr, state []byte) {
		s.writes <- stateWrite{device, append([]byte(nil), state...)}
	})
}

// retry has the devices whose state could not be written given again.
func (s *stateDir) retry(c *correlate.Correlator) {
	s.again.each(func(device netip.Addr) { c.SaveAgain(device, false) })
}

// forget removes the file of a device. The owner calls it; a full queue leaves the file, whose device is then known once more
// after a restart, for a day.
func (s *stateDir) forget(device netip.Addr) {
	select {
	case s.writes <- stateWrite{device: device}:
	default:
	}
}

// finish queues all that has changed and ends the writer. The owner calls it last.
func (s *stateDir) finish(c *correlate.Correlator) {
	if s == nil {
		return
	}
	s.retry(c)
	c.Unsaved(0, -1, func(device netip.Addr, state []byte) {
		s.writes <- stateWrite{device, append([]byte(nil), state...)}
	})
	close(s.writes)
}

// leave ends the writer without saving more: another process has taken the directory over.
func (s *stateDir) leave() {
	if s != nil {
		close(s.writes)
	}
}

// run writes until finish or leave.
func (s *stateDir) run() {
	for w := range s.writes {
		if err := s.write(w); err != nil {
			s.again.add(w.device)
			s.failed.Add(1)
			s.warn.warn("state of a device not saved", slog.String("device", w.device.String()), slog.Any("err", err))
			continue
		}
		s.written.Add(1)
	}
}

// write replaces a file as a whole: a crash leaves the old or the new one. A file that the system's crash left half written
// fails its checksums and is set aside.
func (s *stateDir) write(w stateWrite) error {
	path := filepath.Join(s.dir, w.device.WithZone("").String()+stateSuffix)
	if w.state == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := createState(path + tempSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(w.state)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+tempSuffix, path)
	}
	if err != nil {
		os.Remove(path + tempSuffix) // where the disk is full, half a file takes the room of another one
	}
	return err
}

// createState creates a file, and its directory when somebody has removed that.
func createState(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(filepath.Dir(path), 0o750) == nil {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	}
	return f, err
}
