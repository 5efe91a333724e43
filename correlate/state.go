package correlate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/telcol/telcol/ipfix"
)

// The state of a device outlives a restart as octets: a header, its name, its option tables and its templates, the last two in
// package ipfix's own checked forms.
//
//	"telcol device" | format(1) | flags(1) | name length(2, big-endian) | name | tables | session | (port(2) | session)...
const (
	stateMagic  = "telcol device"
	stateFormat = 2
	stateHeader = len(stateMagic) + 1 + 1 + 2
	stateFlags  = len(stateMagic) + 1

	flagSpeaks = 1 << 0 // has or had a BMP session
)

// ErrState is wrapped by errors of a state that cannot be taken up.
var ErrState = errors.New("device state")

// savedAgain is the least time between two saves of a device, so that one that changes all the time costs little.
const savedAgain = 5 * time.Second

// Unsaved gives the state of up to n devices that have changed since it last did, to save. The octets are valid during the call.
// It goes on where it stopped, and reports how many it gave. With now 0 and n negative it gives all that have changed, however
// lately they were given.
func (c *Correlator) Unsaved(now int64, n int, save func(device netip.Addr, state []byte)) int {
	given := 0
	for range c.order {
		if given == n {
			break
		}
		c.saveNext++
		if c.saveNext >= len(c.order) {
			c.saveNext = 0
		}
		d := c.order[c.saveNext]
		if d.leaving || d.changes() == d.savedChanges || now != 0 && now-d.savedAt < int64(savedAgain) {
			continue
		}
		d.savedChanges, d.savedAt = d.changes(), now
		c.state = d.appendState(c.state[:0])
		save(d.addr, c.state)
		given++
	}
	return given
}

// SaveAgain has Unsaved give a device's state again, or NextImage its routes, as if they had changed: what was given could not be kept.
func (c *Correlator) SaveAgain(device netip.Addr, routes bool) {
	switch d := c.devices[device]; {
	case d == nil:
	case routes:
		d.imaged = d.rib.Changes() - 1
	default:
		d.savedChanges = d.changes() - 1
	}
}

func (d *Device) appendState(b []byte) []byte {
	name := d.name[:min(len(d.name), 1<<16-1)]
	var flags byte
	if d.speaks {
		flags |= flagSpeaks
	}
	b = append(append(b, stateMagic...), stateFormat, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, name...)
	b = d.session.AppendState(d.options.AppendState(b), ipfix.ScopeTemplates)
	for s, st := range d.streams {
		if s.Conn == 0 { // a connection does not outlive the process
			b = binary.BigEndian.AppendUint16(b, s.Port)
			b = append(append(b, byte(s.Addr.BitLen()/8)), s.Addr.AsSlice()...)
			b = st.session.AppendState(b, ipfix.ScopeTemplates)
		}
	}
	return b
}

// restoreStreams takes up the sessions of single source ports and of other addresses. They are passed over where the configuration
// knows of them no more.
func (c *Correlator) restoreStreams(d *Device, rest []byte, now int64) ([]byte, error) {
	for len(rest) > 2 {
		s := Stream{Port: binary.BigEndian.Uint16(rest)}
		n := int(rest[2])
		rest = rest[3:]
		if n > len(rest) || n != 0 && n != 4 && n != 16 || n == 0 && s.Port == 0 {
			return rest, ErrState
		}
		s.Addr, _ = netip.AddrFromSlice(rest[:n])
		wanted := (s.Port != 0) == c.cfg.PortInTemplateKey && (!s.Addr.IsValid() || s.Addr != d.addr && c.Canonical(s.Addr) == d.addr)
		session := c.newSession(d, s)
		if wanted {
			session = c.sessionOf(d, s, now)
		}
		var err error
		if rest, err = session.RestoreState(rest[n:]); err != nil {
			return rest, err
		}
		if !wanted {
			session.End()
		}
	}
	return rest, nil
}

// Restore takes up the state of a device that is not known yet. An error wraps ErrState; the device then starts with nothing.
func (c *Correlator) Restore(device netip.Addr, state []byte, now int64) error {
	if c.devices[device] != nil {
		return fmt.Errorf("%w: %s is known already", ErrState, device)
	}
	if len(state) < stateHeader || string(state[:len(stateMagic)]) != stateMagic {
		return fmt.Errorf("%w: not a saved device", ErrState)
	}
	if f := state[len(stateMagic)]; f != stateFormat {
		return fmt.Errorf("%w: format %d, want %d", ErrState, f, stateFormat)
	}
	if f := state[stateFlags]; f&^flagSpeaks != 0 {
		return fmt.Errorf("%w: flags %#x are not known", ErrState, f)
	}
	size := int(binary.BigEndian.Uint16(state[stateHeader-2:]))
	rest := state[stateHeader:]
	if size > len(rest) {
		return fmt.Errorf("%w: name is cut", ErrState)
	}
	d := c.newDevice(device, now)
	d.name = string(rest[:size])
	rest, err := d.options.RestoreState(rest[size:])
	if err == nil {
		rest, err = d.session.RestoreState(rest)
	}
	if err == nil {
		rest, err = c.restoreStreams(d, rest, now)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrState, err)
	case len(rest) > 0:
		return fmt.Errorf("%w: %d octets too many", ErrState, len(rest))
	case len(c.devices) >= c.cfg.MaxDevices:
		return fmt.Errorf("%w: %w", ErrState, ErrDeviceQuota)
	}
	d.speaks = state[stateFlags]&flagSpeaks != 0
	c.bmpSeen = c.bmpSeen || d.speaks
	c.newcomer(d, true, now)
	d.savedChanges, d.savedAt = d.changes(), now
	c.add(d)
	return nil
}
