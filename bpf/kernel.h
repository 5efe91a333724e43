// SPDX-License-Identifier: Apache-2.0
//
// The part of the kernel's BPF interface that steer.c needs, declared here so
// that building it takes clang and nothing else. Layouts and numbers are
// kernel ABI: they never change, and only fields we use have a meaning here.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u64 __attribute__((may_alias)) u64_alias;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

// Map definitions as BTF: the loader reads them from the types of the members.
#define MAP_UINT(name, value) int(*name)[value]
#define MAP_TYPE(name, value) value *name

enum {
	MAP_TYPE_HASH = 1,
	MAP_TYPE_ARRAY = 2,
	MAP_TYPE_PERCPU_ARRAY = 6,
	MAP_TYPE_LPM_TRIE = 11,
	MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
};

enum { MAP_NO_PREALLOC = 1 };

// Return values of a sk_reuseport program.
enum { SK_DROP = 0, SK_PASS = 1 };

// Where bpf_skb_load_bytes_relative counts from.
enum { HDR_START_NET = 1 };

enum { FAMILY_INET = 2, FAMILY_INET6 = 10 };
enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86dd };

// struct bpf_sock: addresses in network order.
struct bpf_sock {
	u32 bound_dev_if;
	u32 family;
	u32 type;
	u32 protocol;
	u32 mark;
	u32 priority;
	u32 src_ip4;
	u32 src_ip6[4];
	u32 src_port;
	u16 dst_port;
	u16 : 16;
	u32 dst_ip4;
	u32 dst_ip6[4];
	u32 state;
	int rx_queue_mapping;
};

// struct sk_reuseport_md: the context. eth_protocol is in network order;
// migrating_sk is set, and there is no packet, when a closing listener's
// connection looks for a new home.
struct sk_reuseport_md {
	void *data __attribute__((aligned(8)));
	void *data_end __attribute__((aligned(8)));
	u32 len;
	u32 eth_protocol;
	u32 ip_protocol;
	u32 bind_inany;
	u32 hash;
	struct bpf_sock *sk __attribute__((aligned(8)));
	struct bpf_sock *migrating_sk __attribute__((aligned(8)));
};

static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const skb_load_relative)(const void *ctx, u32 offset, void *to, u32 len, u32 start) = (void *)68;
static long (*const sk_select_reuseport)(struct sk_reuseport_md *md, void *map, void *key, u64 flags) = (void *)82;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) ((u16)__builtin_bswap16(x))
#define LE64(x) (x)
#else
#define BE16(x) (x)
#define LE64(x) __builtin_bswap64(x)
#endif

// Keeps the compiler from merging accesses around it.
#define BARRIER() __asm__ __volatile__("" ::: "memory")
