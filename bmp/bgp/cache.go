package bgp

import (
	"bytes"
	"hash/maphash"
	"sync"
)

// Cache keeps decoded attributes by their raw bytes, so that gobgp sees each set once and not once per route. It is
// bounded in entries and bytes, and may be shared by the Decoders of many goroutines. The least recently used half goes
// when it is full, which costs no more than decoding those sets again.
type Cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

// CacheConfig bounds a Cache.
type CacheConfig struct {
	// MaxEntries is the largest number of attribute sets kept, 65536 when zero. A full Internet table has about 64,000.
	MaxEntries int
	// MaxBytes is the largest estimate of the memory they hold, 32 MiB when zero. Whichever bound is met first counts.
	MaxBytes int
}

const cacheShards = 16

// cacheShard holds two generations. A set that is found in the old one moves to the young one; when the young one
// reaches half of the bounds, it becomes the old one and the old one is dropped.
type cacheShard struct {
	mu                   sync.Mutex
	young, old           map[uint64]*Attributes
	youngBytes, oldBytes int
	maxEntries, maxBytes int // of one generation; never changed
	_                    [64]byte
}

// NewCache makes an empty cache.
func NewCache(cfg CacheConfig) *Cache {
	if cfg.MaxEntries <= 0 {
		cfg.MaxEntries = 65536
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 32 << 20
	}
	c := &Cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].maxEntries = max(1, cfg.MaxEntries/cacheShards/2)
		c.shards[i].maxBytes = cfg.MaxBytes / cacheShards / 2
		c.shards[i].young = make(map[uint64]*Attributes)
	}
	return c
}

// Len gives the number of attribute sets in the cache and an estimate of the memory they hold.
func (c *Cache) Len() (entries, size int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		entries += len(s.young) + len(s.old)
		size += s.youngBytes + s.oldBytes
		s.mu.Unlock()
	}
	return entries, size
}

// Clear drops everything, for instance after a table dump, when memory is worth more than the next decoding.
func (c *Cache) Clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.young, s.old = make(map[uint64]*Attributes), nil
		s.youngBytes, s.oldBytes = 0, 0
		s.mu.Unlock()
	}
}

// get returns the attributes of key, or nil.
func (c *Cache) get(hash uint64, key []byte) *Attributes {
	s := &c.shards[hash%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.young[hash]; a != nil && bytes.Equal(a.key, key) {
		return a
	}
	a := s.old[hash]
	if a == nil || !bytes.Equal(a.key, key) {
		return nil
	}
	delete(s.old, hash)
	s.oldBytes -= a.size()
	s.putLocked(hash, a)
	return a
}

func (c *Cache) put(hash uint64, a *Attributes) {
	s := &c.shards[hash%cacheShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(hash, a)
}

func (s *cacheShard) putLocked(hash uint64, a *Attributes) {
	size := a.size()
	if size > s.maxBytes {
		return
	}
	if prev := s.young[hash]; prev != nil {
		s.youngBytes -= prev.size()
	} else if len(s.young) >= s.maxEntries {
		s.turnLocked()
	}
	if s.youngBytes+size > s.maxBytes {
		s.turnLocked()
	}
	s.young[hash] = a
	s.youngBytes += size
}

// turnLocked makes the young generation the old one.
func (s *cacheShard) turnLocked() {
	s.old, s.oldBytes = s.young, s.youngBytes
	s.young, s.youngBytes = make(map[uint64]*Attributes, len(s.old)), 0
}
