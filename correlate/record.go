package correlate

import (
	"net/netip"

	"github.com/telcol/telcol/correlate/rib"
	"github.com/telcol/telcol/ipfix"
)

// JoinStatus says how the address of a flow met the device's RIB.
type JoinStatus uint8

// The outcomes of a join; their texts are part of the record's schema.
const (
	JoinNone       JoinStatus = iota // the flow has no such address
	JoinHit                          // a route was found
	JoinHitNextHop                   // a route was found and its path chosen by the flow's own next hop
	JoinNoPrefix                     // the RIB has no prefix that covers the address
	JoinNoRIB                        // the device has no RIB for that VRF and family
	JoinUnknownVRF                   // the flow names a VRF whose route distinguisher is unknown
	JoinNotRouted                    // link-local, multicast, loopback or layer 2: no route could answer
	numJoinStatus
)

// String gives the text used in records and metrics.
func (s JoinStatus) String() string {
	return [...]string{"none", "hit", "hit-next-hop", "no-prefix", "no-rib", "unknown-vrf", "not-routed"}[s]
}

// Hit reports whether a route was found.
func (s JoinStatus) Hit() bool { return s == JoinHit || s == JoinHitNextHop }

// RIBState says how complete the tables were that a join used.
type RIBState uint8

// The states of a RIB; their texts are part of the record's schema.
const (
	RIBAbsent  RIBState = iota // the device has told no routes
	RIBSynced                  // End-of-RIB seen, or quiet for long enough
	RIBSyncing                 // the initial dump is still arriving
	RIBStale                   // the BMP session is lost, the routes are what it last told
	numRIBStates
)

// String gives the text used in records.
func (s RIBState) String() string { return [...]string{"absent", "synced", "syncing", "stale"}[s] }

// Side is the route of one of a flow's two addresses.
type Side struct {
	Join  JoinStatus
	Match rib.Match // valid when Join.Hit()
}

// Record is one flow joined with its device's routes. The correlator reuses one Record: a handler that keeps a value
// beyond its call copies it.
type Record struct {
	Device     netip.Addr // canonical address
	DeviceName string     // sysName of the BMP Initiation, "" when unknown
	Exporter   netip.Addr // UDP source address
	Received   int64      // Unix nanoseconds
	Flow       *ipfix.Flow

	InIfName, OutIfName string // from options, "" when unknown
	IngressVRFName      string
	EgressVRFName       string
	VRFName             string // of the VRF used for the join
	RD                  rib.RD // of that VRF as it was told, valid with HasRD
	HasRD               bool
	Src, Dst            Side
	RIB                 RIBState
	AsOfFlowEnd         bool // the join used the routes valid when the flow ended, not those of now
}
