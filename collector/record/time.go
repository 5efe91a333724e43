package record

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	nanosPerSecond = 1_000_000_000
	secondsPerDay  = 86_400
)

// dateCache writes times and remembers the dates of the last few days: export and flow times are of today, routes are
// often older.
type dateCache struct {
	days [16]cachedDate // by day modulo 16
}

type cachedDate struct {
	day  int64  // since 1970-01-01
	text uint64 // "2006-01-"
	rest uint32 // "02T" and a zero
}

func (d *cachedDate) set(day int64) {
	var b [12]byte
	time.Unix(day*secondsPerDay, 0).UTC().AppendFormat(b[:0], "2006-01-02T")
	d.day, d.text, d.rest = day, binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint32(b[8:])
}

func newDateCache() dateCache {
	var c dateCache
	for i := range c.days {
		c.days[i].day = math.MinInt64
	}
	return c
}

// append writes Unix nanoseconds as RFC 3339 in UTC with nine digits of fraction and the closing quote; the key has
// the opening one. All of int64 lies between the years 1677 and 2262.
func (c *dateCache) append(dst []byte, k *key, nanos int64) []byte {
	seconds := floorDiv(nanos, nanosPerSecond)
	day := floorDiv(seconds, secondsPerDay)
	date := &c.days[day&int64(len(c.days)-1)]
	if date.day != day {
		date.set(day)
	}
	b, n := k.open(dst)
	t := b[n : n+32]
	binary.LittleEndian.PutUint64(t, date.text)
	binary.LittleEndian.PutUint32(t[8:], date.rest)
	second := uint32(seconds - day*secondsPerDay)
	putPair(t[11:], second/3600)
	t[13] = ':'
	putPair(t[14:], second/60%60)
	t[16] = ':'
	putPair(t[17:], second%60)
	t[19] = '.'
	fraction := uint32(nanos - seconds*nanosPerSecond)
	t[20] = '0' + byte(fraction/100_000_000)
	binary.LittleEndian.PutUint64(t[21:], eightDigits(fraction%100_000_000)|asciiZeros)
	t[29], t[30] = 'Z', '"'
	return b[:n+31]
}

// floorDiv divides and rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
