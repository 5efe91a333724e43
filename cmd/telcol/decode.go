package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/decode"
)

func decodeCommand(e *env) *cobra.Command {
	o := decode.Options{Records: decode.AllRecords}
	var device, format, only string
	var ports []string
	cmd := &cobra.Command{
		Use:   "decode FILE|-",
		Short: "Show what routers sent, from a capture",
		Long: `Show the IPFIX, NetFlow v9 and BMP messages of a capture (pcap or pcapng, also compressed; - is standard
input), decoded as a worker does. Of flows: templates, options records, data records with each field and, behind =>,
what a worker would publish of it without routes; data without a template. Of BMP: peers that come and go, routes,
statistics and, behind =>, the events that a worker would publish. Of both: what is malformed and where. The option
tables, the BGP peers with what was told of each, and a summary come at the end. Without --port it looks at ports
2055, 4739, 9995 and 9996, for BMP at 1790 and 11019, and at every other datagram and TCP connection that begins like
a message. No collector is needed; of the settings, the names of elements (ipfix-elements) are used.

It ends with 0 when it found messages, malformed ones too; with 1 when it found none or the file is cut or no
capture; with 2 for wrong use.

In JSON each line has a kind: message, template, options, data, unknown (data without a template), bmp (a message),
bmp_event, malformed; at the end tables, bmp_peers, summary.`,
		Example: `  telcol decode --records 1 flows.pcap
  telcol decode --device 192.0.2.1 --template 313 --format json flows.pcap | jq .
  telcol decode --only bmp --records 0 routers.pcap
  tcpdump -i any -U -w - udp port 4739 | telcol decode -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("say which capture to decode: telcol decode FILE, or - for standard input")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&format, "format", string(decode.Text), "`FORMAT`: text, or json, one object a line")
	f.StringVar(&only, "only", "", "`KIND`: ipfix (with NetFlow v9) or bmp, nothing else")
	f.StringVar(&device, "device", "", "only what this `ADDRESS` sent")
	f.StringSliceVar(&ports, "port", nil, "only what was sent to this `PORT`, UDP or TCP; may be given often")
	f.Uint16Var(&o.Template, "template", 0, "show only this template `ID` and its data, and no BMP")
	f.IntVar(&o.Records, "records", decode.AllRecords, "show at most `N` data records of each template and as many routes of each view of a BGP peer, -1 for all")
	settings := addSettings(cmd, "ipfix.elements")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := settings.load(e)
		if err != nil {
			return err
		}
		if o.Model, err = s.Config.IPFIX.Model(); err != nil {
			return err
		}
		o.Format, o.Only = decode.Format(format), decode.Only(only)
		for _, p := range ports {
			n, err := strconv.ParseUint(p, 10, 16)
			if err != nil || n == 0 {
				return usagef("--port %q: want a number from 1 to 65535", p)
			}
			o.Ports = append(o.Ports, uint16(n))
		}
		if device != "" {
			a, err := netip.ParseAddr(device)
			if err != nil {
				return usagef("--device %q is not an address", device)
			}
			o.Device = a.Unmap()
		}
		if err := o.Validate(); err != nil {
			return usagef("%v", err)
		}
		name, in, err := openCapture(e, args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err := decode.Run(cmd.Context(), in, e.stdout, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return cmd
}

// openCapture opens a file or standard input and says how to call it.
func openCapture(e *env, arg string) (string, io.ReadCloser, error) {
	if arg == "-" {
		return "standard input", io.NopCloser(e.stdin), nil
	}
	f, err := os.Open(arg)
	var path *os.PathError
	if errors.As(err, &path) {
		return arg, nil, fmt.Errorf("%s: %w", arg, path.Err)
	}
	return arg, f, err
}
