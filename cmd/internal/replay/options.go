package replay

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// The errors of Run and of the options. What a file is wrong with comes as an error of package pcapfile.
var (
	// ErrOptions reports options that make no sense.
	ErrOptions = errors.New("replay options")
	// ErrAddress reports a source address that this machine does not have, or no way to the collector from it.
	ErrAddress = errors.New("source address")
	// ErrRefused reports a collector that does not listen, or that closed a connection.
	ErrRefused = errors.New("collector")
	// ErrGap reports a TCP stream of which the capture lacks a part. The rest of it was not sent.
	ErrGap = errors.New("capture lacks part of a TCP stream")
	// ErrNothing reports captures without anything to send.
	ErrNothing = errors.New("nothing to send")
)

// Only restricts what is sent.
type Only string

// The values of Only.
const (
	Everything Only = ""
	BMP        Only = "bmp"
	IPFIX      Only = "ipfix"
)

// Defaults of the command line. A zero Options has none of them: speed, gap and hold of zero have a meaning.
const (
	DefaultSpeed = 10.0
	DefaultGap   = time.Second
	DefaultHold  = 5 * time.Second
)

// Options say what to play and where to.
type Options struct {
	// Files are played side by side, all from their first packet.
	Files []string
	// Map gives routers other source addresses.
	Map map[netip.Addr]netip.Addr
	// IPFIX is where datagrams go and connections that begin with an IPFIX message, BMP where all other connections go. One that Only
	// leaves out may be absent.
	IPFIX, BMP netip.AddrPort
	// Speed divides the distances in time; 0 sends as fast as possible.
	Speed float64
	// Gap is the least time between a router's last BMP octet and its first datagram or IPFIX connection.
	Gap time.Duration
	// Hold is how long connections stay open after the last packet.
	Hold time.Duration
	// Only leaves out the other protocol.
	Only Only
}

// Result counts what was sent.
type Result struct {
	BMPBytes    int64 `json:"bmp_bytes"`
	FlowBytes   int64 `json:"ipfix_stream_bytes"` // of IPFIX over TCP
	Datagrams   int64 `json:"datagrams"`
	Sources     int   `json:"sources"`     // addresses sent from
	Connections int   `json:"connections"` // opened, for both
	Skipped     int   `json:"skipped"`     // packets neither UDP nor TCP, or not whole
}

// ParseMap reads "FROM=TO", two addresses of one family or not.
func ParseMap(text string) (from, to netip.Addr, err error) {
	a, b, ok := strings.Cut(text, "=")
	if !ok {
		return from, to, fmt.Errorf("%w: map %q: want FROM=TO, two addresses", ErrOptions, text)
	}
	for _, part := range []struct {
		text string
		addr *netip.Addr
	}{{a, &from}, {b, &to}} {
		if *part.addr, err = netip.ParseAddr(strings.TrimSpace(part.text)); err != nil {
			return netip.Addr{}, netip.Addr{}, fmt.Errorf("%w: map %q: %q is not an address", ErrOptions, text, part.text)
		}
		*part.addr = part.addr.Unmap()
	}
	return from, to, nil
}

// Validate reports what Run would refuse.
func (o *Options) Validate() error {
	switch {
	case len(o.Files) == 0:
		return fmt.Errorf("%w: no capture file", ErrOptions)
	case o.Only != Everything && o.Only != BMP && o.Only != IPFIX:
		return fmt.Errorf("%w: only %q: want bmp or ipfix", ErrOptions, o.Only)
	case math.IsNaN(o.Speed) || math.IsInf(o.Speed, 0) || o.Speed < 0:
		return fmt.Errorf("%w: speed %v: want 0 (as fast as possible) or more", ErrOptions, o.Speed)
	case o.Gap < 0 || o.Hold < 0:
		return fmt.Errorf("%w: gap %v and hold %v must not be negative", ErrOptions, o.Gap, o.Hold)
	case o.Only != IPFIX && o.BMP.Port() == 0:
		return fmt.Errorf("%w: no address for BMP", ErrOptions)
	case o.Only != BMP && o.IPFIX.Port() == 0:
		return fmt.Errorf("%w: no address for IPFIX", ErrOptions)
	}
	return nil
}
