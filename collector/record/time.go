package record

import (
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
	day  int64    // since 1970-01-01
	text [11]byte // "2006-01-02T"
}

func newDateCache() dateCache {
	var c dateCache
	for i := range c.days {
		c.days[i].day = math.MinInt64
	}
	return c
}

// append writes Unix nanoseconds as RFC 3339 in UTC with nine digits of fraction and the closing quote; key ends with
// the opening one. All of int64 lies between the years 1677 and 2262.
func (c *dateCache) append(dst []byte, key string, nanos int64) []byte {
	seconds := floorDiv(nanos, nanosPerSecond)
	day := floorDiv(seconds, secondsPerDay)
	date := &c.days[day&int64(len(c.days)-1)]
	if date.day != day {
		date.day = day
		time.Unix(day*secondsPerDay, 0).UTC().AppendFormat(date.text[:0], "2006-01-02T")
	}
	dst = append(dst, key...)
	n := len(dst)
	dst = append(dst, `2006-01-02T15:04:05.000000000Z"`...)
	t := dst[n : n+31]
	copy(t, date.text[:])
	ofDay := uint32(seconds - day*secondsPerDay)
	putPair(t[11:13], ofDay/3600)
	putPair(t[14:16], ofDay/60%60)
	putPair(t[17:19], ofDay%60)
	fraction := uint32(nanos - seconds*nanosPerSecond)
	if fraction == 0 {
		return dst
	}
	t[20] = '0' + byte(fraction/100_000_000)
	high, low := fraction/10_000%10_000, fraction%10_000
	putPair(t[21:23], high/100)
	putPair(t[23:25], high%100)
	putPair(t[25:27], low/100)
	putPair(t[27:29], low%100)
	return dst
}

// putPair writes v, which is below 100, as two digits.
func putPair(b []byte, v uint32) {
	_ = b[1]
	b[0], b[1] = '0'+byte(v/10), '0'+byte(v%10)
}

// floorDiv divides and rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
