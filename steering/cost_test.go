package steering

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

const (
	costSlots   = 4
	costDevices = 64
	costBurst   = 256  // datagrams sent before they are read
	costBursts  = 8    // of one round of one way
	costPayload = 1400 // octets, as flow records come
)

// BenchmarkCost sends the same datagrams to four receivers in all the ways there are and compares the CPU time of one, from the
// device's send to the receiver's read, all on one thread:
//
//   - none: no program, the kernel spreads by its own hash of addresses and ports, which splits devices;
//   - modulo: the least program that keeps a device together, the address modulo the number of slots;
//   - telcol: the program of this package;
//   - replicator: no program, but a process in front that reads each datagram and sends it on to one of four ports, from
//     its own address;
//   - spoofing: the same with a raw socket, so that the device's address is kept, as a join per device needs it.
//
// Replicators are at their best here: without a switch between processes for a datagram. The ways take turns in each round, and
// the figures are medians over the rounds: ns a datagram, and how many times that is what none takes. Times of the programs alone
// are the kernel's (run_time_ns/run_cnt), which include its own measuring.
//
//	go test -run '^$' -bench Cost ./steering
func BenchmarkCost(b *testing.B) {
	needLive(b)
	// CPU time is that of the thread; the kernel delivers on loopback within send.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := newSenders(b)
	ways := []*way{noProgram(b), modulo(b), telcolWay(b), replicator(b, false), replicator(b, true)}
	for b.Loop() {
		for _, w := range ways {
			w.ns = append(w.ns, s.round(b, w))
		}
	}
	alone := programTimes(b, s, ways)
	base := ways[0].ns
	for i, w := range ways {
		times := make([]float64, len(w.ns))
		for k := range w.ns {
			times[k] = w.ns[k] / base[k]
		}
		ns, ratio := median(w.ns), median(times)
		b.ReportMetric(ns, w.name+"-ns")
		if i > 0 {
			b.ReportMetric(ratio, w.name+"/none")
		}
		line := fmt.Sprintf("%-10s %6.0f ns a datagram, %.2f times none", w.name, ns, ratio)
		if t, ok := alone[w.name]; ok {
			b.ReportMetric(t, w.name+"-program-ns")
			line += fmt.Sprintf(", the program alone %.0f ns", t)
		}
		b.Log(line)
	}
	b.ReportMetric(0, "ns/op") // a round of all ways, which nobody asks for
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// way is one way for a datagram from the device to a receiver.
type way struct {
	name    string
	to      unix.Sockaddr
	fds     []int             // of the receivers
	forward func(n int) error // passes on what has arrived so far, if something is in between
	program *ebpf.Program     // nil if there is none
	ns      []float64         // of each round
}

// senders are the devices.
type senders struct {
	fds     []int
	payload []byte
	buf     []byte
}

func newSenders(b *testing.B) *senders {
	s := &senders{payload: make([]byte, costPayload), buf: make([]byte, 2048)}
	for i := range costDevices {
		fd := floodSocket(b, deviceV4(i))
		b.Cleanup(func() { unix.Close(fd) })
		s.fds = append(s.fds, fd)
	}
	return s
}

// round sends and receives, and returns the CPU time of a datagram.
func (s *senders) round(b *testing.B, w *way) float64 {
	b.Helper()
	start := threadTime(b)
	for range costBursts {
		for i := range costBurst {
			if err := unix.Sendto(s.fds[i%len(s.fds)], s.payload, 0, w.to); err != nil {
				b.Fatal(err)
			}
		}
		if w.forward != nil {
			if err := w.forward(costBurst); err != nil {
				b.Fatal(err)
			}
		}
		if n := s.drain(b, w.fds); n != costBurst {
			b.Fatalf("%s: %d datagrams of %d arrived", w.name, n, costBurst)
		}
	}
	return float64(threadTime(b)-start) / (costBurst * costBursts)
}

// drain reads what is there.
func (s *senders) drain(b *testing.B, fds []int) (total int) {
	b.Helper()
	for _, fd := range fds {
		for {
			_, _, err := receive(fd, s.buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			total++
		}
	}
	return total
}

// receive reads a datagram, and the IPv4 source of one from an IPv4 socket, without allocating.
func receive(fd int, buf []byte) (n int, from unix.RawSockaddrInet4, err error) {
	size := uint32(unsafe.Sizeof(from))
	for {
		r, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		switch errno {
		case 0:
			return int(r), from, nil
		case unix.EINTR:
		default:
			return 0, from, errno
		}
	}
}

func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// bound opens a UDP socket that others may share the port of.
func bound(b *testing.B, addr netip.AddrPort) int {
	b.Helper()
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(share(fd), setReadBuffer(fd, 0), unix.Bind(fd, sockaddr(addr)))
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	return fd
}

func local(port uint16) unix.Sockaddr { return sockaddr(target(deviceV4(0), port)) }

func noProgram(b *testing.B) *way {
	port := freePort()
	w := &way{name: "none", to: local(port)}
	for range costSlots {
		w.fds = append(w.fds, bound(b, anyAddr(port)))
	}
	return w
}

func telcolWay(b *testing.B) *way {
	g, port := newGroup(b, costSlots)
	e, err := g.endpoint(Listener{UDP, port})
	if err != nil {
		b.Fatal(err)
	}
	prog, err := g.pins.openProgram(e.Listener)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { prog.Close() })
	w := &way{name: "telcol", to: local(port), program: prog}
	// Not those of ListenUDP: package net's poller would be woken for each datagram, which the other ways' sockets do not have.
	for slot := range costSlots {
		fd := bound(b, anyAddr(port))
		if err := errors.Join(attach(fd, prog.FD()), e.slots.Update(uint32(slot), uint64(fd), ebpf.UpdateNoExist)); err != nil {
			b.Fatal(err)
		}
		w.fds = append(w.fds, fd)
	}
	return w
}

// modulo makes receivers with a program that has no key, table, list or counters: source address modulo slots.
func modulo(b *testing.B) *way {
	slots, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ReusePortSockArray, KeySize: 4, ValueSize: 8, MaxEntries: costSlots})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { slots.Close() })
	const headerOfNetwork = 1 // BPF_HDR_START_NET
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SkReuseport, License: "Apache-2.0",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.Mov.Imm(asm.R2, 12), // the source of an IPv4 header
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, -8),
			asm.Mov.Imm(asm.R4, 4),
			asm.Mov.Imm(asm.R5, headerOfNetwork),
			asm.FnSkbLoadBytesRelative.Call(),
			asm.JNE.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(asm.R0, asm.RFP, -8, asm.Word),
			asm.HostTo(asm.BE, asm.R0, asm.Word),
			asm.Mod.Imm(asm.R0, costSlots),
			asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.LoadMapPtr(asm.R2, slots.FD()),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, -4),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnSkSelectReuseport.Call(),
			asm.JNE.Imm(asm.R0, 0, "drop"),
			asm.Mov.Imm(asm.R0, 1), // SK_PASS
			asm.Return(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("drop"),
			asm.Return(),
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { prog.Close() })
	port := freePort()
	w := &way{name: "modulo", to: local(port), program: prog}
	for slot := range costSlots {
		fd := bound(b, anyAddr(port))
		if err := errors.Join(attach(fd, prog.FD()), slots.Update(uint32(slot), uint64(fd), ebpf.UpdateAny)); err != nil {
			b.Fatal(err)
		}
		w.fds = append(w.fds, fd)
	}
	return w
}

// replicator makes receivers on ports of their own, and the process in front of them.
func replicator(b *testing.B, spoof bool) *way {
	port := freePort()
	front := bound(b, target(deviceV4(0), port))
	w := &way{name: "replicator", to: local(port)}
	var ports [costSlots]uint16
	var behind [costSlots]unix.Sockaddr
	for slot := range costSlots {
		ports[slot] = freePort()
		behind[slot] = local(ports[slot])
		w.fds = append(w.fds, bound(b, anyAddr(ports[slot])))
	}
	const header = 28 // of IPv4 and UDP
	packet := make([]byte, header+2048)
	out, send := front, func(slot, n int, from *unix.RawSockaddrInet4) error {
		return unix.Sendto(front, packet[header:header+n], 0, behind[slot])
	}
	if spoof {
		w.name = "spoofing"
		var err error
		if out, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(out) })
		send = func(slot, n int, from *unix.RawSockaddrInet4) error {
			forge(packet[:header+n], from, ports[slot])
			return unix.Sendto(out, packet[:header+n], 0, behind[slot])
		}
	}
	w.forward = func(n int) error {
		for range n {
			size, from, err := receive(front, packet[header:])
			if err != nil {
				return err
			}
			if err := send(int(binary.BigEndian.Uint32(from.Addr[:])%costSlots), size, &from); err != nil {
				return err
			}
		}
		return nil
	}
	return w
}

// forge writes headers of IPv4 and UDP, with a device as the source. The kernel fills in length and checksum of the one, and the other
// needs no checksum.
func forge(packet []byte, from *unix.RawSockaddrInet4, port uint16) {
	copy(packet, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0})
	copy(packet[12:], from.Addr[:])
	copy(packet[16:], []byte{127, 0, 0, 1})
	binary.NativeEndian.PutUint16(packet[20:], from.Port) // in the order of the network already
	binary.BigEndian.PutUint16(packet[22:], port)
	binary.BigEndian.PutUint16(packet[24:], uint16(len(packet)-20))
	binary.BigEndian.PutUint16(packet[26:], 0)
}

// programTimes has the kernel measure the programs, which costs time itself, and gives the median of rounds.
func programTimes(b *testing.B, s *senders, ways []*way) map[string]float64 {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	all := make(map[string][]float64)
	for range 20 {
		for _, w := range ways {
			if w.program == nil {
				continue
			}
			before := programStats(b, w.program)
			s.round(b, w)
			after := programStats(b, w.program)
			n := after.RunCount - before.RunCount
			if n != costBurst*costBursts {
				b.Fatalf("%s: the program ran %d times for %d datagrams", w.name, n, costBurst*costBursts)
			}
			all[w.name] = append(all[w.name], float64(after.Runtime-before.Runtime)/float64(n))
		}
	}
	times := make(map[string]float64)
	for name, values := range all {
		times[name] = median(values)
	}
	return times
}

func programStats(b *testing.B, prog *ebpf.Program) *ebpf.ProgramStats {
	b.Helper()
	st, err := prog.Stats()
	if err != nil {
		b.Fatal(err)
	}
	return st
}
