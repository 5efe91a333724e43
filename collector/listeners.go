package collector

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPFIXAddrs returns the addresses of listen-ipfix. The error is the sentence of Validate.
func (c *Config) IPFIXAddrs() ([]netip.AddrPort, error) {
	return listenAddrs("listen-ipfix", c.ListenIPFIX, "[::]:4739")
}

// BMPAddrs returns the addresses of listen-bmp. The error is the sentence of Validate.
func (c *Config) BMPAddrs() ([]netip.AddrPort, error) {
	return listenAddrs("listen-bmp", c.ListenBMP, "[::]:1790")
}

// listenAddrs reads a list of addresses with commas between. A port may be there once: a group has one socket a port and slot.
func listenAddrs(setting, text, example string) ([]netip.AddrPort, error) {
	var addrs []netip.AddrPort
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		a, err := netip.ParseAddrPort(item)
		if err != nil {
			return nil, fmt.Errorf("%w: %s %q is not address:port, for example %s", ErrConfig, setting, item, example)
		}
		for _, b := range addrs {
			if a.Port() == b.Port() && a.Port() != 0 {
				return nil, fmt.Errorf("%w: %s has port %d twice, [::] takes IPv4 as well", ErrConfig, setting, a.Port())
			}
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// checkPorts refuses a port that both protocols would have over TCP: steering would give connections of the one to the other.
func (c *Config) checkPorts() error {
	flows, err := c.IPFIXAddrs()
	if err != nil {
		return err
	}
	routes, err := c.BMPAddrs()
	if err != nil || !c.IPFIX.TCP {
		return err
	}
	for _, a := range flows {
		for _, b := range routes {
			if a.Port() == b.Port() && a.Port() != 0 {
				return fmt.Errorf("%w: listen-ipfix and listen-bmp both have port %d; choose another, or do without IPFIX over TCP (ipfix.tcp off)",
					ErrConfig, a.Port())
			}
		}
	}
	return nil
}
