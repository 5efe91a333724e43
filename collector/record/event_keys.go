package record

// The keys of the events' fields, in the order of the schema, as far as the flow record does not have them.
var (
	// Identity.
	keySession = numberKey("session")
	keySeq     = numberKey("seq")
	keyEvent   = textKey("event")

	// The per-peer header.
	keyRIB                  = textKey("rib")
	keyBGPPeer              = numberKey("bgp_peer")
	keyBGPPeerAS            = numberKey("bgp_peer_as")
	keyBGPPeerID            = numberKey("bgp_peer_id")
	keyBGPPeerType          = numberKey("bgp_peer_type")
	keyBGPPeerFlags         = numberKey("bgp_peer_flags")
	keyBGPPeerDistinguisher = textKey("bgp_peer_distinguisher")
	keyFiltered             = numberKey("filtered")
	keyTimeEvent            = textKey("time_event")

	// Routes.
	keyAction            = textKey("action")
	keyAFI               = numberKey("afi")
	keySAFI              = numberKey("safi")
	keyPrefix            = numberKey("prefix")
	keyNLRI              = numberKey("nlri")
	keyPathID            = numberKey("path_id")
	keyMPLSLabel         = numberKey("mpls_label")
	keyOutcome           = textKey("outcome")
	keyOrigin            = textKey("origin")
	keyASPath            = numberKey("as_path")
	keyASSet             = numberKey("as_set")
	keyNextHop           = numberKey("next_hop")
	keyLinkLocalNextHop  = numberKey("link_local_next_hop")
	keyLocalPref         = numberKey("local_pref")
	keyMED               = numberKey("med")
	keyCommunities       = numberKey("communities")
	keyExtCommunities    = numberKey("ext_communities")
	keyLargeCommunities  = numberKey("large_communities")
	keyAtomicAggregate   = numberKey("atomic_aggregate")
	keyAggregatorAS      = numberKey("aggregator_as")
	keyAggregator        = numberKey("aggregator")
	keyOriginatorID      = numberKey("originator_id")
	keyClusterList       = numberKey("cluster_list")
	keyAIGP              = numberKey("aigp")
	keyOTC               = numberKey("otc")
	keyLabelIndex        = numberKey("label_index")
	keySRv6SIDs          = numberKey("srv6_sids")
	keyUnknownAttributes = numberKey("unknown_attributes")

	// Peers.
	keyLocalAddr             = numberKey("local_addr")
	keyLocalPort             = numberKey("local_port")
	keyRemotePort            = numberKey("remote_port")
	keyTableName             = numberKey("table_name")
	keyAdminLabel            = numberKey("admin_label")
	keyRenewed               = numberKey("renewed")
	keyReason                = numberKey("reason")
	keyReasonText            = textKey("reason_text")
	keyNotificationCode      = numberKey("notification_code")
	keyNotificationSubcode   = numberKey("notification_subcode")
	keyNotificationData      = textKey("notification_data")
	keyFSMEvent              = numberKey("fsm_event")
	keyData                  = textKey("data")
	keySentOpen, keyRecvOpen = openKeysOf("sent_"), openKeysOf("received_")

	// Statistics.
	keyCounter     = numberKey("counter")
	keyCounterName = textKey("counter_name")
	keyValue       = numberKey("value")
	keyGauge       = numberKey("gauge")

	// Sessions.
	keySourcePort    = numberKey("source_port")
	keyOpenSessions  = numberKey("open_sessions")
	keySysName       = numberKey("sys_name")
	keySysDescr      = numberKey("sys_descr")
	keyInfo          = numberKey("info")
	keyTLVs          = numberKey("tlvs")
	keyMessages      = numberKey("messages")
	keyMirrorErrored = numberKey("mirror_errored")
	keyMirrorLost    = numberKey("mirror_lost")
	keyError         = numberKey("error")
	keyLost          = numberKey("lost")
	keySeqFrom       = numberKey("seq_from")
	keySeqTo         = numberKey("seq_to")
	keyTimeFrom      = textKey("time_from")
	keyTimeTo        = textKey("time_to")
)

// openKeys are the keys of one of the two OPENs of a Peer Up.
type openKeys struct {
	as, id, holdTime, families, addPath, capabilities key
}

func openKeysOf(prefix string) openKeys {
	return openKeys{
		as: numberKey(prefix + "as"), id: numberKey(prefix + "id"), holdTime: numberKey(prefix + "hold_time"),
		families: numberKey(prefix + "families"), addPath: numberKey(prefix + "add_path"),
		capabilities: numberKey(prefix + "capabilities"),
	}
}
