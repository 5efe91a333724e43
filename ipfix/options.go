package ipfix

// VRF is what an exporter said of a VRF id in options data.
type VRF struct {
	Name  string // VRFname (236), NULs and blanks trimmed; "" when not told
	RD    uint64 // mplsVpnRouteDistinguisher (90), big-endian
	HasRD bool
}

// Interface is what an exporter said of an interface index in options data.
type Interface struct {
	Name        string // interfaceName (82)
	Description string // interfaceDescription (83)
}

// Options holds the option tables of one device's observation domain. It belongs to the goroutine that decodes.
type Options struct {
	IngressVRFs map[uint32]VRF       // by ingressVRFID (234)
	EgressVRFs  map[uint32]VRF       // by egressVRFID (235)
	Interfaces  map[uint32]Interface // by ingressInterface (10), egressInterface (14)
}
