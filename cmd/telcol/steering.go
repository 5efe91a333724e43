package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/collector"
	"github.com/telcol/telcol/steering"
)

func steeringCommand(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "steering",
		Short: "Create, inspect, change or remove the steering group of this host",
	})
	cmd.AddCommand(steeringInitCommand(e), steeringDestroyCommand(e), steeringStatusCommand(e), steeringWhereCommand(e), selftestCommand(e), evictCommand(e))
	cmd.AddCommand(tableCommands(e)...)
	cmd.AddCommand(listCommands(e)...)
	cmd.AddCommand(fileCommands(e)...)
	return cmd
}

// groupLock is how long to wait for others that start or end at the same time.
const groupLock = 30 * time.Second

func steeringInitCommand(e *env) *cobra.Command {
	var owner, keyFile string
	var allow []string
	cmd := &cobra.Command{
		Use:   "init --slots N",
		Short: "Create the group and load its program (root)",
		Long: `Create the steering group: load the program, pin it and its tables under /sys/fs/bpf/telcol, which is
mounted where it is not. Needs root (CAP_BPF and CAP_PERFMON), once after each boot; the workers need
nothing.

A group that exists gets what it lacks: listeners, allowed prefixes, the program of this version if another one
is pinned (running workers attach it within seconds, nothing is lost), and the number of slots, as by
telcol steering resize. All else stays as it is.

With --key-file devices have the same places after a reboot, and on every host that has the same file. It holds the
key, and what telcol steering resize, weight, drain, pin, alias and allow have said: a group that does not exist is
made from it, drained slots are drained again, and every change is saved in it. Aliases of the workers' settings are
not: the workers tell them again. The file is made, readable by its owner alone, where there is none; a file that
holds a key alone, 32 hexadecimal digits, will do. A damaged one is an error: its key line alone, put in a file
without the word key, still gives the places that the hash gives.

--slots (or slots in the settings file) counts when it is another number than init was told before; else the group
keeps the number that telcol steering resize has given it.

Exit code 3: the group is ready, but could not be saved. So it is with the commands that change it.`,
		Example: `  telcol steering init --slots 4
  telcol steering init --slots 4 --user telcol --key-file /var/lib/telcol/steering.key`,
		Args: noArgs,
	}
	flags := addSettings(cmd, "group", "slots", "listen-ipfix", "listen-bmp", "ipfix.tcp")
	cmd.Flags().Var((*fileValue)(&keyFile), "key-file", "makes the group from this file, and saves every change in it")
	cmd.Flags().StringSliceVar(&allow, "allow", nil, "prefixes of sources to let in, as telcol steering allow (default all)")
	cmd.Flags().Var((*userValue)(&owner), "user", "workers run as this user: name, uid or uid:gid (default: who runs this)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		o, err := initOptions(e, &s.Config, owner)
		if err != nil {
			return err
		}
		if o.Allow, err = parsePrefixes(allow); err != nil {
			return err
		}
		o.File = keyFile
		ctx, cancel := context.WithTimeout(cmd.Context(), groupLock)
		defer cancel()
		g, err := steering.Init(ctx, o)
		if g == nil {
			return adviseSteering(err, o.Name)
		}
		defer g.Close()
		return adviseSteering(done(err, func() error { return printGroup(e.stdout, g, o.Slots) }), o.Name)
	}
	return cmd
}

// initOptions gives what the settings mean for the group.
func initOptions(e *env, cfg *collector.Config, owner string) (steering.Options, error) {
	if cfg.Slots < 0 || cfg.Slots > steering.MaxSlots {
		return steering.Options{}, usagef("slots %d is out of range, want 1 to %d", cfg.Slots, steering.MaxSlots)
	}
	o := steering.Options{Root: e.steeringRoot, Name: cfg.Group, Slots: cfg.Slots, Resize: true}
	type listener struct {
		proto steering.Proto
		addrs func() ([]netip.AddrPort, error)
	}
	all := []listener{{steering.UDP, cfg.IPFIXAddrs}, {steering.TCP, cfg.BMPAddrs}}
	if cfg.IPFIX.TCP {
		all = append(all, listener{steering.TCP, cfg.IPFIXAddrs})
	}
	for _, l := range all {
		addrs, err := l.addrs()
		if err != nil {
			return o, err
		}
		for _, a := range addrs {
			o.Listeners = append(o.Listeners, steering.Listener{Proto: l.proto, Port: a.Port()})
		}
	}
	if owner == "" {
		return o, nil
	}
	u, err := lookupUser(owner)
	o.User = u
	return o, err
}

// userValue is a user as text.
type userValue string

func (v *userValue) Set(text string) error { *v = userValue(text); return nil }
func (v *userValue) String() string        { return string(*v) }
func (v *userValue) Type() string          { return "USER" }

// lookupUser reads a user: a name, a uid, or uid:gid. A uid without a gid that has no account is its own group.
func lookupUser(text string) (*steering.User, error) {
	if uid, gid, both := strings.Cut(text, ":"); both {
		u, uerr := strconv.Atoi(uid)
		g, gerr := strconv.Atoi(gid)
		if uerr != nil || gerr != nil || u < 0 || g < 0 {
			return nil, usagef("--user %q is not uid:gid", text)
		}
		return &steering.User{UID: u, GID: g}, nil
	}
	id, notNumber := strconv.Atoi(text)
	account, err := user.Lookup(text)
	if notNumber == nil {
		account, err = user.LookupId(text)
	}
	switch {
	case err == nil:
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		return &steering.User{UID: uid, GID: gid}, nil
	case notNumber == nil && id >= 0:
		return &steering.User{UID: id, GID: id}, nil
	}
	return nil, usagef("--user %q: this host has no such user", text)
}

// printGroup says what there is, and why it has not the number of slots that was told.
func printGroup(w io.Writer, g *steering.Group, told int) error {
	ls, err := g.Listeners()
	if err != nil {
		return err
	}
	texts := make([]string, len(ls))
	for i, l := range ls {
		texts[i] = l.String()
	}
	fmt.Fprintf(w, "steering group %q is ready: %d slots, listeners %s\n", g.Name(), g.Slots(), strings.Join(texts, " and "))
	if told != 0 && told != g.Slots() {
		fmt.Fprintf(w, "%d slots are what telcol steering resize said since init was told %d first; resize %[2]d takes them back\n", g.Slots(), told)
	}
	return printSaved(w, g)
}

func steeringDestroyCommand(e *env) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Remove the group (root)",
		Long: `Remove the steering group. Its key goes with it, and devices have other places in the next one, unless that is made
from the key file, which stays. Refused while workers run.`,
		Args: noArgs,
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().BoolVar(&force, "force", false, "also while workers run; they keep what they have, but none can join them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), groupLock)
		defer cancel()
		name := s.Config.Group
		switch err := steering.Destroy(ctx, e.steeringRoot, name, steering.DestroyOptions{EvenIfBusy: force}); {
		case errors.Is(err, steering.ErrNoGroup):
			return fmt.Errorf("%w, nothing to remove", err)
		case err != nil:
			return adviseSteering(err, name)
		}
		fmt.Fprintf(e.stdout, "steering group %q is removed\n", name)
		return nil
	}
	return cmd
}
