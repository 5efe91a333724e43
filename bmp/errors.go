package bmp

import "errors"

// Errors of this package.
var (
	// ErrFraming reports that a byte stream is not, or no longer, a sequence of BMP messages. The session must end.
	ErrFraming = errors.New("broken bmp framing")
	// ErrShort reports a message whose parts do not fit into it. The session goes on with the next message.
	ErrShort = errors.New("bmp message too short for its contents")
	// ErrPDU reports a BGP message inside BMP that is missing or of the wrong type. The session goes on.
	ErrPDU = errors.New("unexpected bgp message in bmp message")
)
