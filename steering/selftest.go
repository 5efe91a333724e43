package steering

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// TestOptions says how [Group.SelfTest] probes.
type TestOptions struct {
	// PerSlot is how many addresses of each slot are tried, default 4.
	PerSlot int
	// Patience is how long to wait for each answer, default 2 s.
	Patience time.Duration
}

// ProbeResult is what became of one probe.
type ProbeResult struct {
	Listener Listener   `json:"listener"`
	Source   netip.Addr `json:"source"`
	Slot     int        `json:"slot"`               // that the table names
	WantPID  int        `json:"wantPid,omitempty"`  // of the slot's owner, if it can be seen
	Want     string     `json:"want"`               // "answer", or "drop" where the slot is empty or the source not allowed
	Got      string     `json:"got"`                // "answer", "drop", or "silence": accepted and not answered
	GotSlot  int        `json:"gotSlot"`            // of an answer, else -1
	GotPID   int        `json:"gotPid,omitempty"`   // of an answer
	Problem  string     `json:"problem,omitempty"`  // what is wrong, if anything
	Duration string     `json:"duration,omitempty"` // of an answer
}

// Outcomes of a probe.
const (
	probeAnswer  = "answer"
	probeDrop    = "drop"
	probeSilence = "silence"
)

// ErrNotHere means that the group's workers run in another network namespace.
var ErrNotHere = errors.New("the group's workers are in another network namespace")

// SelfTest sends a datagram or opens a connection, from several addresses of the
// loopback network per slot, to each listener of the group, and compares who answers
// with the table: the worker of the slot, nobody where there is none. It has to run
// in the workers' network namespace and needs no capability. Workers count what it
// sends as probes and as nothing else; the program counts it like everything.
func (g *Group) SelfTest(ctx context.Context, o TestOptions) ([]ProbeResult, error) {
	if o.PerSlot <= 0 {
		o.PerSlot = 4
	}
	if o.Patience <= 0 {
		o.Patience = 2 * time.Second
	}
	st, err := g.Status()
	if err != nil {
		return nil, err
	}
	var results []ProbeResult
	var targets []netip.Addr
	for i, c := range st.Listeners {
		at, err := g.target(st, i)
		if err != nil {
			return nil, err
		}
		for _, a := range g.testSources(o.PerSlot, at) {
			results = append(results, g.expectation(st, i, c.Listener, a))
			targets = append(targets, at)
		}
	}
	var all sync.WaitGroup
	room := make(chan struct{}, 32)
	for i := range results {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			results[i].run(ctx, targets[i], o.Patience)
		})
	}
	all.Wait()
	return results, ctx.Err()
}

// expectation says what must become of a probe.
func (g *Group) expectation(st *Status, i int, l Listener, source netip.Addr) ProbeResult {
	t := g.Table()
	r := ProbeResult{Listener: l, Source: source, Slot: t.Slot(source), Want: probeDrop, GotSlot: Nobody}
	if r.Slot >= 0 && r.Slot < len(st.Slots) && t.Allows(source) {
		if owner := st.Slots[r.Slot].Listeners[i].Owner; owner != nil {
			r.Want, r.WantPID = probeAnswer, owner.PID
		}
	}
	return r
}

// target finds the address that a listener's sockets are bound to.
func (g *Group) target(st *Status, i int) (netip.Addr, error) {
	l := st.Listeners[i].Listener
	held := 0
	for _, s := range st.Slots {
		if s.Listeners[i].Owner != nil {
			held++
		}
	}
	socks, err := sockets(l)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(socks) == 0 && held > 0 {
		return netip.Addr{}, fmt.Errorf("%s: %w", l, ErrNotHere)
	}
	at := netip.IPv6Unspecified()
	if len(socks) > 0 {
		at = socks[0].local
	}
	return at, nil
}

// testSources returns addresses to send from: of the IPv4 loopback network, some for each
// slot that owns anything, and that of IPv6, where the listener takes the family.
func (g *Group) testSources(perSlot int, at netip.Addr) []netip.Addr {
	t := g.Table()
	var found []netip.Addr
	if at.Is4() || at == netip.IPv6Unspecified() {
		var start [2]byte
		rand.Read(start[:])
		left := map[int]int{}
		for slot, share := range t.Share() {
			if share > 0 {
				left[slot] = perSlot
			}
		}
		first := uint32(binary.BigEndian.Uint16(start[:])) << 4
		for i := uint32(0); len(left) > 0 && i < 1<<18; i++ {
			a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 127<<24|1<<23|(first+i)%(1<<22)<<1|1)))
			slot := t.Slot(a)
			if left[slot] == 0 || slices.Contains(found, a) {
				continue
			}
			found = append(found, a)
			if left[slot]--; left[slot] == 0 {
				delete(left, slot)
			}
		}
	}
	if at.Is6() && haveIPv6Loopback() {
		found = append(found, netip.IPv6Loopback())
	}
	return found
}

func haveIPv6Loopback() bool {
	c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Loopback(), 0)))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// run sends the probe, waits for the answer, and says what is wrong with it.
func (r *ProbeResult) run(ctx context.Context, at netip.Addr, patience time.Duration) {
	if at.IsUnspecified() {
		if at = netip.IPv6Loopback(); r.Source.Is4() {
			at = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	start := time.Now()
	a, err := sendProbe(ctx, r.Listener, r.Source, at, patience)
	switch {
	case err == nil:
		r.Got, r.GotSlot, r.GotPID, r.Duration = probeAnswer, a.Slot, a.PID, time.Since(start).Round(time.Microsecond).String()
	case errors.Is(err, unix.ECONNREFUSED):
		r.Got = probeDrop
	default:
		r.Got = probeSilence
	}
	switch {
	case r.Got == probeSilence:
		r.Problem = fmt.Sprintf("no answer from slot %d: %v", r.Slot, err)
	case r.Got == probeDrop && r.Want == probeAnswer:
		r.Problem = fmt.Sprintf("dropped, though slot %d has a worker", r.Slot)
	case r.Got == probeAnswer && r.Want == probeDrop:
		r.Problem = fmt.Sprintf("slot %d answered, though nobody should", r.GotSlot)
	case r.Got == probeAnswer && r.GotSlot != r.Slot:
		r.Problem = fmt.Sprintf("slot %d answered, not slot %d", r.GotSlot, r.Slot)
	}
}

// sendProbe sends one probe and returns its answer.
func sendProbe(ctx context.Context, l Listener, from, to netip.Addr, patience time.Duration) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	if l.Proto == TCP {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		d.SetMultipathTCP(false)
	}
	conn, err := d.DialContext(ctx, string(l.Proto), netip.AddrPortFrom(to, l.Port).String())
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	p := Probe{Token: newToken(), Port: l.Port}
	if _, err := conn.Write(AppendProbe(nil, p)); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, AnswerSize)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return Answer{}, err
	}
	a, ok := ParseAnswer(buf)
	if !ok || a.Probe != p {
		return Answer{}, errors.New("what came back is no answer to this probe")
	}
	return a, nil
}

func newToken() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
