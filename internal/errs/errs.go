// Package errs owns the one error type that crosses package borders: what went wrong, said so that it may be
// shown, and what to do about it. It does not write HTTP answers (internal/httpx does).
package errs

import (
	"errors"
	"fmt"
	"time"
)

// Kind sorts errors by what the caller can do about them. Each dialect (registry, OAuth 2.0, REST) renders a Kind
// in its own words.
type Kind uint8

// The kinds. The zero value is Internal, so that an error nobody classified is never blamed on the caller.
const (
	Internal        Kind = iota // our fault: 500
	Invalid                     // the request can't be understood: 400
	Unauthenticated             // who is asking could not be established: 401
	Denied                      // who is asking may not do this: 403
	NotFound                    // what is asked for does not exist or is not visible: 404
	Conflict                    // what is to be made exists already: 409
	Precondition                // a rule stands in the way: 412
	TooMany                     // ask again later, less often: 429
	Unavailable                 // something we depend on is down: 503
	Unsupported                 // this server does not do it (yet): 501
)

// String returns the kind's name as logs and tests show it.
func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "unauthenticated", "denied", "not found", "conflict", "precondition", "too many", "unavailable", "unsupported"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error that may reach a person. Message and Hint may be shown to whoever asked; Err goes to the log only.
type Error struct {
	Kind    Kind
	Code    string        // a dialect's own code, where the Kind's default is too coarse (for example "invalid_scope")
	Message string        // what is wrong, without capital or full stop
	Hint    string        // what to do about it
	After   time.Duration // for TooMany and Unavailable: when to ask again; 0 lets the renderer choose
	Err     error         // the cause, never shown
}

// Error returns message, hint and cause in one line, for logs and the command line.
func (e *Error) Error() string {
	s := e.Message
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Public returns what may be shown: message and hint, without the cause.
func (e *Error) Public() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

// New returns an error of the kind with a formatted message. A cause is added by Because, never by the message.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e with a remedy.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCode returns a copy of e with a dialect's own code.
func (e *Error) WithCode(code string) *Error {
	c := *e
	c.Code = code
	return &c
}

// Because returns a copy of e with a cause that is logged and never shown.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// KindOf returns the kind of the first Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether the first Error in err's chain is of the kind.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// As returns the first Error in err's chain, or err wrapped as an Internal one whose message gives nothing away.
func As(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Message: "internal error", Hint: "the server's log has the cause", Err: err}
}
