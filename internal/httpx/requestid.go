package httpx

import (
	"encoding/hex"
	"io"
	"net/http"
)

// RequestIDHeader carries the id under which the log and the audit trail know a request.
const RequestIDHeader = "X-Request-Id"

// RequestIDs gives every answer a fresh id before next runs. What a client sends under that name is not believed: it
// could make one request's lines in the log look like another's. Random must be safe for concurrent use.
func RequestIDs(random io.Reader, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		if _, err := io.ReadFull(random, b[:]); err == nil {
			w.Header().Set(RequestIDHeader, hex.EncodeToString(b[:]))
		}
		next.ServeHTTP(w, r)
	})
}

// RequestID returns the id that RequestIDs gave to the request that w answers; "" if it has none.
func RequestID(w http.ResponseWriter) string { return w.Header().Get(RequestIDHeader) }
