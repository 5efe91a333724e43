package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/replay"
)

func replayCommand(e *env) *cobra.Command {
	o := replay.Options{Map: make(map[netip.Addr]netip.Addr)}
	var maps []string
	var only string
	var asJSON bool
	ipfix, bmp := "127.0.0.1:4739", "127.0.0.1:1790"
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Play captures of routers against a collector",
		Long: `Play captures (pcap or pcapng) of IPFIX, NetFlow v9 and BMP against a collector: each router from an
address of its own, in order, and with the distances in time that the capture has, divided by the speed.

All UDP of a capture goes to the collector's IPFIX address, all TCP to its BMP address, but for connections that begin
with an IPFIX message. Filter out what is neither: tcpdump -r all.pcap -w routers.pcap 'udp port 4739 or tcp port 1790'.`,
		Example: `  telcol replay --map 192.0.2.1=127.1.0.1 --map 192.0.2.2=127.1.0.2 routers.pcap
  telcol replay --speed 0 --only ipfix flows.pcap`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("say what to play: telcol replay FILE...")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Var((*addrValue)(&ipfix), "ipfix", "address and port of the collector for IPFIX")
	f.Var((*addrValue)(&bmp), "bmp", "address and port of the collector for BMP")
	f.StringArrayVar(&maps, "map", nil, "send what came from one address from another, `FROM=TO`; may be given often")
	f.Float64Var(&o.Speed, "speed", replay.DefaultSpeed, "divides the distances in time; 0 is as fast as possible")
	f.DurationVar(&o.Gap, "gap", replay.DefaultGap, "least time between a router's last BMP octet and its first flow")
	f.DurationVar(&o.Hold, "hold", replay.DefaultHold, "how long connections stay open after the end")
	f.StringVar(&only, "only", "", "bmp or ipfix: send nothing else")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, files []string) (err error) {
		o.Files, o.Only = files, replay.Only(only)
		if o.IPFIX, err = resolve(cmd.Context(), ipfix, "ipfix"); err != nil {
			return err
		}
		if o.BMP, err = resolve(cmd.Context(), bmp, "bmp"); err != nil {
			return err
		}
		for _, text := range maps {
			from, to, err := replay.ParseMap(text)
			if err != nil {
				return usagef("%v", err)
			}
			o.Map[from] = to
		}
		res, err := replay.Run(cmd.Context(), o)
		if errors.Is(err, replay.ErrOptions) {
			return usagef("%v", err)
		}
		if err != nil && res.Sources == 0 {
			return err
		}
		return errors.Join(err, printReplay(e, res, asJSON))
	}
	return cmd
}

func printReplay(e *env, r replay.Result, asJSON bool) error {
	if asJSON {
		return printJSON(e.stdout, r)
	}
	streams := ""
	if r.FlowBytes > 0 {
		streams = fmt.Sprintf(" and %d of IPFIX", r.FlowBytes)
	}
	_, err := fmt.Fprintf(e.stdout, "sent from %d addresses: %d bytes of BMP%s on %d connections, %d datagrams; %d packets passed over\n",
		r.Sources, r.BMPBytes, streams, r.Connections, r.Datagrams, r.Skipped)
	return err
}
