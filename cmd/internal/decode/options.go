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
	ErrNothing = errors.New("no IPFIX or NetFlow v9 found")
)

// Format is how the output looks.
type Format string

// The formats.
const (
	Text Format = "text" // for people
	JSON Format = "json" // one object a line
)

// AllRecords as Options.Records shows all data records.
const AllRecords = -1

// exportPorts are the ports that exporters send to by custom: what comes to one of them and is no message is malformed.
var exportPorts = []uint16{2055, 4739, 9995, 9996}

// Options say what to show.
type Options struct {
	Format Format
	// Ports restricts to messages sent to one of these ports. Without any, exportPorts are looked at, and every other
	// datagram and stream that begins like a message.
	Ports []uint16
	// Device restricts to one exporter's address, if valid.
	Device netip.Addr
	// Template restricts what is shown to one template and its data, if not 0.
	Template uint16
	// Records is how many data records are shown of each definition of a template; AllRecords for all.
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
	case o.Template != 0 && o.Template < 256:
		return fmt.Errorf("%w: template %d: template ids begin at 256", ErrOptions, o.Template)
	case o.Records < AllRecords:
		return fmt.Errorf("%w: records %d: want 0 or more", ErrOptions, o.Records)
	case slices.Contains(o.Ports, 0):
		return fmt.Errorf("%w: port 0", ErrOptions)
	}
	return nil
}
