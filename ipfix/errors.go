package ipfix

import "errors"

// Errors of decoding. A Session counts what it returns; a message with an error may have given records before it.
var (
	// ErrShort says that a message ends before its header or its own length does.
	ErrShort = errors.New("message too short")
	// ErrVersion says that a message is neither IPFIX nor NetFlow v9.
	ErrVersion = errors.New("unsupported version")
	// ErrSet says that a set's length does not fit its message; the sets behind it are lost.
	ErrSet = errors.New("bad set length")
	// ErrTemplate says that a template record does not fit its set, or describes records of no length.
	ErrTemplate = errors.New("bad template")
	// ErrRecord says that a data record's variable-length field does not fit its set.
	ErrRecord = errors.New("bad record")
	// ErrQuota says that a device reached a limit of its Config.
	ErrQuota = errors.New("quota reached")
)
