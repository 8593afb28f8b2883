package httpx

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// Origin is where clients reach this server: what a realm and a Location start with.
type Origin struct {
	Scheme string // "http" or "https"
	Host   string // host[:port], lower case, without the scheme's default port
}

// String returns scheme://host[:port].
func (o Origin) String() string { return o.Scheme + "://" + o.Host }

// Origins is the list of external URLs under which this server may be reached. A request's Host header chooses among
// them and never adds one, so that no client can put its own host into another's realm or Location.
type Origins struct {
	list    []Origin
	trusted TrustedProxies
}

// NewOrigins reads external_urls. The first one is used for requests that name none of them. Each fault is an
// [errs.Invalid] error that quotes the URL.
func NewOrigins(urls []string, trusted TrustedProxies) (Origins, error) {
	if len(urls) == 0 {
		return Origins{}, errs.New(errs.Invalid, "no external URL").WithHint("name at least one, such as https://registry.example.com")
	}
	o := Origins{trusted: trusted}
	for _, raw := range urls {
		origin, err := parseOrigin(raw)
		if err != nil {
			return Origins{}, err
		}
		o.list = append(o.list, origin)
	}
	return o, nil
}

func parseOrigin(raw string) (Origin, error) {
	u, err := url.Parse(raw)
	bad := errs.New(errs.Invalid, "external URL %q is not scheme://host[:port]", raw).WithHint("write it like https://registry.example.com or http://localhost:8080")
	if err != nil {
		return Origin{}, bad.Because(err)
	}
	// Registries live at the root of a host: docker can't be told a path.
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return Origin{}, bad
	}
	return Origin{Scheme: u.Scheme, Host: normalHost(u.Host, u.Scheme)}, nil
}

// First returns the origin for texts that answer no request.
func (o Origins) First() Origin { return o.list[0] }

// List returns all origins, the first one first.
func (o Origins) List() []Origin { return append([]Origin(nil), o.list...) }

// Of returns the origin that the client of r reached: the one in the list that has the request's host and scheme (as
// told by a trusted proxy, if one is in between), else the one with its host, else the first. The second rule serves
// those whose proxy ends TLS and says nothing: the operator's list knows the scheme better than the connection does.
func (o Origins) Of(r *http.Request) Origin {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	host := r.Host
	if len(o.trusted) > 0 && o.trusted.sent(r) {
		if s := lastElement(r.Header["X-Forwarded-Proto"]); s == "http" || s == "https" {
			scheme = s
		}
		for h := range elementsFromRight(r.Header["X-Forwarded-Host"]) {
			if i := o.find(scheme, h); i >= 0 {
				return o.list[i]
			}
		}
	}
	if i := o.find(scheme, host); i >= 0 {
		return o.list[i]
	}
	return o.list[0]
}

// Secure returns where a client that asked for the host over plain HTTP finds it over TLS: the entry with https that has the
// host's name, at whichever port, or else the first one with https. Without any, ok is false.
func (o Origins) Secure(host string) (origin Origin, ok bool) {
	name := (&url.URL{Host: host}).Hostname()
	for _, e := range o.list {
		if e.Scheme != "https" {
			continue
		}
		if strings.EqualFold((&url.URL{Host: e.Host}).Hostname(), name) {
			return e, true
		}
		if !ok {
			origin, ok = e, true
		}
	}
	return origin, ok
}

// Redirect sends everybody who comes over plain HTTP to the same path over TLS. What stands in a request's Host chooses among the
// server's own names and is never repeated. A client keeps its method, but for those old ones that know no 308 and only look.
func (o Origins) Redirect(w http.ResponseWriter, r *http.Request) {
	to, ok := o.Secure(r.Host)
	if !ok {
		http.NotFound(w, r)
		return
	}
	target := r.URL.EscapedPath()
	if !strings.HasPrefix(target, "/") {
		target = "/" // OPTIONS *
	}
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	w.Header().Set("Location", to.String()+target)
	w.WriteHeader(status)
}

// Know reports whether the request names a host of the list, itself or as a trusted proxy tells it. A trusted proxy may
// call this server what it likes: it was told where it is.
func (o Origins) Know(r *http.Request) bool {
	return o.find("", r.Host) >= 0 || len(o.trusted) > 0 && o.trusted.sent(r)
}

// find returns the index of the entry with this host, preferring the one that has the scheme too, or -1.
func (o Origins) find(scheme, host string) int {
	found := -1
	for i, e := range o.list {
		if !sameHost(e, host) {
			continue
		}
		if e.Scheme == scheme {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

func sameHost(e Origin, host string) bool {
	return strings.EqualFold(e.Host, host) || strings.EqualFold(e.Host, normalHost(host, e.Scheme))
}

// normalHost drops the scheme's default port and folds case.
func normalHost(host, scheme string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.ToLower(strings.TrimSuffix(host, port))
}

// FromOwnPage reports whether a request may come from a page of this server, by what browsers say about it (Fetch
// Metadata; RFC 6454 section 7). Programs send neither header, and are let through.
func (o Origins) FromOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == o.Of(r).Host
}
