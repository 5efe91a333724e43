package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/collector"
	"github.com/telcol/telcol/steering"
)

func evictCommand(e *env) *cobra.Command {
	var o steering.EvictOptions
	cmd := &cobra.Command{
		Use:   "evict SLOT",
		Short: "Free a slot whose worker is stuck or stopped: kill it",
		Long: `Kill the worker that holds a slot and has told nothing of itself for 10s, because it is stopped or stuck, and
free the slot for another. A process that may not be killed loses the slot all the same, and ends if it ever gets on.`,
		Example: `  telcol steering evict 3`,
		Args:    takes(1, "evict SLOT"),
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().BoolVar(&o.Force, "force", false, "also a worker that is well")
	cmd.Flags().BoolVar(&o.Spare, "spare", false, "take the slot and let the process live")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		slot, err := parseSlot(args[0])
		if err != nil {
			return err
		}
		return withGroup(e, flags, func(g *steering.Group) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), groupLock)
			defer cancel()
			ev, err := g.Evict(ctx, slot, o)
			switch {
			case err != nil:
				return err
			case ev == nil:
				_, err = fmt.Fprintf(e.stdout, "slot %d of steering group %q: nobody is in it\n", slot, g.Name())
			default:
				_, err = fmt.Fprintf(e.stdout, "slot %d of steering group %q is free: %s\n", slot, g.Name(), evictionText(ev))
			}
			return err
		})
	}
	return cmd
}

// evictionText says what became of a worker.
func evictionText(ev *steering.Eviction) string {
	text := ev.Owner.String()
	if ev.Stuck > 0 {
		text += fmt.Sprintf(", stuck for %v,", ev.Stuck.Round(time.Second))
	}
	switch {
	case ev.Killed:
		return text + " is killed"
	case ev.Err != nil:
		return text + fmt.Sprintf(" has lost it and is not killed (%v)", ev.Err)
	}
	return text + " has lost it"
}

// evictFor frees the slot for a worker that is about to start, if one is in it that is stuck.
func evictFor(ctx context.Context, e *env, cfg *collector.Config, log *slog.Logger) error {
	if !cfg.Steering {
		return nil
	}
	g, err := steering.Open(e.steeringRoot, cfg.Group)
	if errors.Is(err, steering.ErrNoGroup) || errors.Is(err, steering.ErrOutdated) {
		return nil // the worker says what is to be done, or makes it
	}
	if err != nil {
		return adviseSteering(err, cfg.Group)
	}
	defer g.Close()
	ctx, cancel := context.WithTimeout(ctx, groupLock)
	defer cancel()
	ev, err := g.Evict(ctx, cfg.Slot, steering.EvictOptions{})
	if err != nil {
		return adviseSteering(err, cfg.Group)
	}
	if ev != nil {
		log.Warn("slot was freed", "slot", cfg.Slot, "of", evictionText(ev))
	}
	return nil
}
