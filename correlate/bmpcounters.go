package correlate

import (
	"errors"
	"io"
	"syscall"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// BMPCounters count what BMP sessions told and what became of it. Sessions are those that are open and those of Ended. Announced
// routes are in a RIB, or were, but for RoutesRefused, Superseded and RoutesOfNoDevice.
type BMPCounters struct {
	Sessions uint64            // opened
	Ended    [numEnds]uint64   // by EndReason
	Decoded  bmp.Counters      // messages by type, RFC 7606 outcomes and what else the decoder counts
	Refused  [NumFaults]uint64 // messages by Fault; the session went on, and what could be read of them was used

	Announced        uint64 // routes
	Withdrawn        uint64 // routes
	NotKept          uint64 // routes of families that the RIB does not hold
	RoutesRefused    uint64 // beyond a quota of the device
	Superseded       uint64 // routes that an older session announced, about what a newer one of the device tells, or after its address became another device's
	WithdrawnLate    uint64 // the same of withdrawals
	RoutesOfNoDevice uint64 // of devices beyond Config.MaxDevices
	EndOfRIB         uint64

	DriftReports uint64 // comparisons of a router's route count with ours
	DriftSkipped uint64 // of them, those that could not be made: table not synced, changing or filtered, peer or family unknown
	Drifts       uint64 // differences that lasted
}

// Messages returns how many messages of all types were read.
func (n BMPCounters) Messages() (sum uint64) {
	for _, k := range n.Decoded.Messages {
		sum += k
	}
	return sum
}

func (n *BMPCounters) add(m *BMPCounters) {
	bgp.AddCounts(n.Ended[:], m.Ended[:])
	bgp.AddCounts(n.Refused[:], m.Refused[:])
	n.Decoded.Add(&m.Decoded)
	n.Sessions += m.Sessions
	n.Announced += m.Announced
	n.Withdrawn += m.Withdrawn
	n.NotKept += m.NotKept
	n.EndOfRIB += m.EndOfRIB
	// The others are counted by the owner itself.
}

// EndReason says why a BMP session ended.
type EndReason uint8

// The reasons. The last one stands for every other error of the connection.
const (
	EndTermination EndReason = iota // the device said Termination
	EndClosed                       // the device closed the connection between two messages
	EndCut                          // the device closed it within a message
	EndFraming                      // the stream is not, or no longer, BMP
	EndReset                        // the connection was reset
	EndLost                         // the device does not answer any more, which TCP's keepalive finds
	EndIdle                         // ErrIdle: nothing came for too long
	EndStopped                      // ErrStopped: the worker stops
	EndMoved                        // ErrMoved: the device belongs to another worker now
	EndNotAllowed                   // ErrNotAllowed: the device's address is not let in any more
	EndCrowded                      // ErrCrowded: the device has opened too many newer ones
	EndOther
	numEnds
)

// String gives the name used in metrics and logs.
func (r EndReason) String() string {
	return [...]string{"termination", "closed", "cut", "framing", "reset", "lost", "idle", "stopped", "moved", "not-allowed", "crowded", "other"}[min(r, EndOther)]
}

// Errors by which the reader that Run is given ends a session.
var (
	ErrIdle       = errors.New("nothing came for too long")
	ErrStopped    = errors.New("worker stops")
	ErrMoved      = errors.New("device belongs to another worker")
	ErrNotAllowed = errors.New("device is not let in any more")
	ErrCrowded    = errors.New("device has opened too many newer sessions")
)

// errTermination is the end that the device announced.
var errTermination = errors.New("termination")

// EndReasonOf tells why Feed.Run has returned.
func EndReasonOf(err error) EndReason {
	for _, e := range endErrors {
		if errors.Is(err, e.err) {
			return e.reason
		}
	}
	return EndOther
}

var endErrors = [...]struct {
	err    error
	reason EndReason
}{
	{errTermination, EndTermination},
	{bmp.ErrFraming, EndFraming},
	{ErrIdle, EndIdle},
	{ErrStopped, EndStopped},
	{ErrMoved, EndMoved},
	{ErrNotAllowed, EndNotAllowed},
	{ErrCrowded, EndCrowded},
	{io.ErrUnexpectedEOF, EndCut},
	{io.EOF, EndClosed},
	{syscall.ECONNRESET, EndReset},
	{syscall.EPIPE, EndReset},
	{syscall.ETIMEDOUT, EndLost},
	{syscall.EHOSTUNREACH, EndLost},
	{syscall.ENETUNREACH, EndLost},
}

// Fault says what is wrong with a message that was refused.
type Fault uint8

// The faults. The last one stands for every other error.
const (
	FaultShort   Fault = iota // parts of it do not fit into it
	FaultPDU                  // it holds another BGP message than it should
	FaultMessage              // what should be a BGP message in it is none
	FaultUpdate               // an UPDATE whose routes cannot be told apart (RFC 7606 would reset the BGP session)
	FaultPanic                // decoding did not survive it, a fault of ours
	FaultOther
	NumFaults
)

// String gives the name used in metrics.
func (f Fault) String() string {
	return [...]string{"short", "unexpected-bgp", "no-bgp", "update", "panic", "other"}[min(f, FaultOther)]
}

// errPanic reports a message whose decoding panicked: it costs this message and not the session or the worker.
var errPanic = errors.New("panic")

func faultOf(err error) Fault {
	switch {
	case errors.Is(err, errPanic):
		return FaultPanic
	case errors.Is(err, bmp.ErrShort):
		return FaultShort
	case errors.Is(err, bmp.ErrPDU):
		return FaultPDU
	case errors.Is(err, bgp.ErrUpdate):
		return FaultUpdate
	case errors.Is(err, bgp.ErrMessage):
		return FaultMessage
	}
	return FaultOther
}
