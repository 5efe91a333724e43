package collector

import (
	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate"
)

// collectBMP tells what BMP sessions said. What came in is what was used and what was not: sessions opened are those open and those ended,
// messages are by type, those refused are in lost, routes announced are in a RIB but for the other kinds.
func collectBMP(e *emitter, s *snapshot) {
	b := &s.corr.BMP
	e.gauge("telcol_bmp_sessions", "BMP sessions open.", float64(s.totals.BMPSessions))
	e.counter("telcol_bmp_sessions_total", "BMP sessions opened.", b.Sessions)
	for reason, n := range b.Ended {
		e.counter("telcol_bmp_sessions_ended_total", "BMP sessions ended, by reason.", n, "reason", correlate.EndReason(reason).String())
	}
	collectBMPMessages(e, &b.Decoded)
	var refused uint64
	for fault, n := range b.Refused {
		refused += n
		e.counter("telcol_lost_total", lostHelp, n, "stage", "bmp", "reason", correlate.Fault(fault).String())
	}
	e.counter("telcol_bmp_refused_total", "BMP messages that could not be decoded; why is in telcol_lost_total.", refused)
	collectBMPRoutes(e, b)
	collectRIB(e, s)
	collectBMPMarks(e, s)
}

func collectBMPMessages(e *emitter, n *bmp.Counters) {
	for typ, k := range n.Messages {
		e.counter("telcol_bmp_messages_total", "BMP messages read, by type.", k, "type", bmp.MessageType(typ).String())
	}
	for outcome, k := range n.BGP.Outcomes {
		e.counter("telcol_bmp_updates_total", "BGP updates, by what RFC 7606 made of them.", k, "outcome", bgp.Outcome(outcome).String())
	}
	for reason, k := range n.Downs {
		e.counter("telcol_bmp_peer_downs_total", "Peer Down messages, by reason.", k, "reason", bmp.DownReasonText(uint8(reason)))
	}
	const mirrored = "Route mirroring: BGP messages, and what the router said about them."
	e.counters("telcol_bmp_mirrored_total", mirrored, "kind",
		count{"message", n.Mirrored},
		count{"faulty", n.MirrorErrors},
		count{"lost-by-router", n.MirrorLosses})
	e.counter("telcol_bmp_statistics_total", "Counters and gauges in statistics reports, by whether their value is a number.", n.Statistics-n.OddStatistics, "value", "number")
	e.counter("telcol_bmp_statistics_total", "", n.OddStatistics, "value", "odd-length")
	const odd = "What BMP messages hold beyond what is understood; the messages were used."
	e.counters("telcol_bmp_oddities_total", odd, "kind",
		count{"unknown-tlv", n.UnknownTLVs},
		count{"bad-open", n.BadOpens},
		count{"path-ids-against-open", n.PathIDsFlipped},
		count{"trailing-octet", n.Trailing},
		count{"peer-not-remembered", n.PeersRefused},
		count{"as-width-guessed", n.BGP.WidthGuessed},
		count{"attribute-panic", n.BGP.Panics})
	e.counter("telcol_bmp_no_peer_up_total", "Route monitoring messages of a peer that was never told up.", n.NoPeerUp)
	e.counter("telcol_bmp_unknown_peer_types_total", "Messages of peers of a type that is not known, kept out of the tables.", n.UnknownPeerTypes)
	const sets = "Path attribute sets looked up in the cache of decoded ones."
	e.counter("telcol_bmp_attribute_sets_total", sets, n.BGP.CacheHits, "result", "hit")
	e.counter("telcol_bmp_attribute_sets_total", sets, n.BGP.CacheMisses, "result", "miss")
}

func collectBMPRoutes(e *emitter, b *correlate.BMPCounters) {
	const help = "Routes told, by what became of them: all announced ones are held, or were, but for quota, superseded and no-device."
	e.counters("telcol_bmp_routes_total", help, "kind",
		count{"announced", b.Announced},
		count{"withdrawn", b.Withdrawn},
		count{"not-kept", b.NotKept},
		count{"quota", b.RoutesRefused},
		count{"superseded", b.Superseded},
		count{"withdrawn-superseded", b.WithdrawnLate},
		count{"no-device", b.RoutesOfNoDevice})
	e.counter("telcol_lost_total", lostHelp, b.RoutesRefused, "stage", "rib", "reason", "quota")
	e.counter("telcol_lost_total", lostHelp, b.RoutesOfNoDevice, "stage", "rib", "reason", "device-quota")
	e.counter("telcol_bmp_end_of_rib_total", "End-of-RIB markers.", b.EndOfRIB)
}

// collectRIB tells what became of routes in the tables.
func collectRIB(e *emitter, s *snapshot) {
	n := &s.corr.RIB
	const changes = "What routes that were told changed in the tables, and routes swept with End-of-RIB, Peer Down or a timeout."
	e.counters("telcol_rib_changes_total", changes, "kind",
		count{"new", n.Announced},
		count{"replaced", n.Replaced},
		count{"refreshed", n.Refreshed},
		count{"withdrawn", n.Withdrawn},
		count{"withdrawn-absent", n.WithdrawnAbsent},
		count{"swept", n.Swept})
	const refused = "Routes and messages of peers refused by the tables, by reason: quotas bmp.max-routes, bmp.max-attribute-bytes, bmp.max-peers, or invalid."
	e.counters("telcol_rib_refused_total", refused, "reason",
		count{"routes", n.RefusedRoutes},
		count{"attributes", n.RefusedAttrs},
		count{"peers", n.RefusedSources},
		count{"invalid", n.Invalid})
	e.gauge("telcol_rib_attribute_bytes", "Memory for path attribute sets, as bmp.max-attribute-bytes counts it per device.", float64(s.totals.AttrBytes))
	e.gauge("telcol_rib_history_bytes", "Memory for routes of the past, as join.history-bytes bounds it per device.", float64(s.totals.History))
	e.counter("telcol_rib_history_evicted_total", "Routes of the past that went before join.history was over, for want of memory.", n.HistoryEvicted)
}

// collectBMPMarks tells which devices need a look; the log and the looking glass name them.
func collectBMPMarks(e *emitter, s *snapshot) {
	const over = "Devices that lack routes because they told more than their quota."
	e.gauge("telcol_bmp_over_quota_devices", over, float64(s.totals.OverRoutes), "quota", "routes")
	e.gauge("telcol_bmp_over_quota_devices", over, float64(s.totals.OverAttrs), "quota", "attributes")
	e.gauge("telcol_bmp_over_quota_devices", over, float64(s.totals.OverSources), "quota", "peers")
	b := &s.corr.BMP
	const drift = "Route counts of routers compared with the routes held, by result."
	e.counter("telcol_bmp_drift_comparisons_total", drift, b.DriftReports-b.DriftSkipped, "result", "compared")
	e.counter("telcol_bmp_drift_comparisons_total", drift, b.DriftSkipped, "result", "not-comparable")
	e.counter("telcol_bmp_drifts_total", "Differences that began to last.", b.Drifts)
	e.gauge("telcol_bmp_drift_devices", "Devices that lastingly count other routes than are held.", float64(s.totals.DriftDevices))
	e.gauge("telcol_bmp_drift_tables", "Tables of peers in which they do.", float64(s.totals.DriftTables))
	e.gauge("telcol_bmp_drift_routes", "The largest of these differences.", float64(s.totals.DriftRoutes))
}
