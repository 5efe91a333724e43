package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

func steeringStatusCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show slots, owners and counters",
		Args:  noArgs,
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		st, err := groupStatus(e, s.Config.Group)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(e.stdout, st)
		}
		return printStatus(e.stdout, st)
	}
	return cmd
}

func groupStatus(e *env, name string) (*steering.Status, error) {
	g, err := steering.Open(e.steeringRoot, name)
	if err != nil {
		return nil, adviseSteering(err, name)
	}
	defer g.Close()
	st, err := g.Status()
	return st, adviseSteering(err, name)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printStatus(w io.Writer, st *steering.Status) error {
	fmt.Fprintf(w, "steering group %q: %d slots, generation %d, %d aliases\n", st.Group, len(st.Slots), st.Generation, st.Aliases)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\nslot\tshare\towner\t")
	for _, l := range st.Listeners {
		fmt.Fprintf(t, "%s selected\tdropped\t", l.Listener)
	}
	fmt.Fprintln(t)
	for _, s := range st.Slots {
		fmt.Fprintf(t, "%d\t%.1f%%\t%s\t", s.Slot, 100*float64(s.Buckets)/steering.Buckets, ownerText(&s))
		for _, l := range s.Listeners {
			fmt.Fprintf(t, "%d\t%d\t", l.Selected, l.Empty)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := st.Unreadable(); n > 0 {
		fmt.Fprintf(w, "\n%d packets dropped for want of a source address\n", n)
	}
	return nil
}

const (
	nobody  = "nobody"
	dropped = ": what this device sends is dropped"
)

// ownerText names who holds a slot.
func ownerText(s *steering.SlotStatus) string {
	held := 0
	for _, l := range s.Listeners {
		if l.Owner != nil {
			held++
		}
	}
	who := "unknown"
	if s.PID != 0 {
		who = fmt.Sprintf("pid %d (%s)", s.PID, s.Command)
	}
	switch {
	case held == 0:
		return nobody
	case held < len(s.Listeners):
		return who + fmt.Sprintf(", %d of %d listeners", held, len(s.Listeners))
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
	PID   int  `json:"pid,omitempty"`
	Alive bool `json:"alive"`
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
	enc := json.NewEncoder(e.stdout)
	for _, a := range addrs {
		p := place{Placement: g.Where(a)}
		who := nobody + dropped
		if p.Slot >= 0 && p.Slot < len(st.Slots) {
			s := &st.Slots[p.Slot]
			p.PID, p.Alive = s.PID, s.Alive
			owner := ownerText(s)
			if who = fmt.Sprintf("slot %d, %s", p.Slot, owner); owner == nobody {
				who += dropped
			}
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

func aliasText(p *place) string {
	if p.Canonical == p.Addr {
		return ""
	}
	return ", an address of " + p.Canonical.String()
}
