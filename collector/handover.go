package collector

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/telcol/telcol/correlate"
)

// A device that moves to another slot leaves its templates and option tables with the worker that it came from. Where the workers of a group
// share a state directory the next one finds them there, before it reads the first datagram; without them data waits for the exporter's
// next templates. Routes are not handed over: the device tells them again to its new worker.

// takeOver takes up what the worker of another slot has saved of the device of a source, if that is not known yet, and reports whether there was
// anything. A source that is an alias may have become one by what moved it here: then it has left a file of its own there, see core.forgotten.
func (s *stateDir) takeOver(c *correlate.Correlator, src netip.Addr, slot int, now time.Time) bool {
	if s == nil {
		return false
	}
	device := c.Canonical(src)
	took := !c.Knows(device) && s.takeAny(c, device, slot, now)
	if device != src && s.takeAny(c, src, slot, now) {
		took = true
	}
	return took
}

// takeAny takes up a device that has moved twice in a moment from the first slot, too, with which it has left its file.
func (s *stateDir) takeAny(c *correlate.Correlator, device netip.Addr, slot int, now time.Time) bool {
	if s.takeFrom(c, device, slot, now) {
		return true
	}
	for _, other := range s.others() {
		if other != slot && s.takeFrom(c, device, other, now) {
			return true
		}
	}
	return false
}

// takeFrom is takeOver from one slot.
func (s *stateDir) takeFrom(c *correlate.Correlator, device netip.Addr, slot int, now time.Time) bool {
	name := device.WithZone("").String()
	err := s.loadFile(c, s.of(slot), name+stateSuffix, name, now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.log.Warn("state of a device that came from another slot not taken up", "device", name, "other", slot, "err", err)
	default:
		c.Resave(device) // here, too
	}
	return err == nil
}

// others returns the slots that have directories, but for this worker's.
func (s *stateDir) others() (slots []int) {
	dirs, err := os.ReadDir(filepath.Dir(s.dir))
	if err != nil {
		s.log.Warn("state of other slots not looked at", "err", err)
	}
	for _, d := range dirs {
		if slot, err := strconv.Atoi(d.Name()); err == nil && s.of(slot) != s.dir {
			slots = append(slots, slot)
		}
	}
	return slots
}

// of is the directory of another slot of the group.
func (s *stateDir) of(slot int) string { return filepath.Join(filepath.Dir(s.dir), strconv.Itoa(slot)) }

// loadOthers takes up devices that moved here while nobody was in the slot, those that are aliases or those that are none, and returns how many.
// Their files stay where they are.
func (s *stateDir) loadOthers(c *correlate.Correlator, owned *ownership, aliases bool, now time.Time) (loaded int) {
	if owned == nil {
		return 0
	}
	for _, slot := range s.others() {
		files, err := os.ReadDir(s.of(slot))
		if err != nil {
			s.log.Warn("state of another slot not looked at", slog.Int("other", slot), slog.Any("err", err))
			continue
		}
		for _, f := range files {
			name, ok := strings.CutSuffix(f.Name(), stateSuffix)
			device, err := netip.ParseAddr(name)
			if !ok || err != nil || (c.Canonical(device) != device) != aliases || !owned.owns(device) || c.Knows(device) {
				continue
			}
			if s.takeFrom(c, device, slot, now) {
				loaded++
			}
		}
	}
	return loaded
}
