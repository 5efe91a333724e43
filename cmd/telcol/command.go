package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/telcol/telcol/cmd/internal/settings"
)

// newCommand builds the tree of commands.
func newCommand(e *env) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "telcol",
		Short: "Network telemetry collector: flows and BGP routes, steered by the kernel, joined per device",
		Long: `telcol takes IPFIX, NetFlow v9 and BMP from routers, joins each flow with the
routes of its own router, and writes the result to Kafka.

  telcol demo                          see all of it on this machine
  telcol steering init --slots 4       once per host, as root
  telcol worker --slot 0 --kafka-brokers kafka:9092`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.AddCommand(
		workerCommand(e), superviseCommand(e), steeringCommand(e), demoCommand(e), simulateCommand(e), replayCommand(e), decodeCommand(e), ribCommand(e),
		healthCommand(e), configCommand(e), versionCommand(e),
	)
	return root
}

// usageTemplate is cobra's own without what telcol has none of.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

{{.CommandPath}} COMMAND --help says more.
{{- else}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// group makes cmd a command that does nothing but hold others.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			cmd.SetOut(cmd.ErrOrStderr())
			_ = cmd.Help()
			return usagef("%s needs a command: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
		}
		if c := settings.Closest(args[0], names(cmd)); c != "" {
			return usagef("%s has no command %q, did you mean %s?", cmd.CommandPath(), args[0], c)
		}
		return usagef("%s has no command %q, but %s", cmd.CommandPath(), args[0], strings.Join(names(cmd), ", "))
	}
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

func names(cmd *cobra.Command) []string {
	var list []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			list = append(list, c.Name())
		}
	}
	return list
}

// noArgs refuses arguments in one sentence.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument %q, see %[1]s --help", cmd.CommandPath(), args[0])
	}
	return nil
}

// flagError says what is wrong with a flag, and what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%v, see %s --help", err, cmd.CommandPath())
	}
	if given := cmd.Flags().Args(); cmd.HasSubCommands() && len(given) > 0 {
		return cmd.RunE(cmd, given) // the flag is perhaps right, the command is not
	}
	name := unknown.GetSpecifiedName()
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if c := settings.Closest(name, known); c != "" {
		return usagef("%s has no flag --%s, did you mean --%s?", cmd.CommandPath(), name, c)
	}
	return usagef("%s has no flag %s, see %[1]s --help", cmd.CommandPath(), dashed(name))
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
