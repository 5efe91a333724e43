package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/notify"
	"github.com/telcol/telcol/collector"
)

func workerCommand(e *env) *cobra.Command {
	var evict bool
	cmd := &cobra.Command{
		Use:   "worker --slot N",
		Short: "Run one worker of the group",
		Long: `Run one worker: take the telemetry of the routers that belong to its slot, join it, deliver it.
It ends at SIGTERM or SIGINT, when what it has taken is delivered.

SIGHUP has it replaced, by the program that is on disk now, with the same arguments and --takeover: nothing is lost, no
session ends, and the process id is another one. Until then both hold all routes, a second or two per million. It goes on
if that does not work. In a terminal SIGHUP is a stop. Process 1 of a container cannot be replaced, telcol supervise can.
` + settingsHelp,
		Example: `  telcol worker --slot 3
  telcol worker --slot 0 --steering off --sink stdout`,
		Args: noArgs,
	}
	var takeover bool
	cmd.Flags().BoolVar(&takeover, "takeover", false, "replace the worker that holds the slot: nothing is lost, no session ends")
	flags := addSettings(cmd)
	flags.short(cmd, "renormalize", "ipfix-renormalize")
	cmd.Flags().BoolVar(&evict, "evict", false, "if the slot's worker is stuck or stopped, kill it and take the slot")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		if err := s.Config.Validate(); err != nil {
			return err
		}
		log, err := newLogger(&s.Config, e.stderr)
		if err != nil {
			return err
		}
		if evict {
			if err := evictFor(cmd.Context(), e, &s.Config, log); err != nil {
				return err
			}
		}
		manager, err := notify.Open(e.environ)
		if err != nil {
			log.Warn("the manager of processes cannot be told how the worker is", "err", err)
		}
		env := collector.Env{Stdout: e.stdout, Log: log, Notify: manager.Send, Takeover: takeover}
		if takesHangup(e.args, hasTerminal()) {
			if env.Successor, err = successor(e); err != nil {
				return err
			}
			var stop func()
			env.Replace, stop = hangups(cmd.Context())
			defer stop()
		}
		return e.worker(cmd.Context(), s.Config, env)
	}
	return cmd
}

// newLogger makes the log that the settings ask for.
func newLogger(cfg *collector.Config, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("%w: log-level %q is unknown, want debug, info, warn or error", collector.ErrConfig, cfg.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch cfg.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fmt.Errorf("%w: log-format %q is unknown, want text or json", collector.ErrConfig, cfg.LogFormat)
}
