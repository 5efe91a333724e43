package bgp

import "errors"

// Errors of this package. An error of DecodeUpdate or DecodeOpen concerns one message, never the session.
var (
	// ErrMessage reports something that is not the BGP message it should be: marker, type or length are wrong.
	ErrMessage = errors.New("not a bgp message of the expected type")
	// ErrUpdate reports an UPDATE whose routes cannot be told apart (RFC 7606 would reset the session): none is used.
	ErrUpdate = errors.New("malformed bgp update")
	// ErrOpen reports an OPEN that is cut or inconsistent.
	ErrOpen = errors.New("malformed bgp open")
	// ErrNLRI reports routes that do not add up to their field's length.
	ErrNLRI = errors.New("malformed nlri")
	// ErrAttribute reports a path attribute that cannot be decoded.
	ErrAttribute = errors.New("malformed path attribute")
)

// Outcome says what RFC 7606 made of an UPDATE. The values are ordered by severity.
type Outcome uint8

// The outcomes of an UPDATE.
const (
	OutcomeOK            Outcome = iota
	OutcomeDiscard               // an attribute was left out, the routes stand
	OutcomeTreatWithdraw         // announced routes are given as withdrawn
	OutcomeFamilyError           // the routes of MP_REACH_NLRI or MP_UNREACH_NLRI are lost, the rest stands
	OutcomeMalformed             // nothing of the message is used
)

// String gives the name used in logs and metrics.
func (o Outcome) String() string {
	return [...]string{"ok", "attribute-discard", "treat-as-withdraw", "family-error", "malformed"}[min(o, OutcomeMalformed)]
}
