package sink

import (
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/correlate/prefetch"
)

// Item is one record on its way, with the memory that it needs. It belongs to the caller between Get and Send, to the sink before
// and after. A caller that has nothing to send may keep an Item for the next record or forget it.
type Item struct {
	// Key and Value are empty after Get. Append to them, so that their memory is used again.
	Key, Value []byte
	// Time is the record's timestamp in Kafka; zero, as after Get, is the time of Send. A caller that knows the time saves the sink
	// from asking the clock for each record.
	Time time.Time

	next *Item // in the free list, the waiting line or the returned stack: an Item is in one of them at a time
	lane *lane
	cost int64  // bytes charged to the memory budget at Send
	seq  uint64 // order of arrival; 0 until the item waits or is with the client

	// For the client. done is made once per Item, since a closure per record would be an allocation per record.
	rec  kgo.Record
	done func(*kgo.Record, error)
	err  error // what done was told
}

const (
	// An Item costs its own size and what the client keeps for each record: an entry in a batch and its share of the request.
	itemOverhead = int64(unsafe.Sizeof(Item{})) + 64

	minValue     = 128       // room of a new Item's value, at least
	keepCapacity = 64 << 10  // longer buffers are not kept for reuse
	keepFree     = 256 << 20 // nor is more than this in all; idle memory goes back sooner (Kafka.trim)
)

// newItem makes an item for a value as long as size.
func newItem(size int) *Item {
	return &Item{Key: make([]byte, 0, 48), Value: make([]byte, 0, max(size, minValue))}
}

// charge computes what the item costs while the sink has it.
func (it *Item) charge() int64 {
	it.cost = int64(cap(it.Key)) + int64(cap(it.Value)) + itemOverhead
	return it.cost
}

// freeList keeps items for reuse. Its owner guards it.
type freeList struct {
	head  *Item
	n     int
	value int // 16 times the mean length of the last values, for the size of new items
	idle  int // the lowest n since the last trim: what nobody needed
	bytes int64
}

func (f *freeList) get() *Item {
	it := f.head
	if it == nil {
		return nil
	}
	f.head, it.next = it.next, nil
	f.n--
	f.idle = min(f.idle, f.n)
	f.bytes -= it.cost
	f.fetch()
	return it
}

// fetch asks for the memory of the items that come next: the value of the first, which will be written, and the item behind it, which
// says where its value is. They were last used thousands of records ago.
func (f *freeList) fetch() {
	next := f.head
	if next == nil {
		return
	}
	prefetch.Lines(unsafe.Pointer(unsafe.SliceData(next.Value)), min(cap(next.Value), f.mean())/prefetch.LineSize+1)
	if next.next != nil {
		prefetch.Lines(unsafe.Pointer(next.next), itemLines)
	}
}

const itemLines = int(unsafe.Sizeof(Item{})+prefetch.LineSize-1) / prefetch.LineSize

func (f *freeList) put(it *Item) {
	if cap(it.Value) > keepCapacity || cap(it.Key) > keepCapacity || f.bytes+it.cost > keepFree {
		return
	}
	it.Key, it.Value, it.Time, it.err, it.seq = it.Key[:0], it.Value[:0], time.Time{}, nil, 0
	it.next, f.head = f.head, it
	f.n++
	f.bytes += it.cost
}

// saw takes the length of a value into account for new items.
func (f *freeList) saw(value int) { f.value += value - f.value/16 }

// fresh is how long the value of a new item should be: most of the last ones would have fit without growing.
func (f *freeList) fresh() int { return f.mean() * 5 / 4 }

func (f *freeList) mean() int { return f.value / 16 }

// trim gives the items to the garbage collector that were not needed since the last call.
func (f *freeList) trim() {
	for range f.idle {
		f.get()
	}
	f.idle = f.n
}

// line is a queue of items. Its owner guards it.
type line struct {
	head, tail *Item
	n          int
	bytes      int64
}

func (l *line) push(it *Item) {
	it.next = nil
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
	l.n++
	l.bytes += it.cost
}

func (l *line) pop() *Item {
	it := l.head
	if it == nil {
		return nil
	}
	if l.head = it.next; l.head == nil {
		l.tail = nil
	}
	it.next = nil
	l.n--
	l.bytes -= it.cost
	return it
}

// stack hands finished items from the client's goroutine to whoever holds the sink's lock: any goroutine may push, takeAll takes all.
type stack struct{ head atomic.Pointer[Item] }

func (s *stack) push(it *Item) {
	for {
		it.next = s.head.Load()
		if s.head.CompareAndSwap(it.next, it) {
			return
		}
	}
}

// takeAll returns the items pushed since the last call, the newest first, linked by next.
func (s *stack) takeAll() *Item {
	if s.head.Load() == nil {
		return nil
	}
	return s.head.Swap(nil)
}
