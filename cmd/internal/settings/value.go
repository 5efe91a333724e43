package settings

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// kind says how a value is written as text.
type kind uint8

const (
	kindText kind = iota
	kindNumber
	kindSize
	kindDuration
	kindSwitch
	kindList
	kindElements
)

// parse sets v from text. Its errors say what text would do.
func (k kind) parse(v reflect.Value, text string) error {
	switch k {
	case kindNumber:
		return parseNumber(v, text)
	case kindSize:
		return parseSize(v, text)
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration, write it like 500ms, 10s or 5m", text)
		}
		v.SetInt(int64(d))
	case kindSwitch:
		on, err := parseSwitch(text)
		if err != nil {
			return err
		}
		v.SetBool(on)
	case kindList:
		v.Set(reflect.ValueOf(splitList(text)))
	case kindElements:
		return parseElements(v, text)
	default:
		v.SetString(text)
	}
	return nil
}

// format writes v as parse reads it.
func (k kind) format(v reflect.Value) string {
	switch k {
	case kindNumber:
		return strconv.FormatInt(v.Int(), 10)
	case kindSize:
		return formatSize(v.Int())
	case kindDuration:
		return formatDuration(time.Duration(v.Int()))
	case kindSwitch:
		if v.Bool() {
			return "on"
		}
		return "off"
	case kindList:
		return strings.Join(v.Interface().([]string), ",")
	case kindElements:
		return formatElements(v)
	default:
		return v.String()
	}
}

func parseNumber(v reflect.Value, text string) error {
	n, err := strconv.ParseInt(text, 10, v.Type().Bits())
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s is out of range", text)
	case err != nil:
		return fmt.Errorf("%q is not a whole number", text)
	}
	v.SetInt(n)
	return nil
}

// units of sizes, larger first, so that a size is written in the largest that divides it.
var units = [...]struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseSize(v reflect.Value, text string) error {
	number, scale := text, int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, scale = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a size, write it like 65536, 512KiB, 64MiB or 2GiB", text)
	}
	bytes := n * scale
	if bytes/scale != n || v.OverflowInt(bytes) {
		return fmt.Errorf("%s is out of range", text)
	}
	v.SetInt(bytes)
	return nil
}

func formatSize(n int64) string {
	for _, u := range units {
		if u.bytes > 1 && n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// formatDuration leaves out the zero minutes and seconds that time.Duration writes.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", text)
}

func splitList(text string) []string {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
