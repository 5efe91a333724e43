package intake

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// DefaultDatagrams is how many datagrams a Batch holds unless told otherwise.
	DefaultDatagrams = 64
	// MaxDatagram is the largest payload that UDP can carry without jumbograms; a slot of this size truncates nothing.
	MaxDatagram = 65535

	// Slots lie this much further apart than they are long. With a distance of a power of two all of them would
	// start in the same cache sets; 24 lines more, one usual datagram, spreads them.
	slotGap = 24*64 + 1
)

// Batch is room for the datagrams of one read, reused from read to read. Its slots are as long as the longest datagram but only the
// pages that were written to are resident, about 6 KiB a slot with usual datagrams. One goroutine at a time may use a Batch.
type Batch struct {
	n     int
	at    time.Time
	size  int
	space []byte
	msgs  []mmsghdr
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // also long enough for an IPv4 source
}

// mmsghdr is struct mmsghdr of recvmmsg(2); Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// NewBatch makes room for DefaultDatagrams datagrams of any size.
func NewBatch() *Batch { return NewBatchSize(DefaultDatagrams, MaxDatagram) }

// NewBatchSize makes room for n datagrams, at least one, of up to size octets, at most MaxDatagram.
func NewBatchSize(n, size int) *Batch {
	n, size = max(n, 1), min(max(size, 1), MaxDatagram)
	b := &Batch{
		size:  size,
		space: make([]byte, n*(size+slotGap)),
		msgs:  make([]mmsghdr, n),
		iovs:  make([]unix.Iovec, n),
		names: make([]unix.RawSockaddrInet6, n),
	}
	for i := range b.msgs {
		b.iovs[i].Base = &b.space[i*(size+slotGap)]
		b.iovs[i].SetLen(size)
		h := &b.msgs[i].hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Namelen = unix.SizeofSockaddrInet6
	}
	return b
}

// Len returns how many datagrams the last read brought.
func (b *Batch) Len() int { return b.n }

// Cap returns how many datagrams fit.
func (b *Batch) Cap() int { return len(b.msgs) }

// Received returns when the last read ended.
func (b *Batch) Received() time.Time { return b.at }

// Reset empties the batch; reading into it does so too.
func (b *Batch) Reset() { b.n = 0 }

// Datagram returns what Source, Payload and Truncated say of datagram i.
func (b *Batch) Datagram(i int) (src netip.AddrPort, payload []byte, truncated bool) {
	return b.Source(i), b.Payload(i), b.Truncated(i)
}

// Payload returns datagram i. The slice is valid until the Batch is read into again.
func (b *Batch) Payload(i int) []byte {
	at := i * (b.size + slotGap)
	n := int(b.msgs[i].len)
	return b.space[at : at+n : at+n]
}

// Truncated reports whether datagram i was longer than its slot and lost its end.
func (b *Batch) Truncated(i int) bool { return b.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 }

// Source returns the sender of datagram i, IPv4 as IPv4. A scoped (link-local) address keeps no zone: the zone names an interface of this
// host, not the device. The value is zero when the kernel gave no Internet address.
func (b *Batch) Source(i int) netip.AddrPort {
	sa := &b.names[i]
	switch sa.Family {
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port(sa.Port))
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port(sa4.Port))
	}
	return netip.AddrPort{}
}

// port turns a port as it lies in a sockaddr, big endian whatever the host is, into its number.
func port(p uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&p))
	return uint16(b[0])<<8 | uint16(b[1])
}
