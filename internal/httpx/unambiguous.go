package httpx

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// Unambiguous refuses requests that two readers could read in two ways, where net/http refuses them in HTTP/1.1 and lets them
// through in HTTP/2: those that tell another length than their body has, or tell it twice, and those that name two hosts or none. A
// registry behind this server gets them in HTTP/1.1.
func (x Errors) Unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := ambiguous(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/v2"):
			x.WriteRegistry(w, r, err)
		default:
			x.WriteAPI(w, r, err)
		}
	})
}

func ambiguous(r *http.Request) error {
	if r.ProtoMajor < 2 {
		return nil
	}
	if told := r.Header["Content-Length"]; len(told) > 1 || len(told) == 1 && told[0] != strconv.FormatInt(r.ContentLength, 10) {
		return errs.New(errs.Invalid, "the request's length can be read in two ways").WithHint("send one content-length, as long as the body is")
	}
	if named := r.Header["Host"]; r.Host == "" || len(named) > 1 || len(named) == 1 && !strings.EqualFold(named[0], r.Host) {
		return errs.New(errs.Invalid, "the request does not name one host").WithHint("send :authority, and no other host")
	}
	return nil
}
