package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

// tableCommands change which slot owns what.
func tableCommands(e *env) []*cobra.Command {
	return []*cobra.Command{
		pinCommand(e), unpinCommand(e), weightCommand(e), drainCommand(e, true), drainCommand(e, false), resizeCommand(e),
	}
}

// knownFor is how long a device that has fallen silent counts as known.
const knownFor = 24 * time.Hour

const movesHelp = `
Devices that move are taken by their new worker at once; their old one closes their BMP sessions, spread over
intake.move-spread, and they connect again to the new one. Nothing else moves. --dry-run shows what would.`

// tableChange is what one command wants to change.
type tableChange func(args []string) (func(*steering.Plan) error, error)

func changeCommand(e *env, cmd *cobra.Command, parse tableChange) *cobra.Command {
	return changeWith(e, cmd, addSettings(cmd, "group"), parse)
}

func changeWith(e *env, cmd *cobra.Command, flags *settingFlags, parse tableChange) *cobra.Command {
	var dry bool
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would move and change nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		edit, err := parse(args)
		if err != nil {
			return err
		}
		return withGroup(e, flags, func(g *steering.Group) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), groupLock)
			defer cancel()
			m, err := g.ChangePlan(ctx, dry, edit)
			return done(err, func() error { return printMove(e.stdout, g, m, dry) })
		})
	}
	return cmd
}

// withGroup opens the group that the flags name.
func withGroup(e *env, flags *settingFlags, do func(*steering.Group) error) error {
	s, err := flags.load(e)
	if err != nil {
		return err
	}
	name := s.Config.Group
	g, err := steering.Open(e.steeringRoot, name)
	if err != nil {
		return adviseSteering(err, name)
	}
	defer g.Close()
	return adviseSteering(do(g), name)
}

// takes checks the number of arguments; usage is what to say.
func takes(n int, usage string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("say it like this: telcol steering %s", usage)
		}
		return nil
	}
}

func parseSlot(text string) (int, error) {
	slot, err := strconv.Atoi(text)
	if err != nil || slot < 0 || slot >= steering.MaxSlots {
		return 0, usagef("%q is not a slot, 0 to %d", text, steering.MaxSlots-1)
	}
	return slot, nil
}

func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, usagef("%q is not an address", text)
	}
	return a.Unmap().WithZone(""), nil
}

func pinCommand(e *env) *cobra.Command {
	const usage = "pin ADDR SLOT"
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Give a device to a slot; without arguments list the pins",
		Long: `Give a device to a slot, whatever the weights say, with the few other devices that share its hash bucket. The
pin of a slot that is drained or gone waits until the slot is back. Without arguments list the pins.
` + movesHelp,
		Example: "  telcol steering pin 192.0.2.1 3 --dry-run",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return takes(2, usage)(cmd, args)
		},
	}
	flags := addSettings(cmd, "group")
	changeWith(e, cmd, flags, func(args []string) (func(*steering.Plan) error, error) {
		a, err := parseAddr(args[0])
		if err != nil {
			return nil, err
		}
		slot, err := parseSlot(args[1])
		return func(p *steering.Plan) error { return p.Pin(a, slot) }, err
	})
	return listing(e, cmd, flags, func(w io.Writer, g *steering.Group) error {
		pins := g.Table().Plan().Pins
		for _, a := range sortedAddrs(pins) {
			if _, err := fmt.Fprintf(w, "%s slot %d\n", a, pins[a]); err != nil {
				return err
			}
		}
		return nil
	})
}

// listing lets a command that was given no arguments list instead.
func listing(e *env, cmd *cobra.Command, flags *settingFlags, list func(io.Writer, *steering.Group) error) *cobra.Command {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return run(cmd, args)
		}
		return withGroup(e, flags, func(g *steering.Group) error { return list(e.stdout, g) })
	}
	return cmd
}

func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	all := make([]netip.Addr, 0, len(m))
	for a := range m {
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

func unpinCommand(e *env) *cobra.Command {
	const usage = "unpin ADDR"
	return changeCommand(e, &cobra.Command{
		Use: usage, Short: "Give a pinned device back to the hash", Long: "Take the pin of a device away.\n" + movesHelp, Args: takes(1, usage),
	}, func(args []string) (func(*steering.Plan) error, error) {
		a, err := parseAddr(args[0])
		return func(p *steering.Plan) error {
			if !p.Unpin(a) {
				return fmt.Errorf("%s is not pinned; telcol steering pin lists what is", a)
			}
			return nil
		}, err
	})
}

func weightCommand(e *env) *cobra.Command {
	const usage = "weight SLOT WEIGHT"
	return changeCommand(e, &cobra.Command{
		Use:   usage,
		Short: "Change how much a slot takes, relative to the others",
		Long: `Change the weight of a slot. One of weight 2 owns twice as much as one of 1, which is what all have at first. From
0.01 to 100.
` + movesHelp,
		Example: "  telcol steering weight 2 0.5",
		Args:    takes(2, usage),
	}, func(args []string) (func(*steering.Plan) error, error) {
		slot, err := parseSlot(args[0])
		if err != nil {
			return nil, err
		}
		w, err := strconv.ParseFloat(args[1], 64)
		if err != nil {
			return nil, usagef("%q is not a weight, write it like 0.5", args[1])
		}
		return func(p *steering.Plan) error { return p.SetWeight(slot, w) }, nil
	})
}

func drainCommand(e *env, drain bool) *cobra.Command {
	usage, short, long := "drain SLOT", "Take all devices from a slot", "Take all devices from a slot, before its worker is stopped for long."
	if !drain {
		usage, short, long = "undrain SLOT", "Give a drained slot its devices back", "Give a drained slot its devices back: the same ones."
	}
	return changeCommand(e, &cobra.Command{Use: usage, Short: short, Long: long + "\n" + movesHelp, Args: takes(1, usage)},
		func(args []string) (func(*steering.Plan) error, error) {
			slot, err := parseSlot(args[0])
			return func(p *steering.Plan) error { return p.SetDrained(slot, drain) }, err
		})
}

func resizeCommand(e *env) *cobra.Command {
	const usage = "resize N"
	var drained bool
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Change the number of slots of a running group",
		Long: `Change the number of slots. One more takes about 1/N of the devices from the others; those of a slot that goes are
spread over what is left. What moves to a slot without a worker is dropped and counted until one starts. To lose
nothing when the group grows: resize N --drained, start the worker, undrain its slot. When it shrinks: resize,
then stop the worker.
` + movesHelp,
		Example: `  telcol steering resize 5 --drained
  telcol worker --slot 4 &
  telcol steering undrain 4`,
		Args: takes(1, usage),
	}
	changeCommand(e, cmd, func(args []string) (func(*steering.Plan) error, error) {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > steering.MaxSlots {
			return nil, usagef("%q is not a number of slots, 1 to %d", args[0], steering.MaxSlots)
		}
		return func(p *steering.Plan) error {
			before := p.Slots
			if err := p.Resize(n); err != nil {
				return err
			}
			for slot := before; drained && slot < n; slot++ {
				if err := p.SetDrained(slot, true); err != nil {
					return err
				}
			}
			return nil
		}, nil
	})
	cmd.Flags().BoolVar(&drained, "drained", false, "slots that are added own nothing until telcol steering undrain")
	return cmd
}

// printMove tells what moves, how the load was and is, and which slots would drop what they own.
func printMove(w io.Writer, g *steering.Group, m *steering.Move, dry bool) error {
	known, err := g.Devices(knownFor)
	if err != nil {
		return err
	}
	addrs := make([]netip.Addr, len(known))
	for i, d := range known {
		addrs[i] = d.Addr
	}
	verb := "moved"
	if dry {
		verb = "would move"
	}
	fmt.Fprintf(w, "steering group %q: %d of %d known devices %s (%d of %d buckets)\n\n",
		g.Name(), m.Devices(addrs), len(addrs), verb, m.Buckets(), steering.Buckets)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "slot\tshare before\tafter\tdevices before\tafter\t")
	shares, loads := [2][]int{m.Before.Share(), m.After.Share()}, [2][]int{m.Before.Load(addrs), m.After.Load(addrs)}
	for slot := range max(m.Before.Slots(), m.After.Slots()) {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t\n", slot,
			shareText(shares[0], slot), shareText(shares[1], slot), countText(loads[0], slot), countText(loads[1], slot))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	st, err := g.Status()
	if err != nil {
		return err
	}
	return warnWorkers(w, st, m.After)
}

func shareText(shares []int, slot int) string {
	if slot >= len(shares) {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(shares[slot])/steering.Buckets)
}

func countText(counts []int, slot int) string {
	if slot >= len(counts) {
		return "-"
	}
	return strconv.Itoa(counts[slot])
}

// warnWorkers names slots that own something and have no worker, or none that takes all of it, and workers whose slots are gone.
func warnWorkers(w io.Writer, st *steering.Status, t *steering.Table) (err error) {
	var absent, stuck, lacking, gone []string
	for slot, share := range t.Share() {
		switch s := strconv.Itoa(slot); {
		case share == 0 || slot < len(st.Slots) && st.Slots[slot].Alive:
		case slot >= len(st.Slots) || ownerText(&st.Slots[slot]) == nobody:
			absent = append(absent, s)
		case st.Slots[slot].Stuck:
			stuck = append(stuck, s)
		default:
			lacking = append(lacking, s)
		}
	}
	for slot := t.Slots(); slot < len(st.Slots); slot++ {
		if ownerText(&st.Slots[slot]) != nobody {
			gone = append(gone, strconv.Itoa(slot))
		}
	}
	for _, c := range []struct {
		slots []string
		text  string
	}{
		{absent, "no worker in slot %s: what its devices send is dropped and counted"},
		{stuck, "the worker in slot %s is stuck: telcol steering evict frees it for another"},
		{lacking, "the worker in slot %s has not all listeners: what its devices send to the others is dropped and counted"},
		{gone, "the group has no slot %s any more: stop its worker when its sessions have moved"},
	} {
		if len(c.slots) > 0 && err == nil {
			_, err = fmt.Fprintf(w, "\n"+c.text+"\n", strings.Join(c.slots, ", "))
		}
	}
	return err
}
