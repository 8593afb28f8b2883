package httpx

import (
	"net/http"
	"slices"

	"github.com/sealock/sealock/internal/errs"
)

// APIVersionHeader tells clients that a registry of API v2 answers; docker gives up on a 401 without it.
const (
	APIVersionHeader = "Docker-Distribution-Api-Version"
	APIVersion       = "registry/2.0"
)

// WriteRegistry answers an end-point under /v2/ (OCI distribution specification, "Error Codes"). A 401 needs a
// WWW-Authenticate header, which only the caller can know: it sets the header before.
func (x Errors) WriteRegistry(w http.ResponseWriter, r *http.Request, err error) {
	e, status, message := x.prepare(w, r, err)
	w.Header().Set(APIVersionHeader, APIVersion)
	retryAfter(w.Header(), e)
	writeJSON(w, r, status, errorList{[]errorEntry{{Code: registryCode(e), Message: message}}})
}

func registryCode(e *errs.Error) string {
	switch e.Kind {
	case errs.Invalid:
		return upperCode(e, "NAME_INVALID")
	case errs.Unauthenticated:
		return upperCode(e, "UNAUTHORIZED")
	case errs.Denied, errs.Precondition, errs.Conflict:
		return upperCode(e, "DENIED")
	case errs.NotFound:
		return upperCode(e, "NAME_UNKNOWN")
	case errs.TooMany:
		return upperCode(e, "TOOMANYREQUESTS")
	case errs.Unavailable:
		return upperCode(e, "UNAVAILABLE")
	case errs.Unsupported:
		return upperCode(e, "UNSUPPORTED")
	case errs.Internal:
	}
	return upperCode(e, "UNKNOWN")
}

// tokenError is the body of the token end-point: Docker's list for clients that show it (all do) and the members of
// RFC 6749 section 5.2 for those that read them, in one object.
type tokenError struct {
	errorList
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// WriteToken answers the token end-point. A 401 asks for Basic credentials.
func (x Errors) WriteToken(w http.ResponseWriter, r *http.Request, err error) {
	e, status, message := x.prepare(w, r, err)
	h := w.Header()
	h.Set("Cache-Control", "no-store") // RFC 6749 section 5.1
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Basic realm="sealock"`)
	}
	retryAfter(h, e)
	writeJSON(w, r, status, tokenError{
		errorList:   errorList{[]errorEntry{{Code: tokenListCode(e), Message: message}}},
		Error:       oauthCode(e),
		Description: message,
	})
}

// tokenListCode is the code in Docker's list. A request that can't be read is not about a name here.
func tokenListCode(e *errs.Error) string {
	switch e.Kind {
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Precondition:
		return upperCode(e, "UNSUPPORTED")
	case errs.Internal, errs.Unauthenticated, errs.Denied, errs.TooMany, errs.Unavailable, errs.Unsupported:
	}
	return registryCode(e)
}

// oauthCode returns the code of RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 8693 section 2.2.2 or RFC 8628
// section 3.5 that an error carries itself, or else the one for its kind.
func oauthCode(e *errs.Error) string {
	known := []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "unsupported_token_type", "invalid_target",
		"authorization_pending", "slow_down", "access_denied", "expired_token",
	}
	if slices.Contains(known, e.Code) {
		return e.Code
	}
	switch e.Kind {
	case errs.Unauthenticated:
		return "invalid_grant"
	case errs.Denied, errs.Precondition:
		return "access_denied"
	case errs.TooMany, errs.Unavailable:
		return "temporarily_unavailable"
	case errs.Internal:
		return "server_error"
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Unsupported:
	}
	return "invalid_request"
}

// WriteAPI answers the REST API with Harbor's list of errors and Harbor's codes.
func (x Errors) WriteAPI(w http.ResponseWriter, r *http.Request, err error) {
	e, status, message := x.prepare(w, r, err)
	retryAfter(w.Header(), e)
	writeJSON(w, r, status, errorList{[]errorEntry{{Code: apiCode(e), Message: message}}})
}

func apiCode(e *errs.Error) string {
	switch e.Kind {
	case errs.Invalid:
		return upperCode(e, "BAD_REQUEST")
	case errs.Unauthenticated:
		return upperCode(e, "UNAUTHORIZED")
	case errs.Denied:
		return upperCode(e, "FORBIDDEN")
	case errs.NotFound:
		return upperCode(e, "NOT_FOUND")
	case errs.Conflict:
		return upperCode(e, "CONFLICT")
	case errs.Precondition:
		return upperCode(e, "PRECONDITION")
	case errs.TooMany:
		return upperCode(e, "TOOMANYREQUESTS")
	case errs.Unavailable:
		return upperCode(e, "UNAVAILABLE")
	case errs.Unsupported:
		return upperCode(e, "NOT_IMPLEMENTED")
	case errs.Internal:
	}
	return upperCode(e, "UNKNOWN")
}
