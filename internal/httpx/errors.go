package httpx

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// Errors writes errors to clients in the dialect of the end-point they called. Causes go to Log and never to the
// client; what the client sees is the error's message and hint.
type Errors struct {
	Log *slog.Logger // required
}

// errorEntry is one entry of the errors list that registries, Harbor's API and Docker's token servers share.
type errorEntry struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail"`
}

type errorList struct {
	Errors []errorEntry `json:"errors"`
}

// Status returns the HTTP status for an error: by its Kind, except for codes whose status a specification fixes.
func Status(err error) int {
	e := errs.As(err)
	if e.Code == "UNSUPPORTED" && e.Kind == errs.Invalid {
		return http.StatusMethodNotAllowed // OCI distribution specification, "Error Codes"
	}
	switch e.Kind {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.Denied:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Precondition:
		return http.StatusPreconditionFailed
	case errs.TooMany:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	case errs.Unsupported:
		return http.StatusNotImplemented
	case errs.Internal:
	}
	return http.StatusInternalServerError
}

// prepare logs the error's cause and returns what may be shown.
func (x Errors) prepare(w http.ResponseWriter, r *http.Request, err error) (e *errs.Error, status int, message string) {
	e = errs.As(err)
	if e.Kind == errs.Internal && r.Context().Err() != nil {
		// Whatever the request waited for was given up. A client that has only closed its own half of the connection still reads,
		// and may ask again.
		e = errs.New(errs.Unavailable, "the connection ended before there was an answer").WithHint("try again, and keep the connection open until the answer").Because(err)
	}
	status = Status(e)
	message = e.Public()
	if status >= http.StatusInternalServerError {
		if id := RequestID(w); id != "" {
			message += " (request " + id + ")"
		}
	}
	x.log(w, r, e, status)
	return e, status, message
}

// log keeps what the client is not shown. A fault of ours is an error; a cause behind a refusal is for whoever debugs.
func (x Errors) log(w http.ResponseWriter, r *http.Request, e *errs.Error, status int) {
	level := slog.LevelDebug
	switch {
	case r.Context().Err() != nil: // the client hung up: nobody's fault
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case e.Err == nil:
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", RequestID(w)), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.String("message", e.Message),
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	x.Log.LogAttrs(r.Context(), level, "request failed", attrs...)
}

// Times to wait that are told when the error names none: short for a door that is full, longer for one that is shut.
const (
	defaultAfterTooMany     = time.Second
	defaultAfterUnavailable = 5 * time.Second
)

// retryAfter sets Retry-After (RFC 9110 section 10.2.3) where it helps, in whole seconds rounded up.
func retryAfter(h http.Header, e *errs.Error) {
	after := e.After
	switch {
	case e.Kind != errs.TooMany && e.Kind != errs.Unavailable:
		return
	case after <= 0 && e.Kind == errs.TooMany:
		after = defaultAfterTooMany
	case after <= 0:
		after = defaultAfterUnavailable
	}
	seconds := int64((after + time.Second - 1) / time.Second)
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
}

// writeJSON sends the body, or for HEAD the headers that it would have.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // strings only: can't happen, and an empty answer would be worse than a plain one
		b = []byte(`{"errors":[{"code":"UNKNOWN","message":"internal error","detail":null}]}`)
	}
	b = append(b, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Encoding")
	h.Del("Etag")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // the client is gone if this fails: nobody is left to tell
	}
}

// upperCode returns the error's own code if it is written as registries and Harbor write theirs, else the fallback:
// codes of another dialect ("invalid_scope") are never mixed in.
func upperCode(e *errs.Error, fallback string) string {
	if e.Code == "" || strings.ContainsFunc(e.Code, func(c rune) bool { return c != '_' && (c < 'A' || c > 'Z') }) {
		return fallback
	}
	return e.Code
}
