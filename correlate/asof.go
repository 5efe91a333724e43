package correlate

import (
	"time"

	"github.com/telcol/telcol/ipfix"
)

// clock is what is known of a device's clock, by which its flows end and, as BMP tells them, its routes come and go.
type clock struct {
	offset int64 // the device's less ours when its last message came, in nanoseconds; export times are in whole seconds
	off    bool  // by more than Config.ClockTolerance
}

// heard compares the export time of a message with the time of its arrival.
func (k *clock) heard(exported, received int64, tolerance time.Duration) {
	k.offset = exported - received
	k.off = k.offset > int64(tolerance) || -k.offset > int64(tolerance)
}

// endSlack is by how much a flow may end after its message was exported: export times are whole seconds.
const endSlack = int64(2 * time.Second)

// flowEnd is the time whose routes a flow used. It is not known without an end that can be true, or when the device's clock
// cannot be compared with the times of routes that BMP tells without one, which are ours.
func (d *Device) flowEnd(f *ipfix.Flow) (at int64, known bool) {
	if f.Has&ipfix.FieldEnd == 0 || d.clock.off || f.End > f.ExportTime+endSlack {
		return 0, false
	}
	return f.End, true
}
