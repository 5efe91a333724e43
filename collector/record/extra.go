package record

import "github.com/telcol/telcol/ipfix"

// appendExtra writes the elements of a data record that have no field of their own as the object "extra", or nothing
// when there are none. Names and values are as package ipfix writes them.
func appendExtra(dst []byte, r *ipfix.Record) []byte {
	groups := r.Extra()
	if len(groups) == 0 {
		return dst
	}
	return r.AppendObject(keyExtra.append(dst), groups)
}
