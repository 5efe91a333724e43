package steering

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrorMessages(t *testing.T) {
	udp := Listener{UDP, 4739}
	addr := netip.MustParseAddrPort("[::]:4739")
	me := Owner{PID: 12, Command: "telcol"}
	for _, c := range []struct {
		err  error
		is   error
		want string
	}{
		{
			&SlotsMismatchError{Group: "g", Want: 5, Have: 4}, ErrSlotsMismatch,
			`steering group "g" has 4 slots, not 5`,
		},
		{
			&SlotRangeError{Group: "g", Slot: 4, Slots: 4}, ErrSlotRange,
			`slot 4: steering group "g" has slots 0 to 3`,
		},
		{
			&SlotTakenError{Group: "g", Slot: 1, Listener: udp, Owner: me}, ErrSlotTaken,
			`slot 1 of steering group "g" is taken by pid 12 (telcol)`,
		},
		{
			&SlotTakenError{Group: "g", Slot: 1, Owner: Owner{UID: -1}}, ErrSlotTaken,
			`slot 1 of steering group "g" is taken by a process that cannot be seen from here`,
		},
		{
			&PortInUseError{Listener: udp, Addr: addr}, ErrPortInUse,
			`udp [::]:4739 is in use by another user or program`,
		},
		{
			&PortInUseError{Listener: udp, Addr: addr, Owners: []Owner{me, me, {UID: 7}}}, ErrPortInUse,
			`udp [::]:4739 is in use by pid 12 (telcol), a process of uid 7 that cannot be seen from here`,
		},
		{
			&PortInUseError{Listener: udp, Addr: addr, Group: "h", Owners: []Owner{me}}, ErrPortInUse,
			`udp [::]:4739 is in use by steering group "h": pid 12 (telcol)`,
		},
		{
			&NoListenerError{Group: "g", Listener: udp, Err: kind(unix.EPERM)}, ErrNotPermitted,
			`steering group "g" has no listener udp/4739, and it cannot be added: not permitted: operation not permitted`,
		},
		{
			&NoListenerError{Group: "g", Listener: udp, Err: unix.ENOMEM}, ErrNoListener,
			`steering group "g" has no listener udp/4739, and it cannot be added: cannot allocate memory`,
		},
		{
			&BusyError{Group: "g", Slots: []int{0, 2}}, ErrGroupBusy,
			`steering group "g" has running workers in slots [0 2]`,
		},
	} {
		t.Run(fmt.Sprintf("%T", c.err), func(t *testing.T) {
			if !errors.Is(fmt.Errorf("wrapped: %w", c.err), c.is) {
				t.Errorf("%v is not %v", c.err, c.is)
			}
			if got := c.err.Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestKind(t *testing.T) {
	for _, c := range []struct{ err, is error }{
		{unix.EPERM, ErrNotPermitted},
		{unix.EACCES, ErrNotPermitted},
		{unix.ENOSYS, ErrUnsupported},
		{unix.ENOMEM, unix.ENOMEM},
	} {
		if got := kind(c.err); !errors.Is(got, c.is) || !errors.Is(got, c.err) {
			t.Errorf("%v became %v", c.err, got)
		}
	}
	if kind(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct{ addr, want string }{
		{"::", "udp"}, {"::1", "udp6"}, {"0.0.0.0", "udp4"}, {"192.0.2.1", "udp4"},
	} {
		if got := network(UDP, netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.addr, got, c.want)
		}
	}
}

// A kernel without IPv6 refuses the family; only the wildcard has a counterpart.
func TestIPv4Fallback(t *testing.T) {
	for _, c := range []struct {
		addr, want string
		ok         bool
	}{
		{"[::]:9", "0.0.0.0:9", true}, {"[::1]:9", "[::1]:9", false}, {"0.0.0.0:9", "0.0.0.0:9", true},
	} {
		var last netip.AddrPort
		err := withIPv4Fallback(netip.MustParseAddrPort(c.addr), func(a netip.AddrPort) error {
			last = a
			if a.Addr().Is6() {
				return fmt.Errorf("socket: %w", unix.EAFNOSUPPORT)
			}
			return nil
		})
		if last.String() != c.want || (err == nil) != c.ok {
			t.Errorf("%s: listened on %s, %v", c.addr, last, err)
		}
	}
}
