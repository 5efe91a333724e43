package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

func steeringStatusCommand(e *env) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show slots, owners, what workers tell, and counters",
		Long: `Show the slots of the group: who owns them, what share of the devices is theirs, what their workers tell of
themselves, and what the kernel counted. A worker that has told nothing for 10s is stuck or stopped, see telcol
steering evict.`,
		Args: noArgs,
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().BoolVar(&o.json, "json", false, "as JSON")
	cmd.Flags().BoolVar(&o.watch, "watch", false, "again and again, until interrupted; with --json one object a line")
	cmd.Flags().DurationVar(&o.every, "every", 2*time.Second, "how often with --watch")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.every <= 0 {
			return usagef("--every %v must be positive", o.every)
		}
		return withGroup(e, flags, func(g *steering.Group) error { return showStatus(cmd.Context(), e.stdout, g, &o) })
	}
	return cmd
}

type statusOptions struct {
	json, watch bool
	every       time.Duration
}

// clearScreen moves to the top left and clears what is there.
const clearScreen = "\x1b[H\x1b[2J"

func showStatus(ctx context.Context, w io.Writer, g *steering.Group, o *statusOptions) error {
	st, err := g.Status()
	switch {
	case err != nil:
		return err
	case o.json && !o.watch:
		return printJSON(w, st)
	case !o.watch:
		return printStatus(w, st)
	}
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		if o.json {
			err = json.NewEncoder(w).Encode(st)
		} else {
			fmt.Fprint(w, clearScreen)
			err = printStatus(w, st)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if st, err = g.Status(); err != nil {
			return err
		}
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printStatus(w io.Writer, st *steering.Status) error {
	slots := 0
	for _, s := range st.Slots {
		if !s.Beyond {
			slots++
		}
	}
	fmt.Fprintf(w, "steering group %q: %d slots, generation %d, %d aliases, %d pins", st.Group, slots, st.Generation, st.Aliases, st.Pins)
	if st.Allowed > 0 {
		fmt.Fprintf(w, ", %d allowed prefixes", st.Allowed)
	}
	fmt.Fprintf(w, "\n%s\n\n", savedText(st))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "slot\tshare\tweight\towner\talive\ttold\tdevices\tsessions\tdatagrams/s\tbuffer drops\tforeign\t")
	for i := range st.Slots {
		printWorker(t, &st.Slots[i])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printCounters(w, st); err != nil {
		return err
	}
	for _, s := range st.Strangers {
		fmt.Fprintf(w, "\n%s: a socket of %s is on the port and in no slot\n", s.Listener, s.Owner)
	}
	return nil
}

// savedText says whether the group will be the same after a reboot.
func savedText(st *steering.Status) string {
	switch {
	case st.KeyFile == "":
		return "saved nowhere, and gone at the next boot; telcol steering save FILE saves it"
	case !st.Saved:
		return fmt.Sprintf("NOT saved in %s as it is now; telcol steering save tries again", st.KeyFile)
	}
	return "saved in " + st.KeyFile
}

// printWorker prints the line of one slot.
func printWorker(w io.Writer, s *steering.SlotStatus) {
	weight := strconv.FormatFloat(s.Weight, 'g', -1, 64)
	switch {
	case s.Beyond:
		weight = "gone"
	case s.Weight == 0:
		weight = "drained"
	}
	owner := ownerText(s)
	fmt.Fprintf(w, "%d\t%.1f%%\t%s\t%s\t%s\t", s.Slot, 100*float64(s.Buckets)/steering.Buckets, weight, owner, aliveText(s))
	r := s.Report
	if r == nil || owner == nobody {
		fmt.Fprintln(w, "-\t-\t-\t-\t-\t-\t")
		return
	}
	told := fmt.Sprintf("%.0fs ago", s.BeatAge)
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", told, r.Devices, r.Sessions, r.Rate, r.ReceiveDrops, r.Foreign+r.ForeignConns)
}

// aliveText says whether a worker is well, and since when not.
func aliveText(s *steering.SlotStatus) string {
	switch {
	case s.Alive:
		return "yes"
	case s.Stuck:
		return "no, stuck since " + s.StuckSince.Format(time.TimeOnly)
	}
	return "no"
}

// printCounters prints what the kernel counted, a column a listener.
func printCounters(w io.Writer, st *steering.Status) error {
	if len(st.Listeners) == 0 {
		return nil
	}
	if s := st.Slots[0]; slices.ContainsFunc(s.Listeners, isUsed) { // else no worker runs
		for _, l := range s.Listeners {
			if l.Unused {
				fmt.Fprintf(w, "\n%s: no worker listens there\n", l.Listener)
			}
		}
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "kernel\t")
	for _, l := range st.Listeners {
		fmt.Fprintf(t, "%s selected\tdropped\t", l.Listener)
	}
	fmt.Fprintln(t)
	for i, s := range st.Slots {
		fmt.Fprintf(t, "slot %d\t", s.Slot)
		for _, l := range st.Slots[i].Listeners {
			fmt.Fprintf(t, "%d\t%d\t", l.Selected, l.Empty)
		}
		fmt.Fprintln(t)
	}
	for _, row := range []struct {
		name string
		of   func(*steering.Counters) uint64
	}{
		{"not allowed", func(c *steering.Counters) uint64 { return c.Refused }},
		{"no source address", func(c *steering.Counters) uint64 { return c.Unreadable }},
		{"no slot", func(c *steering.Counters) uint64 { return c.Nobody }},
	} {
		fmt.Fprintf(t, "%s\t", row.name)
		for i := range st.Listeners {
			fmt.Fprintf(t, "\t%d\t", row.of(&st.Listeners[i]))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func isUsed(l steering.SlotListener) bool { return !l.Unused }

const (
	nobody  = "nobody"
	dropped = ": what this device sends is dropped"
)

// ownerText names who holds a slot.
func ownerText(s *steering.SlotStatus) string {
	held, used := 0, 0
	for _, l := range s.Listeners {
		if l.Owner != nil {
			held++
		}
		if !l.Unused {
			used++
		}
	}
	who := "unknown"
	if s.PID != 0 {
		who = fmt.Sprintf("pid %d (%s)", s.PID, s.Command)
	}
	switch {
	case held == 0:
		return nobody
	case held < used:
		return who + fmt.Sprintf(", %d of %d listeners", held, used)
	}
	return who
}

func steeringWhereCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "where ADDR...",
		Short:   "Tell which worker the traffic of a device reaches",
		Example: "  telcol steering where 192.0.2.1 2001:db8::1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("say whose traffic: telcol steering where ADDR")
			}
			return nil
		},
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, one object a line")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		addrs := make([]netip.Addr, len(args))
		for i, text := range args {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return usagef("%q is not an address", text)
			}
			addrs[i] = a.Unmap()
		}
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		return printWhere(e, s.Config.Group, addrs, asJSON)
	}
	return cmd
}

// place is the answer of telcol steering where.
type place struct {
	steering.Placement
	PID     int  `json:"pid,omitempty"`
	Alive   bool `json:"alive"`
	Allowed bool `json:"allowed"`
	Pinned  bool `json:"pinned,omitempty"`
}

func printWhere(e *env, name string, addrs []netip.Addr, asJSON bool) error {
	g, err := steering.Open(e.steeringRoot, name)
	if err != nil {
		return adviseSteering(err, name)
	}
	defer g.Close()
	st, err := g.Status()
	if err != nil {
		return adviseSteering(err, name)
	}
	enc, pins := json.NewEncoder(e.stdout), g.Table().Plan().Pins
	for _, a := range addrs {
		p := place{Placement: g.Where(a), Allowed: g.Table().Allows(a)}
		_, p.Pinned = pins[p.Canonical]
		who := nobody + dropped
		if p.Slot >= 0 && p.Slot < len(st.Slots) {
			s := &st.Slots[p.Slot]
			p.PID, p.Alive = s.PID, s.Alive
			owner := ownerText(s)
			if who = fmt.Sprintf("slot %d, %s", p.Slot, owner); owner == nobody {
				who += dropped
			} else if s.Stuck {
				who += ", stuck since " + s.StuckSince.Format(time.TimeOnly)
			}
		}
		if !p.Allowed {
			who += ", but it is not let in" + dropped
		}
		if asJSON {
			err = enc.Encode(p)
		} else {
			_, err = fmt.Fprintf(e.stdout, "%s: %s (bucket %d%s)\n", a, who, p.Bucket, aliasText(&p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func aliasText(p *place) (text string) {
	if p.Canonical != p.Addr {
		text = ", an address of " + p.Canonical.String()
	}
	if p.Pinned {
		text += ", pinned"
	}
	return text
}
