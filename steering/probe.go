package steering

import (
	"encoding/binary"
)

// Probe is what a self-test sends, as a datagram or as the first octets of a
// connection, from an address of the loopback network: workers know that it is no
// telemetry, and answer on the same way.
//
//	"telcol self-test" | token(8) | port(2) | zero(6)              32 octets
//	... the same ...   | slot(2) | zero(2) | pid(4)                 40 octets
//
// Numbers are big-endian.
type Probe struct {
	Token uint64 // tells one probe from another
	Port  uint16 // of the listener that it was sent to
}

// Answer is what a worker answers.
type Answer struct {
	Probe
	Slot int
	PID  int
}

const (
	probeMagic = "telcol self-test"
	// ProbeSize is the size of a probe in octets.
	ProbeSize = len(probeMagic) + 16
	// AnswerSize is the size of an answer in octets.
	AnswerSize = ProbeSize + 8
)

// MayBeProbe reports whether a probe can begin with that octet; no version of
// IPFIX, NetFlow or BMP does.
func MayBeProbe(first byte) bool { return first == probeMagic[0] }

// AppendProbe appends a probe.
func AppendProbe(b []byte, p Probe) []byte {
	b = append(b, probeMagic...)
	b = binary.BigEndian.AppendUint64(b, p.Token)
	b = binary.BigEndian.AppendUint16(b, p.Port)
	return append(b, make([]byte, 6)...)
}

// ParseProbe reads a probe, which is all of b.
func ParseProbe(b []byte) (Probe, bool) {
	if len(b) != ProbeSize || string(b[:len(probeMagic)]) != probeMagic {
		return Probe{}, false
	}
	rest := b[len(probeMagic):]
	return Probe{Token: binary.BigEndian.Uint64(rest), Port: binary.BigEndian.Uint16(rest[8:])}, true
}

// AppendAnswer appends an answer.
func AppendAnswer(b []byte, a Answer) []byte {
	b = AppendProbe(b, a.Probe)
	b = binary.BigEndian.AppendUint16(b, uint16(a.Slot))
	b = append(b, 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(a.PID))
}

// ParseAnswer reads an answer, which is all of b.
func ParseAnswer(b []byte) (Answer, bool) {
	if len(b) != AnswerSize {
		return Answer{}, false
	}
	p, ok := ParseProbe(b[:ProbeSize])
	rest := b[ProbeSize:]
	return Answer{Probe: p, Slot: int(binary.BigEndian.Uint16(rest)), PID: int(binary.BigEndian.Uint32(rest[4:]))}, ok
}
