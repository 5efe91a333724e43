package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

// listCommands change the group's lists of aliases and of allowed sources.
func listCommands(e *env) []*cobra.Command {
	return []*cobra.Command{aliasCommand(e), unaliasCommand(e), allowCommand(e), disallowCommand(e)}
}

// editCommand gives cmd the flags and the opening of the group.
func editCommand(e *env, cmd *cobra.Command, do func(context.Context, *steering.Group, []string) error) *cobra.Command {
	return editWith(e, cmd, addSettings(cmd, "group"), do)
}

func editWith(e *env, cmd *cobra.Command, flags *settingFlags, do func(context.Context, *steering.Group, []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withGroup(e, flags, func(g *steering.Group) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), groupLock)
			defer cancel()
			return do(ctx, g, args)
		})
	}
	return cmd
}

func parseAddrs(args []string) ([]netip.Addr, error) {
	all := make([]netip.Addr, len(args))
	for i, text := range args {
		var err error
		if all[i], err = parseAddr(text); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func aliasCommand(e *env) *cobra.Command {
	const usage = "alias ADDR CANONICAL"
	cmd := &cobra.Command{
		Use:   usage,
		Short: "Make an address one of another device; without arguments list the aliases",
		Long: `Make ADDR an address of the device whose canonical address is CANONICAL: what comes from it goes to the same
worker, for routers that send BMP and IPFIX from different addresses. Its sessions begin anew, and its data waits
for templates that it tells again, for ipfix.hold-age at most. Without arguments list the aliases.`,
		Example: "  telcol steering alias 198.51.100.1 192.0.2.1",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return takes(2, usage)(cmd, args)
		},
	}
	flags := addSettings(cmd, "group")
	editWith(e, cmd, flags, func(ctx context.Context, g *steering.Group, args []string) error {
		a, err := parseAddrs(args)
		if err != nil {
			return err
		}
		if a[0] == a[1] {
			return usagef("%s cannot be an alias of itself", a[0])
		}
		before := g.Where(a[0])
		return done(g.SetAlias(ctx, a[0], a[1]), func() error {
			_, err := fmt.Fprintf(e.stdout, "%s is an address of %s now: slot %d, before %d\n", a[0], a[1], g.Where(a[0]).Slot, before.Slot)
			return err
		})
	})
	return listing(e, cmd, flags, func(w io.Writer, g *steering.Group) error {
		aliases := g.Aliases()
		for _, a := range sortedAddrs(aliases) {
			if _, err := fmt.Fprintf(w, "%s %s\n", a, aliases[a]); err != nil {
				return err
			}
		}
		return nil
	})
}

func unaliasCommand(e *env) *cobra.Command {
	const usage = "unalias ADDR"
	return editCommand(e, &cobra.Command{
		Use: usage, Short: "Make an alias a device of its own again", Args: takes(1, usage),
		Long: `Make an alias a device of its own again. Its sessions begin anew, and its data waits for templates that it tells
again, for ipfix.hold-age at most; routes told from it stay with the device that it was an address of, as stale.`,
	}, func(ctx context.Context, g *steering.Group, args []string) error {
		a, err := parseAddr(args[0])
		if err != nil {
			return err
		}
		if _, ok := g.Aliases()[a]; !ok {
			return fmt.Errorf("%s is no alias; telcol steering alias lists what is", a)
		}
		return done(g.RemoveAlias(ctx, a), func() error {
			_, err := fmt.Fprintf(e.stdout, "%s is a device of its own now: slot %d\n", a, g.Where(a).Slot)
			return err
		})
	})
}

// parsePrefixes reads prefixes; an address stands for itself alone.
func parsePrefixes(args []string) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, len(args))
	for i, text := range args {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil && a.Zone() == "" {
			p, err = a.Unmap().Prefix(a.Unmap().BitLen())
		}
		if err != nil {
			return nil, usagef("%q is not a prefix, write it like 192.0.2.0/24", text)
		}
		if p != p.Masked() {
			return nil, usagef("%s has bits beyond its length, did you mean %s?", p, p.Masked())
		}
		all[i] = p
	}
	return all, nil
}

func allowCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "allow PREFIX...",
		Short: "Let sources in and drop all others in the kernel; without arguments list them",
		Long: `Put prefixes on the list of sources that are let in. As soon as there is one, what comes from elsewhere is dropped
in the kernel before anything else, and counted; sessions from there that are open are closed within a second or two.
Without arguments list the prefixes.`,
		Example: "  telcol steering allow 192.0.2.0/24 2001:db8::/32",
		Args:    cobra.ArbitraryArgs,
	}
	flags := addSettings(cmd, "group")
	editWith(e, cmd, flags, func(ctx context.Context, g *steering.Group, args []string) error {
		prefixes, err := parsePrefixes(args)
		if err != nil {
			return err
		}
		return done(g.Allow(ctx, prefixes...), func() error { return printAllowed(e.stdout, g) })
	})
	return listing(e, cmd, flags, func(w io.Writer, g *steering.Group) error {
		for _, p := range g.Table().Allowed() {
			if _, err := fmt.Fprintln(w, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func disallowCommand(e *env) *cobra.Command {
	return editCommand(e, &cobra.Command{
		Use:   "disallow PREFIX...",
		Short: "Take prefixes off the list of sources that are let in",
		Long:  "Take prefixes off the list of sources that are let in. When none is left, everything is let in.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("say it like this: telcol steering disallow PREFIX...")
			}
			return nil
		},
	}, func(ctx context.Context, g *steering.Group, args []string) error {
		prefixes, err := parsePrefixes(args)
		if err != nil {
			return err
		}
		missing, err := g.Disallow(ctx, prefixes...)
		return done(err, func() error {
			if len(missing) == 0 {
				return printAllowed(e.stdout, g)
			}
			texts := make([]string, len(missing))
			for i, p := range missing {
				texts[i] = p.String()
			}
			return fmt.Errorf("not on the list: %s; telcol steering allow shows what is", strings.Join(texts, ", "))
		})
	})
}

func printAllowed(w io.Writer, g *steering.Group) error {
	n := len(g.Table().Allowed())
	if n == 0 {
		_, err := fmt.Fprintln(w, "no prefix is left: every source is let in")
		return err
	}
	_, err := fmt.Fprintf(w, "%d prefixes are let in, all else is dropped\n", n)
	return err
}
