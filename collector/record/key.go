package record

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Fields are many and short, so that what costs is not to convert a value but to call memmove for its name. Each field
// is therefore written by one function that makes sure of enough room once, copies the name as four words whatever its
// length, and writes the value behind it.

// maxKey is the longest name with its punctuation.
const maxKey = 32

// fieldRoom holds a name and any value of bounded length: the longest is an IPv6 prefix, 45 octets with its quotes.
const fieldRoom = maxKey + 56

// key is a field's name with the punctuation around it.
type key struct {
	words [maxKey / 8]uint64
	size  int
}

// numberKey is the key of a number, an array or an object, or of a string that is written with its quotes.
func numberKey(name string) key { return newKey(`,"` + name + `":`) }

// textKey is the key of a string that is written without its opening quote.
func textKey(name string) key { return newKey(`,"` + name + `":"`) }

func newKey(text string) key {
	if len(text) > maxKey {
		panic("record: key too long: " + text)
	}
	var b [maxKey]byte
	k := key{size: copy(b[:], text)}
	for i := range k.words {
		k.words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return k
}

// open makes room for a field and writes its key. The field's value goes to b[n:], and what is returned to the caller
// is b cut to the value's end.
func (k *key) open(dst []byte) (b []byte, n int) {
	n = len(dst)
	if cap(dst)-n < fieldRoom {
		dst = slices.Grow(dst, fieldRoom)
	}
	b = dst[:n+fieldRoom]
	return b, k.put(b, n)
}

// put writes the key at b[n:], where there is room for maxKey octets, and returns its end.
func (k *key) put(b []byte, n int) int {
	to := b[n : n+maxKey]
	binary.LittleEndian.PutUint64(to, k.words[0])
	binary.LittleEndian.PutUint64(to[8:], k.words[1])
	binary.LittleEndian.PutUint64(to[16:], k.words[2])
	binary.LittleEndian.PutUint64(to[24:], k.words[3])
	return n + k.size
}

// begins reports whether text begins with the key.
func (k *key) begins(text []byte) bool {
	var b [maxKey]byte
	return bytes.HasPrefix(text, b[:k.put(b[:], 0)])
}

// append writes the key alone, for values of any length.
func (k *key) append(dst []byte) []byte {
	b, n := k.open(dst)
	return b[:n]
}
