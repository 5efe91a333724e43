package rib

import (
	"reflect"
	"testing"
)

// TestStatsAdd checks that no counter is forgotten.
func TestStatsAdd(t *testing.T) {
	var one, sum Stats
	v := reflect.ValueOf(&one).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i + 1))
	}
	sum.Add(&one)
	sum.Add(&one)
	for i := range v.NumField() {
		if got := reflect.ValueOf(sum).Field(i).Uint(); got != uint64(2*i+2) {
			t.Errorf("%s: got %d", v.Type().Field(i).Name, got)
		}
	}
}
