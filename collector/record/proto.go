package record

// protoNames has the keywords of the IANA protocol numbers registry in lower case, for the protocols still met on
// networks. Two have the names that operators use: 89 is ospf (OSPFIGP), 136 is udplite (UDPLite). A number without a
// name has no "proto_name".
var protoNames = [256]string{
	0: "hopopt", 1: "icmp", 2: "igmp", 3: "ggp", 4: "ipv4", 5: "st", 6: "tcp", 8: "egp", 9: "igp", 12: "pup",
	17: "udp", 22: "xns-idp", 27: "rdp", 29: "iso-tp4", 33: "dccp", 36: "xtp", 37: "ddp",
	41: "ipv6", 43: "ipv6-route", 44: "ipv6-frag", 45: "idrp", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah",
	55: "min-ipv4", 57: "skip", 58: "ipv6-icmp", 59: "ipv6-nonxt", 60: "ipv6-opts",
	73: "cphb", 80: "iso-ip", 81: "vmtp", 83: "vines", 88: "eigrp", 89: "ospf", 93: "ax.25", 94: "ipip",
	97: "etherip", 98: "encap", 103: "pim", 108: "ipcomp", 112: "vrrp", 113: "pgm", 115: "l2tp", 118: "stp",
	124: "isis-over-ipv4", 132: "sctp", 133: "fc", 134: "rsvp-e2e-ignore", 135: "mobility-header", 136: "udplite",
	137: "mpls-in-ip", 138: "manet", 139: "hip", 140: "shim6", 141: "wesp", 142: "rohc", 143: "ethernet",
	144: "aggfrag", 145: "nsh",
}
