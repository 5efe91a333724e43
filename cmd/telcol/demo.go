package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/cmd/internal/demo"
)

func demoCommand(e *env) *cobra.Command {
	o := demo.Default()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show all of telcol on this machine: broker, steering, workers, simulated routers",
		Long: `Start an embedded broker, a steering group, workers as processes and simulated routers, and show what
happens: which worker has which devices, how many flows come and how many find their routes. Each record
is read back from the topic and compared with what its router sent.

With root and BPF the kernel steers the routers to the workers; without, one worker takes all.`,
		Example: `  telcol demo
  telcol demo --for 20s      ends by itself; exit 1 if a record was lost, misplaced or not joined`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), e, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&o.For, "for", o.For, "end after this long, with exit 1 if anything went wrong; 0 goes on until Ctrl-C")
	f.IntVar(&o.Workers, "workers", o.Workers, "number of workers")
	f.IntVar(&o.Routers, "routers", o.Routers, "number of simulated routers")
	f.IntVar(&o.Routes, "routes", o.Routes, "routes in the global table of each router")
	f.Float64Var(&o.Rate, "rate", o.Rate, "flow records a second, of all routers together")
	return cmd
}

func runDemo(ctx context.Context, e *env, o demo.Options) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own program: %w", err)
	}
	width, terminal := terminalWidth(e)
	err = demo.Run(ctx, o, demo.Env{
		Out: e.stdout, Terminal: terminal, Width: width,
		Worker: func(args ...string) *exec.Cmd { return exec.Command(self, args...) },
	})
	if errors.Is(err, demo.ErrOptions) {
		return usagef("%v", err)
	}
	return err
}

// terminalWidth tells whether standard output is a terminal, and how wide it is at any time.
func terminalWidth(e *env) (width func() int, terminal bool) {
	f, ok := e.stdout.(*os.File)
	if !ok {
		return nil, false
	}
	size := func() int {
		ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0
		}
		return int(ws.Col)
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return size, err == nil
}
