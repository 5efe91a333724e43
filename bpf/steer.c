// SPDX-License-Identifier: Apache-2.0
//
// Picks the worker for a datagram or connection from its source address:
//
//   source -> allowed? -> alias -> SipHash-2-4 -> bucket -> slot -> socket
//
// One copy of this program is loaded per listener (protocol and port). The
// copies share config, allow, aliases and buckets, which makes every listener
// send a device to the same slot; slots and stats are the listener's own. The loader
// decides which is which by replacing the maps below, so another telemetry
// protocol needs no change here.
//
// The verdict is SK_PASS only after a socket was selected. SK_PASS without one
// would let the kernel spread the packet by its own hash: a foreign device at
// some worker. Dropping answers with ICMP port unreachable, or RST for a SYN.
#include "kernel.h"

#define MAX_SLOTS 256
#define BUCKETS 16384
#define MAX_ALIASES 65536
#define MAX_PREFIXES 16384

#define FLAG_ALIASES 1u // the alias map is not empty
#define FLAG_ALLOW 2u   // the list of allowed sources is not empty, and holds

typedef u32 bucket_id;
typedef u16 slot_id; // MAX_SLOTS and above: the bucket belongs to nobody

// An IPv6 address, or an IPv4 one in its mapped form ::ffff:a.b.c.d.
struct address {
	u8 bytes[16];
} __attribute__((aligned(8)));

// The group's settings. The key is random, made once, and outlives programs.
// Only key and flags matter here; the rest is kept for user space.
struct settings {
	u8 key[16];
	u32 layout;     // version of these maps, checked by the worker
	u32 generation; // counts changes of buckets and aliases
	u32 slots;      // workers intended
	u32 flags;
	u32 uid; // whom the pins were given to, all ones: nobody
	u32 gid;
	u32 program;     // counts replacements of the program
	u32 reserved[9]; // zero
} __attribute__((aligned(8)));

// A prefix as the kernel's tries want it. IPv4 prefixes are 96 bits longer, in
// the mapped form.
struct prefix {
	u32 bits;
	u8 bytes[16];
};

struct slot_counters {
	u64 selected; // datagrams (or GRO trains) and connections delivered
	u64 empty;    // dropped: the slot has no socket
};

// What one CPU counted for one listener, in one value so that a scrape is one
// system call.
struct counters {
	u64 unreadable; // dropped: no source address found
	u64 nobody;     // dropped: the bucket belongs to no slot
	u64 migrated;   // connections moved from a closing listener, also in selected
	u64 refused;    // dropped: the source is not allowed
	u64 reserved[4];
	struct slot_counters slots[MAX_SLOTS];
};

// Written by the loader, read here and by workers. Shared by all listeners.
struct {
	MAP_UINT(type, MAP_TYPE_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct settings);
} config SEC(".maps");

// Written by the loader, read here and by workers. Shared by all listeners.
struct {
	MAP_UINT(type, MAP_TYPE_ARRAY);
	MAP_UINT(max_entries, BUCKETS);
	MAP_TYPE(key, bucket_id);
	MAP_TYPE(value, slot_id);
} buckets SEC(".maps");

// Address -> canonical address of the same device. Written by the loader, read
// here and by workers. Shared by all listeners.
struct {
	MAP_UINT(type, MAP_TYPE_HASH);
	MAP_UINT(max_entries, MAX_ALIASES);
	MAP_UINT(map_flags, MAP_NO_PREALLOC);
	MAP_TYPE(key, struct address);
	MAP_TYPE(value, struct address);
} aliases SEC(".maps");

// Prefixes of the sources that are let in; the value means nothing. Written by
// the loader, read here and by workers. Shared by all listeners.
struct {
	MAP_UINT(type, MAP_TYPE_LPM_TRIE);
	MAP_UINT(max_entries, MAX_PREFIXES);
	MAP_UINT(map_flags, MAP_NO_PREALLOC);
	MAP_TYPE(key, struct prefix);
	MAP_TYPE(value, u32);
} allow SEC(".maps");

// Slot -> socket; user space reads socket cookies. Written by workers, emptied
// by the kernel when a socket closes. One per listener.
struct {
	MAP_UINT(type, MAP_TYPE_REUSEPORT_SOCKARRAY);
	MAP_UINT(max_entries, MAX_SLOTS);
	MAP_UINT(key_size, sizeof(u32));
	MAP_UINT(value_size, sizeof(u64));
} slots SEC(".maps");

// Written here, read by whoever scrapes. One per listener.
struct {
	MAP_UINT(type, MAP_TYPE_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct counters);
} stats SEC(".maps");

INLINE void set_ipv4(struct address *a, u32 ip)
{
	a->bytes[10] = 0xff;
	a->bytes[11] = 0xff;
	__builtin_memcpy(&a->bytes[12], &ip, sizeof(ip));
}

// A connection that moves has no packet. Its remote address is the device's.
// The barriers keep four loads at constant offsets: the verifier refuses
// arithmetic on socket pointers.
INLINE int source_of_socket(struct bpf_sock *sk, struct address *a)
{
	u32 word;

	if (sk->family == FAMILY_INET) {
		set_ipv4(a, sk->dst_ip4);
		return 0;
	}
	if (sk->family != FAMILY_INET6)
		return -1;
	word = sk->dst_ip6[0];
	BARRIER();
	__builtin_memcpy(&a->bytes[0], &word, sizeof(word));
	word = sk->dst_ip6[1];
	BARRIER();
	__builtin_memcpy(&a->bytes[4], &word, sizeof(word));
	word = sk->dst_ip6[2];
	BARRIER();
	__builtin_memcpy(&a->bytes[8], &word, sizeof(word));
	word = sk->dst_ip6[3];
	BARRIER();
	__builtin_memcpy(&a->bytes[12], &word, sizeof(word));
	return 0;
}

// Reads the source from the network header. Only the address is loaded: the
// helper fails, and zeroes what it was to fill, if it reaches beyond the
// linear part of the packet.
INLINE int source_of_packet(struct sk_reuseport_md *md, struct address *a)
{
	u32 ip;

	switch (BE16(md->eth_protocol)) {
	case ETHERTYPE_IPV4:
		if (skb_load_relative(md, 12, &ip, sizeof(ip), HDR_START_NET))
			return -1;
		set_ipv4(a, ip);
		return 0;
	case ETHERTYPE_IPV6:
		return skb_load_relative(md, 8, a, sizeof(*a), HDR_START_NET) ? -1 : 0;
	}
	return -1;
}

// A little-endian word; p is aligned, which memcpy from bytes would forget.
INLINE u64 load64(const u8 *p)
{
	u64 v = *(const u64_alias *)p;

	return LE64(v);
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND                       \
	do {                           \
		v0 += v1;              \
		v1 = ROTL(v1, 13) ^ v0; \
		v0 = ROTL(v0, 32);     \
		v2 += v3;              \
		v3 = ROTL(v3, 16) ^ v2; \
		v0 += v3;              \
		v3 = ROTL(v3, 21) ^ v0; \
		v2 += v1;              \
		v1 = ROTL(v1, 17) ^ v2; \
		v2 = ROTL(v2, 32);     \
	} while (0)

// SipHash-2-4 of the 16 bytes of an address.
INLINE u64 siphash(const u8 *key, const struct address *a)
{
	u64 k0 = load64(key), k1 = load64(key + 8), m;
	u64 v0 = k0 ^ 0x736f6d6570736575ULL;
	u64 v1 = k1 ^ 0x646f72616e646f6dULL;
	u64 v2 = k0 ^ 0x6c7967656e657261ULL;
	u64 v3 = k1 ^ 0x7465646279746573ULL;

	m = load64(&a->bytes[0]);
	v3 ^= m;
	SIPROUND;
	SIPROUND;
	v0 ^= m;
	m = load64(&a->bytes[8]);
	v3 ^= m;
	SIPROUND;
	SIPROUND;
	v0 ^= m;
	m = (u64)sizeof(*a) << 56;
	v3 ^= m;
	SIPROUND;
	SIPROUND;
	v0 ^= m;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

// Whether a source is let in. Nobody is kept out by a list without prefixes.
INLINE int allowed(const struct settings *cfg, const struct address *source)
{
	struct prefix p = { .bits = 8 * sizeof(p.bytes) };

	if (!(cfg->flags & FLAG_ALLOW))
		return 1;
	__builtin_memcpy(p.bytes, source->bytes, sizeof(p.bytes));
	return map_lookup(&allow, &p) != 0;
}

// The slot that owns a device, MAX_SLOTS if nobody does. An address that is an
// alias is replaced.
INLINE u32 slot_of(const struct settings *cfg, struct address *device)
{
	const struct address *canonical;
	const volatile slot_id *slot;
	bucket_id bucket;
	u32 id;

	if (cfg->flags & FLAG_ALIASES) {
		canonical = map_lookup(&aliases, device);
		if (canonical)
			*device = *canonical;
	}
	bucket = siphash(cfg->key, device) & (BUCKETS - 1);
	slot = map_lookup(&buckets, &bucket);
	if (!slot)
		return MAX_SLOTS;
	id = *slot; // once: the loader may change it meanwhile
	return id < MAX_SLOTS ? id : MAX_SLOTS;
}

SEC("sk_reuseport/migrate")
int steer(struct sk_reuseport_md *md)
{
	struct bpf_sock *moving = md->migrating_sk;
	struct address source = {};
	struct settings *cfg;
	struct counters *n;
	u32 zero = 0, slot;
	int err;

	cfg = map_lookup(&config, &zero);
	if (!cfg)
		return SK_DROP;
	n = map_lookup(&stats, &zero);
	if (!n)
		return SK_DROP;

	if (moving)
		err = source_of_socket(moving, &source);
	else
		err = source_of_packet(md, &source);
	if (err) {
		n->unreadable++;
		return SK_DROP;
	}

	if (!allowed(cfg, &source)) {
		n->refused++;
		return SK_DROP;
	}
	slot = slot_of(cfg, &source);
	if (slot >= MAX_SLOTS) {
		n->nobody++;
		return SK_DROP;
	}
	if (sk_select_reuseport(md, &slots, &slot, 0)) {
		n->slots[slot].empty++;
		return SK_DROP;
	}
	n->slots[slot].selected++;
	if (moving)
		n->migrated++;
	return SK_PASS;
}

// Every helper used is open to programs under any licence.
char LICENSE[] SEC("license") = "Apache-2.0";
