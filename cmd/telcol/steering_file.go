package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

// fileCommands save the group for the next boot and for other hosts.
func fileCommands(e *env) []*cobra.Command {
	return []*cobra.Command{saveCommand(e), restoreCommand(e)}
}

func saveCommand(e *env) *cobra.Command {
	return editCommand(e, &cobra.Command{
		Use:   "save [FILE]",
		Short: "Save key and plan in the group's key file, or make FILE the key file",
		Long: `Save the group's key, slots, weights, drains, pins, aliases and allowed prefixes in its key file. With FILE that is its
key file from now on, in which every change is saved. There is no need for it after telcol steering init --key-file,
unless a change could not be saved (exit code 3).

A file that holds another plan of the same key is replaced. One of another key, or a damaged one, is left alone.`,
		Example: "  telcol steering save /var/lib/telcol-steering/key",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("say it like this: telcol steering save [FILE]")
			}
			return nil
		},
	}, func(ctx context.Context, g *steering.Group, args []string) error {
		file := ""
		if len(args) > 0 {
			file = args[0]
		}
		if err := g.Save(ctx, file); err != nil {
			return err
		}
		return printSaved(e.stdout, g)
	})
}

func restoreCommand(e *env) *cobra.Command {
	const usage = "restore FILE"
	var dry bool
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Give a group that exists the plan of a key file, another host's say",
		Long: `Give a group that exists the slots, weights, drains, pins, aliases and allowed prefixes that a key file holds, in
place of its own. The key must be the same. After a boot there is no need for it: telcol steering init --key-file
makes the group from the file.
` + movesHelp,
		Example: "  telcol steering restore /var/lib/telcol-steering/key --dry-run",
		Args:    takes(1, usage),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would move and change nothing")
	return editCommand(e, cmd, func(ctx context.Context, g *steering.Group, args []string) error {
		m, err := g.Restore(ctx, args[0], dry)
		return done(err, func() error { return printMove(e.stdout, g, m, dry) })
	})
}

// done shows a change that is in effect, whether or not it could be saved.
func done(err error, show func() error) error {
	if err != nil && !errors.Is(err, steering.ErrNotSaved) {
		return err
	}
	if err != nil {
		err = fmt.Errorf("in effect, but %w", err)
	}
	return errors.Join(show(), err)
}

// printSaved says where the group is saved.
func printSaved(w io.Writer, g *steering.Group) error {
	file, upToDate, err := g.SavedIn()
	if err != nil || !upToDate {
		return err
	}
	_, err = fmt.Fprintf(w, "steering group %q is saved in %s\n", g.Name(), file)
	return err
}
