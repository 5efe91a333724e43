package collector

// collect tells the counts of events. Events numbered are those that the sink accepted for the topic and those lost here.
func (ev *events) collect(e *emitter) {
	if ev == nil {
		return
	}
	for k := range numEventKinds {
		e.counter("telcol_bmp_events_total", "Events told by BMP sessions, also those that were lost.", ev.counted[k].Load(), "event", k.String())
	}
	e.counter("telcol_lost_total", lostHelp, ev.lostFull.Load(), "stage", "events", "reason", "buffer-full")
	e.counter("telcol_lost_total", lostHelp, ev.lostStop.Load(), "stage", "events", "reason", "stopped")
	e.counter("telcol_bmp_event_gaps_total", "Gaps of events, by whether the event topic says so.", ev.gaps.Load(), "result", "told")
	e.counter("telcol_bmp_event_gaps_total", "", ev.untold.Load(), "result", "untold")
	e.counter("telcol_bmp_event_waits_total", "How often a BMP session waited for room for its events.", ev.waits.Load())
	e.gauge("telcol_bmp_event_sessions_behind", "BMP sessions in a gap, or whose end is still to be told.", float64(ev.pending()))
}
