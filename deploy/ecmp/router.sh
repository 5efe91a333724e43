#!/bin/sh
# Makes a Linux router spread telemetry over several telcol hosts, each device to one host by its source address alone.
# README.md says why, and when to call what. Idempotent, and quiet when all is well.
#
#   router.sh hash                        hash the source address and nothing else
#   router.sh host ID DEVICE VIA4 VIA6    there is a host, with this interface and these addresses towards it
#   router.sh group ID...                 these hosts take the telemetry; the devices of the others move, no others do
#   router.sh route ADDR4 ADDR6           the collector's addresses, the same on all hosts, are behind the group
set -eu

# Buckets of the resilient groups: many times the number of hosts. It cannot be changed while a group is in use.
BUCKETS=${BUCKETS:-256}
# A host that comes (back) gets its share of the buckets at once if they are idle for IDLE seconds, which those of telemetry never are,
# and of all others after UNBALANCED seconds; 0 is never.
IDLE=${IDLE:-120}
UNBALANCED=${UNBALANCED:-300}
# Ids of nexthops and groups begin here: IPv4, IPv6.
BASE4=${BASE4:-4000}
BASE6=${BASE6:-6000}

usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# The buckets are told from each other by a hash of what hash_fields names: 0x1 is the source address. Policy 0 would hash both
# addresses, for IPv6 also the flow label, which differs from connection to connection; policy 1 hashes ports.
hash() {
	for family in ipv4 ipv6; do
		sysctl -qw net.$family.fib_multipath_hash_fields=0x1
		sysctl -qw net.$family.fib_multipath_hash_policy=3
	done
}

host() {
	ip nexthop replace id $((BASE4 + $1)) via "$3" dev "$2"
	ip nexthop replace id $((BASE6 + $1)) via "$4" dev "$2"
}

group() {
	for base in "$BASE4" "$BASE6"; do
		ids=
		for host; do
			ids=$ids${ids:+/}$((base + host))
		done
		ip nexthop replace id "$base" group "$ids" type resilient buckets "$BUCKETS" idle_timer "$IDLE" unbalanced_timer "$UNBALANCED"
	done
}

route() {
	ip route replace "$1" nhid "$BASE4"
	ip -6 route replace "$2" nhid "$BASE6"
}

case "${1:-}:$#" in
hash:1 | host:5 | route:3) "$@" ;;
group:1) usage ;;
group:*) "$@" ;;
*) usage ;;
esac
