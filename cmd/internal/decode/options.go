package decode

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/telcol/telcol/ipfix"
)

// The errors of Run, besides those of package pcapfile.
var (
	// ErrOptions reports options that make no sense.
	ErrOptions = errors.New("decode options")
	// ErrNothing reports a capture without messages, or without any that the options ask for.
	ErrNothing = errors.New("no IPFIX, NetFlow v9 or BMP found")
)

// Format is how the output looks.
type Format string

// The formats.
const (
	Text Format = "text" // for people
	JSON Format = "json" // one object a line
)

// Only restricts what is looked at.
type Only string

// What may be looked at alone; the zero Only is all.
const (
	OnlyIPFIX Only = "ipfix" // and NetFlow v9
	OnlyBMP   Only = "bmp"
)

// AllRecords as Options.Records shows all data records.
const AllRecords = -1

// exportPorts are the ports that exporters send to by custom: what comes to one of them and is no message is malformed.
var exportPorts = []uint16{2055, 4739, 9995, 9996}

// bmpPorts are those of BMP over TCP: that of telcol and most examples, and that which IANA has assigned.
var bmpPorts = []uint16{1790, 11019}

// Options say what to show.
type Options struct {
	Format Format
	// Only restricts to one kind of messages, if not empty.
	Only Only
	// Ports restricts to messages sent to one of these ports. Without any, exportPorts and bmpPorts are looked at, and every other
	// datagram and stream that begins like a message.
	Ports []uint16
	// Device restricts to one device's address, if valid.
	Device netip.Addr
	// Template restricts what is shown to one template and its data, if not 0. BMP is not looked at then.
	Template uint16
	// Records is how many data records are shown of each definition of a template, and how many routes of each view of a BGP
	// peer; AllRecords for all.
	Records int
	// Model names the elements; nil is the IANA registry.
	Model *ipfix.Model
	// Limits of the decoder for each device, as those of a worker.
	Limits ipfix.Config
}

// Validate reports what Run would refuse.
func (o *Options) Validate() error {
	switch {
	case o.Format != Text && o.Format != JSON:
		return fmt.Errorf("%w: format %q: want text or json", ErrOptions, o.Format)
	case o.Only != "" && o.Only != OnlyIPFIX && o.Only != OnlyBMP:
		return fmt.Errorf("%w: only %q: want ipfix or bmp", ErrOptions, o.Only)
	case o.Only == OnlyBMP && o.Template != 0:
		return fmt.Errorf("%w: template %d of bmp, which has none", ErrOptions, o.Template)
	case o.Template != 0 && o.Template < 256:
		return fmt.Errorf("%w: template %d: template ids begin at 256", ErrOptions, o.Template)
	case o.Records < AllRecords:
		return fmt.Errorf("%w: records %d: want 0 or more", ErrOptions, o.Records)
	case slices.Contains(o.Ports, 0):
		return fmt.Errorf("%w: port 0", ErrOptions)
	}
	return nil
}
