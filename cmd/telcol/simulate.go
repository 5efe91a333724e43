package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/simrouter"
)

// simulateOptions are the flags of telcol simulate.
type simulateOptions struct {
	ipfix, bmp, first string
	routers, routes   int
	rate, churn       float64
	seed              uint64
	length            time.Duration
}

func simulateCommand(e *env) *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play simulated routers against a collector",
		Long: `Play routers that tell their routes over BMP and export flows into them over IPFIX, each from an
address of its own: 127.1.1.1, 127.1.2.1 and so on, all of which Linux has on the loopback interface.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return simulate(cmd.Context(), e, &o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.ipfix, o.bmp, o.first = "127.0.0.1:4739", "127.0.0.1:1790", "127.1.1.1"
	f.Var((*addrValue)(&o.ipfix), "ipfix", "address and port of the collector for IPFIX")
	f.Var((*addrValue)(&o.bmp), "bmp", "address and port of the collector for BMP")
	f.Var((*addrValue)(&o.first), "first", "address of the first router; the next differ in the third octet")
	f.IntVar(&o.routers, "routers", 24, "number of routers")
	f.IntVar(&o.routes, "routes", simrouter.DefaultRoutes, "routes in the global table of a router")
	f.Float64Var(&o.rate, "rate", 2400, "flow records a second, of all routers together")
	f.Float64Var(&o.churn, "churn", 1, "changes of routes a second, of each router")
	f.Uint64Var(&o.seed, "seed", 1, "same seed, same routes and flows")
	f.DurationVar(&o.length, "for", 0, "end after this long; 0 goes on")
	return cmd
}

func simulate(ctx context.Context, e *env, o *simulateOptions) error {
	ipfix, err := resolve(ctx, o.ipfix, "ipfix")
	if err != nil {
		return err
	}
	bmp, err := resolve(ctx, o.bmp, "bmp")
	if err != nil {
		return err
	}
	first, err := netip.ParseAddr(o.first)
	if err != nil {
		return usagef("--first %q is not an address", o.first)
	}
	fleet, err := simrouter.NewFleet(simrouter.FleetConfig{
		Routers: o.routers, First: first, Rate: o.rate, Seed: o.seed,
		Each: simrouter.Config{Device: simrouter.DeviceConfig{Routes: o.routes}, IPFIX: ipfix, BMP: bmp, Churn: o.churn, Hold: true},
	})
	if err != nil {
		return usagef("%v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.length > 0 {
		stop := time.AfterFunc(o.length, cancel)
		defer stop.Stop()
	}
	log := slog.New(slog.NewTextHandler(e.stderr, nil))
	done := make(chan struct{})
	go func() {
		defer close(done)
		report(ctx, log, fleet)
	}()
	err = fleet.Run(ctx)
	cancel() // it may have ended by an error
	<-done
	return err
}

// settle is how long a collector has for the routes of the last router before flows begin.
const settle = 2 * time.Second

// report lets the flows begin when all routes are told, and logs what was sent.
func report(ctx context.Context, log *slog.Logger, fleet simrouter.Fleet) {
	every := time.NewTicker(10 * time.Second)
	defer every.Stop()
	begin := time.After(settle)
	log.Info("simulated routers run", "routers", len(fleet), "first", fleet[0].Device().Addr().String())
	for {
		select {
		case <-begin:
			if fleet.Connected() < len(fleet) {
				begin = time.After(settle)
				continue
			}
			fleet.StartFlows()
			log.Info("all routes are told, flows begin", "routes", fleet.Routes())
		case <-every.C:
			log.Info("simulated routers", sentAttrs(fleet)...)
		case <-ctx.Done():
			log.Info("simulated routers end", sentAttrs(fleet)...)
			return
		}
	}
}

// sentAttrs are the counts for the log.
func sentAttrs(fleet simrouter.Fleet) []any {
	s := fleet.Sent()
	return []any{"sessions", fleet.Connected(), "datagrams", s.Datagrams, "records", s.Records, "errors", s.Errors}
}

// resolve gives the address and port that a flag means; a host may be a name.
func resolve(ctx context.Context, text, flag string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, usagef("--%s %q is not address:port", flag, text)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, usagef("--%s %q has no port number", flag, text)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return netip.AddrPort{}, usagef("--%s: no address for %q", flag, host)
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), uint16(n)), nil
}
