// Package steering makes the kernel send each device to one worker.
//
// All workers of a group bind the same address and port with SO_REUSEPORT. A
// BPF program, attached to that reuseport group, picks the worker from the
// source address alone:
//
//	source ─► allowed? ─► alias ─► SipHash-2-4 ─► bucket ─► slot ─► socket
//	             │          │           │            │         │
//	           allow     aliases      config      buckets    slots      maps pinned in bpffs
//
// The package owns the pins, the table and the sockets' way into the group:
// creating a group ([Init]), opening it ([Open]), listening without ever seeing
// a foreign device ([Group.ListenUDP], [Group.ListenTCP]), taking a slot
// ([Group.Claim]) or freeing it of a worker that is stuck ([Group.Evict]), changing the table ([Group.ChangePlan], [Group.SetAlias],
// [Group.Allow]), saving it ([Group.Save], [Group.Restore]) and looking at it ([Group.Status], [Group.Where]). The same
// bucket function exists here in Go ([Key.Bucket], [Table]), so that a worker
// can tell which devices are its own. Reading from the sockets, metrics and
// everything about telemetry is left to others.
//
// # Pins
//
//	<root>/<group>/config              key, layout, generation, number of slots
//	<root>/<group>/buckets             bucket ─► slot
//	<root>/<group>/aliases             address ─► canonical address
//	<root>/<group>/allow               prefixes of sources let in
//	<root>/<group>/plan                slot ─► weight, drained or not
//	<root>/<group>/pinned              address ─► slot
//	<root>/<group>/aliases_told        aliases that workers told, which are not saved
//	<root>/<group>/saved               path of the key file and what is in there
//	<root>/<group>/workers             slot ─► what its worker tells, with a heartbeat
//	<root>/<group>/devices             source ─► when and by which slot's worker it was seen
//	<root>/<group>/udp-4739/slots      slot ─► socket, one set per listener
//	<root>/<group>/udp-4739/stats      counters per CPU
//	<root>/<group>/udp-4739/prog       the program
//
// A group exists once config is pinned, a listener once its prog is: both are
// written last. Whoever changes pins, or brings sockets into the group, holds
// flock(2) on the group's directory; it is the only lock between processes, and
// a process that dies lets go of it.
//
// # Changes
//
// The table is a function of the key and a [Plan]: number of slots, weights, drained
// slots, pins. A change writes the plan, then the buckets that differ, then the next
// generation. Each bucket moves at once and once, for all listeners together; what
// comes after goes to the new worker. Connections stay where they are until their
// worker sees the generation and closes them.
//
// A newer version of the program replaces the pinned one ([Init]); the workers attach
// it to their sockets when they see the generation ([Claim.Refresh]).
//
// Placement is the same wherever key and plan are: on another host, and after a reboot,
// which empties bpffs. A group that has a key file ([Options].File, [Group.Save]) is saved
// in there, with its aliases and allowed prefixes ([Saved]), after each change, under the
// group's lock; Init makes it again from the file. The kernel comes first: a change that
// cannot be saved is in effect and reported as [ErrNotSaved]. The file is replaced as a
// whole, and only while it holds what the group has put there or read there. Drained slots
// stay drained: their workers may be away for longer than a boot. Aliases that workers told
// ([Group.TellAlias]) are not saved, since the workers' settings have them.
// testdata/vectors.json has examples for whoever builds the function again.
//
// # Privileges
//
// Creating needs CAP_BPF and CAP_PERFMON (and CAP_SYS_ADMIN if bpffs has to be
// mounted). A worker needs no capability when the pins belong to its user
// ([User]): attaching a pinned program and writing a pinned map are governed by
// file modes. The kernel lets only sockets of one user share a port, so all
// workers of a group run as that user. They also share one network namespace:
// sockets of another one can be put in the map but are never selected.
//
// # Lifetime
//
// A slot's entry is the socket itself: it disappears when the last descriptor of
// the socket is closed, by whatever end of the process. Nothing has to be cleaned
// up after a crash. Until the slot is taken again its traffic is dropped and
// counted, never given to another slot.
//
// # Cost
//
// BenchmarkCost sends the same datagrams in all ways, device to receiver on one thread. CPU time of one, medians on a busy machine of two
// cores: without a program 1; with the least program that keeps a device together, address modulo slots, 1.03; with ours 1.05, of
// which the program itself is 300 ns to the other's 220, 60 or so being the kernel's measuring; through a process that reads each
// and sends it on 2.0, with the device's address kept (raw socket) as well. What the last two cost the receivers' host besides, switches
// between processes and a second receive buffer to overflow, is not in there.
package steering
