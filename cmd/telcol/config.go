package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/collector"
)

func configCommand(e *env) *cobra.Command {
	cmd := group(&cobra.Command{Use: "config", Short: "Check or show the settings of a worker"})
	cmd.AddCommand(configCheckCommand(e), configShowCommand(e))
	return cmd
}

func configCheckCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the settings that a worker would have",
		Long: `Read the settings as telcol worker does, and say whether they can work. A file that all workers of
a group share names no slot; that is no fault here.`,
		Example: "  telcol config check --config /etc/telcol.yaml",
		Args:    noArgs,
	}
	flags := addSettings(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		cfg, note := s.Config, ""
		if s.Origin("slot") == "default" || cfg.Slot == collector.Default().Slot {
			cfg.Slot, note = 0, "; the slot is left to the worker (--slot or TELCOL_SLOT)"
		}
		if err := cfg.Validate(); err != nil {
			return err
		}
		if _, err := newLogger(&cfg, io.Discard); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, "the settings are in order"+note)
		return nil
	}
	return cmd
}

func configShowCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the settings that a worker would have, and where each came from",
		Args:  noArgs,
	}
	flags := addSettings(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		return s.WriteYAML(e.stdout)
	}
	return cmd
}
