package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/steering"
)

func selftestCommand(e *env) *cobra.Command {
	var o steering.TestOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Send probes to every slot and check who answers",
		Long: `Send probes, datagrams and connections from addresses of the loopback network, to every listener and slot of the
group, and check that the worker of the slot answers, and nobody where there is none. Workers know probes and do
not take them for data of a device. Run it on the host, and in the network namespace, of the workers. Exits with 1
when anything is wrong.`,
		Args: noArgs,
	}
	flags := addSettings(cmd, "group")
	cmd.Flags().IntVar(&o.PerSlot, "per-slot", 4, "addresses to try for each slot and listener, 1 to 1000")
	cmd.Flags().DurationVar(&o.Patience, "timeout", 2*time.Second, "how long to wait for each answer")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, one probe a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.PerSlot < 1 || o.PerSlot > 1000 {
			return usagef("--per-slot %d is out of range, 1 to 1000", o.PerSlot)
		}
		if o.Patience <= 0 {
			return usagef("--timeout %v must be positive", o.Patience)
		}
		return withGroup(e, flags, func(g *steering.Group) error {
			results, err := g.SelfTest(cmd.Context(), o)
			if err != nil {
				return err
			}
			return printProbes(e, g, results, asJSON)
		})
	}
	return cmd
}

func printProbes(e *env, g *steering.Group, results []steering.ProbeResult, asJSON bool) error {
	answered, dropped, wrong := 0, 0, 0
	enc := json.NewEncoder(e.stdout)
	for i := range results {
		r := &results[i]
		switch {
		case r.Problem != "":
			wrong++
		case r.Got == r.Want && r.GotSlot >= 0:
			answered++
		default:
			dropped++
		}
		switch {
		case asJSON:
			if err := enc.Encode(r); err != nil {
				return err
			}
		case r.Problem != "":
			fmt.Fprintf(e.stdout, "%s from %s: %s\n", r.Listener, r.Source, r.Problem)
		}
	}
	if !asJSON {
		fmt.Fprintf(e.stdout, "steering group %q: %d probes, %d answered by the worker of their slot, %d dropped as they should, %d wrong\n",
			g.Name(), len(results), answered, dropped, wrong)
	}
	switch {
	case wrong > 0:
		return fmt.Errorf("the steering is not right: %d of %d probes went wrong", wrong, len(results))
	case answered == 0 && dropped > 0 && !g.Table().Allows(results[0].Source):
		return fmt.Errorf("nothing was tested: the loopback network is not let in, telcol steering allow 127.0.0.0/8 lets it")
	case answered == 0:
		return fmt.Errorf("nothing was tested: no slot has a worker")
	}
	return nil
}
