package ipfix

import "math"

// clock is what the times of a record relate to.
type clock struct {
	export     int64  // export time of the message, Unix nanoseconds
	uptime     uint32 // NetFlow v9: milliseconds since start at that time
	v9         bool
	systemInit int64 // start of the system by options data, Unix nanoseconds, 0 when not told
	recordInit int64 // the same by the record itself
}

// maxUnixMillis bounds times so that nanoseconds fit: the year 2262.
const maxUnixMillis = math.MaxInt64 / 1_000_000

// fromSeconds turns Unix seconds into nanoseconds, 0 when out of range.
func fromSeconds(n uint64) int64 {
	if n > maxUnixMillis/1000 {
		return 0
	}
	return int64(n) * 1_000_000_000
}

// fromMillis turns Unix milliseconds into nanoseconds, 0 when out of range.
func fromMillis(n uint64) int64 {
	if n > maxUnixMillis {
		return 0
	}
	return int64(n) * 1_000_000
}

// fromNTP turns an NTP timestamp, seconds since 1900 and a binary fraction (RFC 5905 section 6), into Unix nanoseconds. Zero
// is unknown. A clear high bit is taken as the era that begins in 2036, not as a time before 1968.
func fromNTP(n uint64) int64 {
	const unixEpoch = 2208988800
	if n == 0 {
		return 0
	}
	seconds := int64(n >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return (seconds-unixEpoch)*1_000_000_000 + int64((n&0xffffffff)*1_000_000_000>>32)
}

// before gives the time of so many microseconds before export.
func (c *clock) before(micros uint64) int64 {
	if micros > uint64(c.export)/1000 {
		return 0
	}
	return c.export - int64(micros)*1000
}

// exportSecond is added to the export time of NetFlow v9, of which the header has the whole seconds alone, in a relation to an uptime in
// milliseconds. The message left somewhere within that second, and nobody can tell where; its end makes no flow end
// earlier than it may have, and in whole seconds gives what collectors say that subtract whole seconds from it. The start and
// the end of a flow, and all flows of a message, keep the distances that their uptimes have.
const exportSecond = 999_000_000

// atUptime gives the time of so many milliseconds after the start of the system, 0 when the start is not known. The
// counter has 32 bits and wraps every 49.7 days.
func (c *clock) atUptime(millis uint64) int64 {
	if millis > math.MaxUint32 {
		return 0
	}
	if c.v9 && c.recordInit == 0 {
		return c.export + exportSecond - int64(int32(c.uptime-uint32(millis)))*1_000_000
	}
	init := c.recordInit
	if init == 0 {
		init = c.systemInit
	}
	if init <= 0 {
		return 0
	}
	const (
		wrap  = (1 << 32) * 1_000_000
		slack = 86400 * 1_000_000_000 // clocks and rounding may put a flow after its export
	)
	t := init + int64(millis)*1_000_000
	if late := c.export - t; late > wrap-slack {
		t += (late + slack) / wrap * wrap
	}
	return t
}
