package record

import (
	"fmt"
	"math"
	"strconv"
	"testing"
)

func TestDecimal(t *testing.T) {
	check := func(v uint64) {
		t.Helper()
		if got, want := string(appendDecimal([]byte("x"), v)), "x"+strconv.FormatUint(v, 10); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for power := uint64(1); ; power *= 10 {
		for _, v := range []uint64{power - 1, power, power + 1, 2*power - 1} {
			check(v)
		}
		if power > math.MaxUint64/10 {
			break
		}
	}
	check(math.MaxUint64)
	r := newRandom(2)
	for range 100_000 {
		check(r.Uint64() >> r.IntN(64))
	}
}

// TestFourDigits goes through all that the multiplications of eightDigits have to divide.
func TestFourDigits(t *testing.T) {
	for v := range uint64(10_000) {
		for _, w := range []uint64{v, v * 10_000, v*10_000 + 9_999 - v} {
			if got, want := string(appendDecimal(nil, w)), strconv.FormatUint(w, 10); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
	var b [2]byte
	for v := range uint32(100) {
		putPair(b[:], v)
		if want := fmt.Sprintf("%02d", v); string(b[:]) != want {
			t.Errorf("got %s, want %s", b, want)
		}
	}
}
