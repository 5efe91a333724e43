package steering

import (
	"fmt"
	"slices"
	"time"
)

// SlotCounters counts what a listener decided for one slot.
type SlotCounters struct {
	// Selected counts datagrams (trains of them, where the kernel coalesced) and
	// connections given to the slot's socket.
	Selected uint64 `json:"selected"`
	// Empty counts what was dropped because the slot had no socket.
	Empty uint64 `json:"empty"`
}

// Counters are one listener's counters since the listener was created, over all
// CPUs.
type Counters struct {
	Listener Listener `json:"listener"`
	// Unreadable counts drops because no source address was found.
	Unreadable uint64 `json:"unreadable"`
	// Nobody counts drops because the device's bucket belongs to no slot.
	Nobody uint64 `json:"nobody"`
	// Refused counts drops because the source is not on the list of allowed ones.
	Refused uint64 `json:"refused"`
	// Migrated counts connections taken over from a closing listener's queue.
	Migrated uint64 `json:"migrated"`
	// Slots is indexed by slot.
	Slots []SlotCounters `json:"slots"`
}

// Counters reads the counters of all listeners, with a few system calls in all.
func (g *Group) Counters() ([]Counters, error) {
	es, err := g.all()
	if err != nil {
		return nil, err
	}
	n := g.Slots()
	all := make([]Counters, len(es))
	for i, e := range es {
		if all[i], err = e.counters(n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// counters sums over the CPUs.
func (e *endpoint) counters(slots int) (Counters, error) {
	c := Counters{Listener: e.Listener, Slots: make([]SlotCounters, slots)}
	var perCPU []steerCounters
	if err := e.stats.Lookup(uint32(0), &perCPU); err != nil {
		return c, fmt.Errorf("counters of %s: %w", e.Listener, kind(err))
	}
	for i := range perCPU {
		cpu := &perCPU[i]
		c.Unreadable += cpu.Unreadable
		c.Nobody += cpu.Nobody
		c.Migrated += cpu.Migrated
		c.Refused += cpu.Refused
		for s := range c.Slots {
			c.Slots[s].Selected += cpu.Slots[s].Selected
			c.Slots[s].Empty += cpu.Slots[s].Empty
		}
	}
	return c, nil
}

// Status is a picture of a group for people.
type Status struct {
	Group      string `json:"group"`
	Root       string `json:"root"`
	Generation uint32 `json:"generation"`
	Program    uint32 `json:"program"` // revision of the pinned program
	Aliases    int    `json:"aliases"`
	Pins       int    `json:"pins"`
	Allowed    int    `json:"allowed"` // prefixes; 0 lets everything in
	// KeyFile is where key and plan outlive the boot; none if empty. Saved means that the
	// plan of now is in there, see [Group.SavedIn].
	KeyFile   string       `json:"keyFile,omitempty"`
	Saved     bool         `json:"saved"`
	Slots     []SlotStatus `json:"slots"` // indexed by slot
	Listeners []Counters   `json:"listeners"`
	// Strangers are sockets on the group's ports that hold no slot: workers about
	// to claim one, or programs that do not belong there. One that is bound to a
	// narrower address than the group, 0.0.0.0 beside [::], takes its traffic.
	Strangers []Stranger `json:"strangers,omitempty"`
}

// Stranger is a socket on a group's port that holds no slot.
type Stranger struct {
	Listener Listener `json:"listener"`
	Owner    Owner    `json:"owner"`
}

// Unreadable returns the sum of packets without a source address.
func (s *Status) Unreadable() (n uint64) {
	for _, l := range s.Listeners {
		n += l.Unreadable
	}
	return n
}

// SlotStatus is one slot of a [Status].
type SlotStatus struct {
	Slot    int     `json:"slot"`
	Buckets int     `json:"buckets"` // of the 16384
	Weight  float64 `json:"weight"`  // 0 when drained
	// Beyond means that the group has no such slot any more, and a worker is still
	// there.
	Beyond bool `json:"beyond,omitempty"`
	// Held means that a worker holds the slot, on some listener at least.
	Held bool `json:"held"`
	// Report is what the slot's last worker told, who may be gone, and BeatAge how many
	// seconds ago.
	Report  *Report `json:"report,omitempty"`
	BeatAge float64 `json:"beatAge,omitempty"`
	// PID and Command are those of the first listener's owner that could be seen.
	PID     int    `json:"pid,omitempty"`
	Command string `json:"command,omitempty"`
	// Alive means that every listener that workers of the group use has a live socket
	// in the slot, and that the worker is not stuck.
	Alive bool `json:"alive"`
	// Stuck means that a worker holds the slot and has told nothing for [StuckAfter]:
	// it is stopped, or the goroutine that looks after its devices gets no further.
	// StuckSince is when it last told.
	Stuck      bool           `json:"stuck,omitempty"`
	StuckSince time.Time      `json:"stuckSince,omitzero"`
	Listeners  []SlotListener `json:"listeners"`
}

// judge finds out whether the holder of these sockets is stuck.
func (s *SlotStatus) judge(cookies []uint64) {
	if s.Report.stuck(cookies) {
		s.Alive, s.Stuck, s.StuckSince = false, true, time.Now().Add(-s.Report.Age()).Round(time.Millisecond)
	}
}

// SlotListener is one listener of a slot.
type SlotListener struct {
	Listener
	SlotCounters
	Owner *Owner `json:"owner,omitempty"` // nil: the slot is empty
	// Unused means that no worker of the group listens there: what is sent to the port
	// does not even meet the program.
	Unused bool `json:"unused,omitempty"`
}

// Status reads the group's state: table, slots' owners and counters. It walks over
// all processes to name the owners; for scraping use [Group.Counters].
func (g *Group) Status() (*Status, error) {
	t, err := g.Reload()
	if err != nil {
		return nil, err
	}
	counters, err := g.Counters()
	if err != nil {
		return nil, err
	}
	file, saved, err := g.SavedIn()
	if err != nil {
		return nil, err
	}
	st := &Status{
		Group: g.pins.name, Root: g.pins.root, Generation: t.generation, KeyFile: file, Saved: saved,
		Program: t.program, Aliases: len(t.aliases), Pins: len(t.plan.Pins), Allowed: len(t.allowed), Listeners: counters,
	}
	slots, err := g.occupied(counters, t.slots)
	if err != nil {
		return nil, err
	}
	owned, err := g.owners(st, slots)
	if err != nil {
		return nil, err
	}
	reports, err := g.reports(slots)
	if err != nil {
		return nil, err
	}
	share := append(t.Share(), make([]int, slots-t.slots)...)
	for slot := range slots {
		s := SlotStatus{Slot: slot, Buckets: share[slot], Beyond: slot >= t.slots, Report: reports[slot]}
		if s.Report != nil {
			s.BeatAge = s.Report.Age().Seconds()
		}
		if !s.Beyond {
			s.Weight = t.plan.Weight(slot)
		}
		for i, c := range counters {
			sl := SlotListener{Listener: c.Listener, Owner: owned[i][slot], Unused: !slices.ContainsFunc(owned[i], isOwner)}
			if slot < len(c.Slots) {
				sl.SlotCounters = c.Slots[slot]
			}
			s.add(sl)
		}
		s.Held = len(s.cookies()) > 0
		s.Alive = s.Held
		for _, l := range s.Listeners {
			s.Alive = s.Alive && (l.Owner != nil || l.Unused)
		}
		s.judge(s.cookies())
		st.Slots = append(st.Slots, s)
	}
	return st, nil
}

// occupied returns the number of slots to look at: those of the table, and more if a
// worker is in one that the group has no more.
func (g *Group) occupied(listeners []Counters, slots int) (int, error) {
	most := slots
	for _, c := range listeners {
		e, err := g.endpoint(c.Listener)
		if err != nil {
			return 0, err
		}
		for slot := slots; slot < MaxSlots; slot++ {
			cookie, err := e.cookie(slot)
			if err != nil {
				return 0, err
			}
			if cookie != 0 {
				most = max(most, slot+1)
			}
		}
	}
	return most, nil
}

// Workers is Status for machines that ask often: slots with what their workers told,
// without owners and listeners.
func (g *Group) Workers() ([]SlotStatus, error) {
	t := g.Table()
	es, err := g.all()
	if err != nil {
		return nil, err
	}
	reports, err := g.reports(t.slots)
	if err != nil {
		return nil, err
	}
	all := make([]SlotStatus, t.slots)
	for slot, share := range t.Share() {
		all[slot] = SlotStatus{Slot: slot, Buckets: share, Weight: t.plan.Weight(slot), Report: reports[slot]}
	}
	held := make([][]uint64, t.slots)
	for _, e := range es {
		cookies, err := e.cookies(t.slots)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(cookies, isSocket) {
			continue // not in use
		}
		for slot, cookie := range cookies {
			held[slot] = append(held[slot], cookie)
		}
	}
	for slot := range all {
		all[slot].Held = slices.ContainsFunc(held[slot], isSocket)
		all[slot].Alive = all[slot].Held && !slices.Contains(held[slot], 0)
		all[slot].judge(held[slot])
	}
	return all, nil
}

func isOwner(o *Owner) bool { return o != nil }

func isSocket(cookie uint64) bool { return cookie != 0 }

// cookies returns those of the sockets in the slot.
func (s *SlotStatus) cookies() (cookies []uint64) {
	for _, l := range s.Listeners {
		if l.Owner != nil {
			cookies = append(cookies, l.Owner.Cookie)
		}
	}
	return cookies
}

func (s *SlotStatus) add(l SlotListener) {
	s.Listeners = append(s.Listeners, l)
	if l.Owner != nil && s.PID == 0 {
		s.PID, s.Command = l.Owner.PID, l.Owner.Command
	}
}

// owners returns, per listener and slot, who holds it, and notes the strangers.
func (g *Group) owners(st *Status, slots int) ([][]*Owner, error) {
	var (
		held    = make([][]uint64, len(st.Listeners))
		socks   = make([][]socketInfo, len(st.Listeners))
		cookies []uint64
	)
	for i, c := range st.Listeners {
		e, err := g.endpoint(c.Listener)
		if err != nil {
			return nil, err
		}
		if held[i], err = e.cookies(slots); err != nil {
			return nil, err
		}
		cookies = append(cookies, held[i]...)
		socks[i], _ = sockets(c.Listener) // without it owners have no names
		for _, s := range socks[i] {
			cookies = append(cookies, s.cookie)
		}
	}
	names := owners(cookies, slices.Concat(socks...))
	all := make([][]*Owner, len(held))
	for i := range held {
		all[i] = make([]*Owner, slots)
		for slot, cookie := range held[i] {
			if cookie != 0 {
				o := names[cookie]
				all[i][slot] = &o
			}
		}
		for _, s := range socks[i] {
			if !slices.Contains(held[i], s.cookie) {
				st.Strangers = append(st.Strangers, Stranger{st.Listeners[i].Listener, names[s.cookie]})
			}
		}
	}
	return all, nil
}

// cookies returns the cookies of the first slots' sockets, 0 where there is none.
func (e *endpoint) cookies(slots int) ([]uint64, error) {
	all := make([]uint64, slots)
	for slot := range all {
		var err error
		if all[slot], err = e.cookie(slot); err != nil {
			return nil, err
		}
	}
	return all, nil
}
