package collector

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/telcol/telcol/collector/sink"
	"github.com/telcol/telcol/correlate"
)

// snapshot is what the owner tells of itself at one moment.
type snapshot struct {
	counted counters
	corr    correlate.Counters
	totals  correlate.Totals
}

func (c *core) takeSnapshot() *snapshot {
	return &snapshot{counted: c.counted, corr: c.corr.Counters(), totals: c.corr.Totals()}
}

// metrics turns the counters of a worker into Prometheus metrics when they are scraped. Nothing on the path of a record touches
// Prometheus.
type metrics struct{ w *worker }

// Describe leaves the collector unchecked: its metrics are known when they are collected.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks the owner, the sink, the socket and the steering group.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	e := &emitter{ch: ch, constant: prometheus.Labels{"slot": strconv.Itoa(m.w.cfg.Slot)}}
	m.collectSink(e)
	m.w.events.collect(e)
	m.collectSteering(e)
	collectGlass(e, m.w.glass.Counters())
	e.counter("telcol_takeovers_broken_total", "Takeovers whose predecessor ended before it had delivered and told all: records of it may be lost, nobody can say how many.",
		m.w.brokenTakeovers.Load())
	e.counter("telcol_replacements_failed_total", "Times the worker was asked to be replaced (SIGHUP) and runs on; the log says why.", m.w.successors.failed.Load())
	s, ok := m.w.core.snapshot(context.Background())
	e.gauge("telcol_up", "1 when the owner of the devices answered the scrape.", boolValue(ok))
	if !ok {
		return
	}
	m.collectIntake(e, s)
	if m.w.state != nil {
		e.counter("telcol_state_files_total", "State files of devices, by what became of the write.", m.w.state.written.Load(), "result", "written")
		e.counter("telcol_state_files_total", "", m.w.state.failed.Load(), "result", "failed")
	}
	if im := m.w.core.images; im != nil {
		e.counter("telcol_state_images_total", "Files of devices' routes, by what became of the write.", im.written.Load(), "result", "written")
		e.counter("telcol_state_images_total", "", im.failed.Load(), "result", "failed")
	}
	e.gauge("telcol_alias_candidates", "Addresses that seem to be further ones of a device; /aliases lists them.", float64(m.w.aliases.candidates.Load()))
	collectIPFIX(e, s)
	m.collectStreams(e, s)
	collectJoin(e, s)
	collectBMP(e, s)
}

func (m *metrics) collectIntake(e *emitter, s *snapshot) {
	drops, err := m.w.sockets.drops()
	if err == nil {
		e.counter("telcol_intake_kernel_drops_total", "Datagrams that the kernel dropped because the receive buffer was full.", drops)
		e.counter("telcol_lost_total", lostHelp, drops, "stage", "kernel", "reason", "receive-buffer")
	}
	e.counter("telcol_intake_datagrams_total", "Datagrams read from the UDP sockets.", s.counted.datagrams)
	e.counter("telcol_intake_bytes_total", "Payload bytes read from the UDP sockets.", s.counted.bytes)
	e.counter("telcol_intake_read_errors_total", "Reads of a UDP socket that failed.", m.w.core.readErrors.Load())
	e.counter("telcol_steering_foreign_sessions_total", "BMP connections of devices that belong to another slot; must be 0.", m.w.foreignSessions.Load())
	e.counter("telcol_bmp_connections_refused_total", "BMP connections closed because too many were open.", m.w.bmpStats.Refused.Load())
	const accept = "Errors of accept, after each of which the listener went on."
	e.counter("telcol_intake_accept_errors_total", accept, m.w.bmpStats.Errors.Load(), "protocol", "bmp")
	e.counter("telcol_intake_accept_errors_total", "", m.w.streams.stats.Errors.Load(), "protocol", "ipfix")
	for _, u := range m.w.sockets.udp {
		e.gauge("telcol_intake_receive_buffer_bytes", "Receive buffer that the kernel granted to a UDP socket.",
			float64(u.in.ReceiveBuffer()), "address", u.Addr().String())
	}
	if f := m.w.follow; f != nil {
		e.counter("telcol_steering_moved_sessions_total", "Sessions closed because their device belongs to another slot now.", f.moved.Load()+m.w.streams.moved.Load())
		e.counter("telcol_steering_adopted_devices_total", "Devices from another slot whose templates and option tables were taken over.", s.counted.adopted)
		e.counter("telcol_steering_moved_devices_total", "Devices forgotten because they belong to another slot now.", s.counted.moved)
		e.counter("telcol_steering_probes_total", "Datagrams and connections of self-tests.", s.counted.probes+m.w.probes.Load())
	}
	e.counter("telcol_steering_foreign_total", "Datagrams of devices that belong to another slot; must be 0.", s.counted.foreign)
	e.counter("telcol_lost_total", lostHelp, s.counted.truncated, "stage", "intake", "reason", "truncated")
	e.counter("telcol_lost_total", lostHelp, s.counted.foreign, "stage", "intake", "reason", "foreign")
}

const lostHelp = "What was lost, by stage and reason: datagrams in the stages kernel and intake (there also messages of a connection that ended within one), messages in decode and bmp, sets in template, routes in rib, events in events, records and events in sink."

func collectJoin(e *emitter, s *snapshot) {
	q := &s.corr.Quality
	for side, name := range [...]string{correlate.SideSrc: "src", correlate.SideDst: "dst"} {
		for status, n := range q.Joins[side] {
			e.counter("telcol_join_total", "Addresses of flows looked up in the device's routes, by outcome.", n,
				"side", name, "result", correlate.JoinStatus(status).String())
		}
		e.histogram("telcol_join_route_age_seconds", "Age of the routes that answered, when they did.",
			q.AgeCount(side), q.AgeSum[side], ageBuckets(&q.Ages[side]), "side", name)
	}
	for state, n := range q.States {
		e.counter("telcol_join_records_total", "Records, by the state of the tables they were joined with.", n,
			"rib_state", correlate.RIBState(state).String())
	}
	e.counter("telcol_join_as_of_total", "Records joined with the routes of the time when the flow ended.", q.AsOf)
	for why, n := range s.corr.Held {
		if why > 0 {
			e.counter("telcol_join_held_total", "Flows that began to wait before they were joined, by what for; none is lost.", n,
				"for", correlate.WaitText(why))
		}
	}
	for end, n := range q.Ended {
		e.counter("telcol_join_released_total", "Flows that waited and were then joined, by how the wait ended.", n,
			"end", correlate.HoldEndText(end))
	}
	e.gauge("telcol_join_waiting_flows", "Flows that wait for routes, a BMP session or options data about their VRF.", float64(s.totals.HeldFlows))
	e.gauge("telcol_devices", "Devices known.", float64(s.totals.Devices))
	e.gauge("telcol_devices_with_routes", "Devices that have told routes.", float64(s.totals.WithRoutes))
	e.gauge("telcol_devices_clock_off", "Devices whose clock differs from ours by more than join.clock-tolerance: their flows meet the routes of now.",
		float64(s.totals.ClocksOff))
	e.gauge("telcol_rib_routes", "Routes held for all devices.", float64(s.totals.Routes))
	e.gauge("telcol_rib_peers", "BMP peers of all devices.", float64(s.totals.Peers))
	e.gauge("telcol_rib_attribute_sets", "Distinct path attribute sets held.", float64(s.totals.AttrSets))
}

// ageBuckets sums up the buckets of an age, as a histogram wants them.
func ageBuckets(ages *[correlate.AgeBuckets]uint64) map[float64]uint64 {
	buckets := make(map[float64]uint64, len(ages)-1)
	var sum uint64
	for i, n := range ages[:len(ages)-1] {
		sum += n
		buckets[correlate.AgeBound(i)] = sum
	}
	return buckets
}

func (m *metrics) collectSink(e *emitter) {
	lost := make(map[string]uint64)
	for _, c := range m.w.sink.Counters() {
		collectTopic(e, &c)
		for reason, n := range c.Lost() {
			lost[reason] += n
		}
	}
	for reason, n := range lost {
		e.counter("telcol_lost_total", lostHelp, n, "stage", "sink", "reason", reason)
	}
	e.gauge("telcol_sink_up", "1 when records get out.", boolValue(m.w.sink.Status().Up))
}

func collectTopic(e *emitter, c *sink.Counters) {
	const help = "Records given to the sink that are no longer in it, by what became of them."
	e.counter("telcol_sink_accepted_total", "Records given to the sink.", c.Accepted, "topic", c.Topic)
	e.counter("telcol_sink_records_total", help, c.Delivered, "topic", c.Topic, "result", "delivered")
	for reason, n := range c.Lost() {
		e.counter("telcol_sink_records_total", help, n, "topic", c.Topic, "result", reason)
	}
	e.counter("telcol_sink_delivered_bytes_total", "Keys and values delivered.", c.DeliveredBytes, "topic", c.Topic)
	e.gauge("telcol_sink_waiting_records", "Records in memory, on their way or not yet.", float64(c.Waiting), "topic", c.Topic)
	e.gauge("telcol_sink_waiting_bytes", "Memory that they occupy.", float64(c.WaitingBytes), "topic", c.Topic)
}

// collectSteering tells the kernel's counters of the whole group, so that the traffic of an absent worker shows at any other.
func (m *metrics) collectSteering(e *emitter) {
	if m.w.sockets.group == nil {
		return
	}
	all, err := m.w.sockets.group.Counters()
	e.gauge("telcol_steering_readable", "1 when the group's counters could be read.", boolValue(err == nil))
	if err != nil {
		return
	}
	const help = "Packets that the steering program decided on (UDP datagrams, TCP connections), by the slot of their device."
	for _, l := range all {
		name := l.Listener.String()
		for slot, c := range l.Slots {
			of := strconv.Itoa(slot)
			e.counter("telcol_steering_packets_total", help, c.Selected, "listener", name, "of_slot", of, "result", "selected")
			e.counter("telcol_steering_packets_total", help, c.Empty, "listener", name, "of_slot", of, "result", "slot-empty")
		}
		e.counter("telcol_steering_unreadable_total", "Packets dropped because no source address was found.", l.Unreadable, "listener", name)
		e.counter("telcol_steering_refused_total", "Packets dropped because their source is not on the list of allowed ones.", l.Refused, "listener", name)
		e.counter("telcol_steering_migrated_total", "Connections taken over from the queue of a closing listener.", l.Migrated, "listener", name)
		e.counter("telcol_steering_nobody_total", "Packets dropped because the device's bucket belongs to no slot.", l.Nobody, "listener", name)
	}
	e.gauge("telcol_steering_generation", "Generation of the group's table.", float64(m.w.sockets.group.Table().Generation()))
	m.collectGroup(e)
}

// collectGroup tells what all workers of the group have told of themselves, so that any of them can be asked about all.
func (m *metrics) collectGroup(e *emitter) {
	slots, err := m.w.sockets.group.Workers()
	if err != nil {
		return
	}
	for _, s := range slots {
		of := strconv.Itoa(s.Slot)
		e.gauge("telcol_steering_slot_alive", "1 when every listener that the group's workers use has a socket in the slot and its worker is not stuck.", boolValue(s.Alive), "of_slot", of)
		e.gauge("telcol_steering_slot_stuck", "1 when the slot's worker is stuck or stopped: it has told nothing of itself for 10 s.", boolValue(s.Stuck), "of_slot", of)
		e.gauge("telcol_steering_slot_buckets", "Buckets that belong to the slot, of 16384.", float64(s.Buckets), "of_slot", of)
		e.gauge("telcol_steering_slot_weight", "Weight of the slot, 0 when it is drained.", s.Weight, "of_slot", of)
		r := s.Report
		if r == nil {
			continue
		}
		e.gauge("telcol_steering_slot_heartbeat_age_seconds", "How long ago the slot's worker last told of itself.", r.Age().Seconds(), "of_slot", of)
		devices, sessions := r.Devices, r.Sessions
		if !s.Held { // they were those of one that is gone
			devices, sessions = 0, 0
		}
		e.gauge("telcol_steering_slot_devices", "Devices known to the slot's worker.", float64(devices), "of_slot", of)
		e.gauge("telcol_steering_slot_sessions", "BMP sessions open at the slot's worker.", float64(sessions), "of_slot", of)
		e.counter("telcol_steering_slot_datagrams_total", "Datagrams that the slot's worker has read.", r.Datagrams, "of_slot", of)
		e.counter("telcol_steering_slot_receive_drops_total", "Datagrams that the kernel dropped at the slot's worker for want of receive buffer.", r.ReceiveDrops, "of_slot", of)
		e.counter("telcol_steering_slot_foreign_total", "Datagrams and sessions of other slots' devices at the slot's worker; must be 0.", r.Foreign+r.ForeignConns, "of_slot", of)
	}
}

func collectIPFIX(e *emitter, s *snapshot) {
	n := &s.corr.IPFIX
	e.counter("telcol_ipfix_messages_total", "Messages decoded, by protocol.", n.MessagesIPFIX, "protocol", "ipfix")
	e.counter("telcol_ipfix_messages_total", "", n.MessagesV9, "protocol", "netflow_v9")
	e.counter("telcol_ipfix_records_total", "Records decoded.", n.DataRecords, "kind", "data")
	e.counter("telcol_ipfix_records_total", "", n.OptionsRecords, "kind", "options")
	const templates = "Templates, by what happened to them."
	e.counters("telcol_ipfix_templates_total", templates, "result",
		count{"learnt", n.TemplatesLearnt},
		count{"changed", n.TemplatesChanged},
		count{"refreshed", n.TemplatesRefreshed},
		count{"withdrawn", n.TemplatesWithdrawn},
		count{"expired", n.TemplatesExpired},
		count{"refused", n.TemplatesRefused},
		count{"bad", n.BadTemplates})
	const held = "Data sets that came before their template, by what became of them."
	e.counters("telcol_ipfix_held_sets_total", held, "result",
		count{"held", n.HeldSets},
		count{"decoded", n.ReleasedSets},
		count{"expired", n.ExpiredSets},
		count{"dropped", n.DroppedSets},
		count{"session-end", n.EndedSets},
		count{"stop", n.StoppedSets})
	e.gauge("telcol_ipfix_templates", "Templates known, of all devices.", float64(s.totals.Templates))
	e.gauge("telcol_ipfix_options_entries", "Entries of option tables (VRFs, interfaces, samplers), of all devices.", float64(s.totals.Options))
	const options = "Entries of option tables, by what happened to them."
	e.counters("telcol_ipfix_options_total", options, "result",
		count{"changed", s.corr.Options.Changed},
		count{"expired", s.corr.Options.Expired},
		count{"refused", s.corr.Options.Refused})
	e.gauge("telcol_ipfix_held_sets", "Data sets that wait for their template.", float64(s.totals.HeldSets))
	e.gauge("telcol_ipfix_held_bytes", "Data that waits for its template.", float64(s.totals.HeldBytes))
	const sequence = "Sequence numbers of exporters: data records (IPFIX) or messages (NetFlow v9)."
	e.counters("telcol_ipfix_sequence_total", sequence, "result",
		count{"lost", n.SequenceLost},
		count{"late", n.SequenceLate},
		count{"restart", n.SequenceRestarts})
	collectDecodeLosses(e, s)
}

// collectStreams tells of IPFIX over TCP.
func (m *metrics) collectStreams(e *emitter, s *snapshot) {
	st := m.w.streams
	e.gauge("telcol_ipfix_connections", "IPFIX connections (TCP) open.", float64(st.stats.Open.Load()))
	e.counter("telcol_ipfix_connections_total", "IPFIX connections accepted.", st.stats.Accepted.Load())
	const refused = "IPFIX connections closed at once, by reason: too many in all or of one device, a device of another slot."
	e.counters("telcol_ipfix_connections_refused_total", refused, "reason",
		count{"max-sessions", st.stats.Refused.Load()},
		count{"max-device", st.crowded.Load()},
		count{"foreign", st.foreign.Load()})
	const ended = "IPFIX connections ended here, by reason: nothing came (idle), half a message (slow), no message (framing), the source is not let in any more (not-allowed)."
	e.counters("telcol_ipfix_connections_ended_total", ended, "reason",
		count{"idle", st.idle.Load()},
		count{"slow", st.slow.Load()},
		count{"framing", st.unframed.Load()},
		count{"not-allowed", st.refused.Load()})
	e.counter("telcol_intake_stream_messages_total", "Messages read from IPFIX connections.", s.counted.messages)
	e.counter("telcol_intake_stream_bytes_total", "Octets of messages read from IPFIX connections.", s.counted.msgBytes)
	e.counter("telcol_lost_total", lostHelp, st.cut.Load(), "stage", "intake", "reason", "message-cut")
	e.counter("telcol_lost_total", lostHelp, st.unframed.Load(), "stage", "intake", "reason", "framing")
}

// collectDecodeLosses tells what was read and did not become records.
func collectDecodeLosses(e *emitter, s *snapshot) {
	n := &s.corr.IPFIX
	for _, l := range [...]struct {
		stage, reason string
		n             uint64
	}{
		{"decode", "short", s.corr.TooShort + n.BadMessages},
		{"decode", "trailing", n.Trailing},
		{"decode", "set", n.BadSets},
		{"decode", "reserved-set", n.SkippedSets},
		{"decode", "record", n.BadRecords},
		{"decode", "panic", s.counted.panics},
		{"decode", "device-quota", s.corr.DeviceQuota},
		{"decode", "domain-quota", n.DomainsRefused},
		{"template", "expired", n.ExpiredSets},
		{"template", "no-room", n.DroppedSets},
		{"template", "session-end", n.EndedSets},
		{"template", "stop", n.StoppedSets},
	} {
		e.counter("telcol_lost_total", lostHelp, l.n, "stage", l.stage, "reason", l.reason)
	}
	unknown := n.BadVersions
	for v, k := range s.corr.VersionUnknown {
		unknown += k
		e.counter("telcol_intake_version_total", "Datagrams of a version that is not decoded, 0 for sFlow; 65535 stands for all beyond the first 64.", k,
			"version", strconv.Itoa(int(v)))
	}
	e.counter("telcol_lost_total", lostHelp, unknown, "stage", "decode", "reason", "version")
}

// emitter writes constant metrics with the worker's slot as a label.
type emitter struct {
	ch       chan<- prometheus.Metric
	constant prometheus.Labels
	help     map[string]string
}

func (e *emitter) counter(name, help string, value uint64, labels ...string) {
	e.emit(name, help, prometheus.CounterValue, float64(value), labels)
}

// count is one of several counters of a name, told apart by the value of a label.
type count struct {
	value string
	n     uint64
}

func (e *emitter) counters(name, help, label string, all ...count) {
	for _, c := range all {
		e.counter(name, help, c.n, label, c.value)
	}
}

func (e *emitter) gauge(name, help string, value float64, labels ...string) {
	e.emit(name, help, prometheus.GaugeValue, value, labels)
}

// histogram takes cumulative buckets by their upper bound.
func (e *emitter) histogram(name, help string, count uint64, sum float64, buckets map[float64]uint64, labels ...string) {
	desc, values := e.describe(name, help, labels)
	e.ch <- prometheus.MustNewConstHistogram(desc, count, sum, buckets, values...)
}

// emit takes labels as name, value, name, value. Metrics of one name share the help text of the first.
func (e *emitter) emit(name, help string, t prometheus.ValueType, value float64, labels []string) {
	desc, values := e.describe(name, help, labels)
	e.ch <- prometheus.MustNewConstMetric(desc, t, value, values...)
}

func (e *emitter) describe(name, help string, labels []string) (*prometheus.Desc, []string) {
	if e.help == nil {
		e.help = make(map[string]string)
	}
	if h, ok := e.help[name]; ok {
		help = h
	} else {
		e.help[name] = help
	}
	names, values := make([]string, 0, len(labels)/2), make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return prometheus.NewDesc(name, help, names, e.constant), values
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
