package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// mostHops is how many redirects are followed from one to the next.
const mostHops = 3

// roundTrip sends a client's request to the registry. Where it sends clients elsewhere, which is for blobs alone, they are let
// go there, or sealock fetches it.
func (s *Separate) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.addresses.RoundTrip(req)
	if err != nil || resp.StatusCode < http.StatusMultipleChoices || resp.StatusCode >= http.StatusBadRequest || resp.StatusCode == http.StatusNotModified {
		return resp, err
	}
	q, err := parsePath(req.URL.Path)
	if err != nil || q.Kind != KindBlob || req.Method != http.MethodGet && req.Method != http.MethodHead || !redirects(resp.StatusCode) {
		discard(resp)
		return nil, s.errRedirect(fmt.Errorf("%s %s is answered with %s", req.Method, req.URL.Path, resp.Status))
	}
	if s.follows {
		return s.follow(req, resp)
	}
	to, err := s.redirectTarget(req, resp)
	if err != nil {
		discard(resp)
		return nil, err
	}
	if to != resp.Header.Get("Location") {
		resp.Header.Set("Location", to)
	}
	return resp, nil
}

func redirects(status int) bool {
	return status == http.StatusFound || status == http.StatusTemporaryRedirect
}

// redirectTarget returns where the registry sends a client: the text untouched, if it is an absolute URL that gives nothing
// away. Something relative is at the registry itself.
func (s *Separate) redirectTarget(req *http.Request, resp *http.Response) (string, error) {
	text := resp.Header.Get("Location")
	to, err := resp.Location()
	if err != nil {
		return "", s.errRedirect(err)
	}
	if u, err := url.Parse(text); err != nil || !u.IsAbs() { // a signed URL stays as it was signed
		text = to.String()
	}
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	to, err = url.Parse(text) // what clients will read
	switch {
	case err != nil, len(resp.Header["Location"]) != 1, to.Scheme != "http" && to.Scheme != "https", to.Host == "":
		return "", s.errRedirect(errors.New("the Location is no URL"))
	case token != "" && (strings.Contains(text, token) || strings.Contains(to.String(), token)):
		return "", s.errRedirect(errors.New("the Location holds the token"))
	}
	return text, nil
}

func (s *Separate) errRedirect(cause error) error {
	e := errs.New(errs.Unavailable, "the registry behind sealock sends its clients where they can't be sent")
	if s.name != "" {
		e = errs.New(errs.Unavailable, "the registry %q behind sealock sends its clients where they can't be sent", s.name)
	}
	return e.WithHint("its administrator checks its storage settings; the log has the cause").Because(cause)
}

// follow fetches what the registry has elsewhere. The answer is the registry's as far as a client can see. The token stays
// here: it is the registry's.
func (s *Separate) follow(req *http.Request, resp *http.Response) (*http.Response, error) {
	q, err := parsePath(req.URL.Path)
	if err != nil {
		discard(resp)
		return nil, s.errRedirect(err)
	}
	origin := resp.Request
	for range mostHops {
		to, err := resp.Location()
		discard(resp)
		if err != nil {
			return nil, s.errRedirect(err)
		}
		if resp, err = s.fetch(req, to, resp.Request.URL); err != nil {
			return nil, err
		}
		switch resp.StatusCode {
		case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
			resp.Header, resp.Request = storedHeader(resp, q.Reference), origin
			return resp, nil
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			continue
		}
		discard(resp)
		if resp.StatusCode == http.StatusNotFound {
			return nil, errs.New(errs.NotFound, "the registry's storage has no %s", q.Reference).WithHint("push it again").WithCode("BLOB_UNKNOWN")
		}
		return nil, s.errRedirect(fmt.Errorf("%s answers %s", to.Host, resp.Status))
	}
	discard(resp)
	return nil, s.errRedirect(errors.New("it goes from one place to the next"))
}

// fetch asks where blobs are kept. A signature in the URL is all that is needed there, and it may be for one method.
func (s *Separate) fetch(from *http.Request, to, before *url.URL) (*http.Response, error) {
	switch {
	case to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil:
		return nil, s.errRedirect(errors.New("the Location is no URL that can be followed"))
	case before.Scheme == "https" && to.Scheme == "http" && !s.storage.listed(to.Hostname()):
		return nil, s.errRedirect(fmt.Errorf("%s is not encrypted, and the registry is", to.Host))
	}
	req, err := http.NewRequestWithContext(from.Context(), from.Method, to.String(), http.NoBody) //nolint:gosec // where it leads is looked at when it is dialled
	if err != nil {
		return nil, s.errRedirect(err)
	}
	req.Header.Set("User-Agent", InsideAgent)
	if ranges := from.Header["Range"]; len(ranges) == 1 {
		req.Header["Range"] = ranges
	}
	resp, err := s.storage.transport.RoundTrip(req)
	if e, refused := errors.AsType[*errForbidden](err); refused {
		return nil, s.errRedirect(e)
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable, "the storage of the registry behind sealock does not answer").WithHint("try again in a moment").Because(err)
	}
	return resp, nil
}

// storedHeader returns the header of a blob as a registry gives it. What else the storage says is not for clients: on this
// origin, a type that browsers run or a cookie would be sealock's.
func storedHeader(resp *http.Response, digest string) http.Header {
	h := http.Header{"Content-Type": {"application/octet-stream"}}
	for _, name := range []string{"Content-Length", "Content-Range", "Accept-Ranges", "Last-Modified"} {
		if v, ok := resp.Header[name]; ok {
			h[name] = v
		}
	}
	if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		h.Set(digestHeader, digest)
		h.Set("Etag", `"`+digest+`"`)
	}
	return h
}

// storage is where a registry sends its clients for blobs. Who can make a registry send somebody somewhere must not reach
// through sealock what only sealock reaches: this machine, and what clouds tell their machines.
type storage struct {
	transport *http.Transport
	registry  []*address
	hosts     []string       // that may be followed to in any case
	networks  []netip.Prefix // the same
}

// errForbidden is an address that is not followed to.
type errForbidden struct{ addr netip.Addr }

func (e *errForbidden) Error() string {
	return fmt.Sprintf("%s is an address that is not followed to unless storage_hosts lists it", e.addr)
}

func newStorage(registry []*address, listed []string) (*storage, error) {
	s := &storage{transport: newTransport(nil), registry: registry} // the system's certificates count there
	for _, text := range listed {
		if p, err := netip.ParsePrefix(text); err == nil {
			s.networks = append(s.networks, p.Masked())
			continue
		}
		if strings.ContainsAny(text, "/ ") || text == "" {
			return nil, errs.New(errs.Invalid, "storage host %q is no host, address or network", text).WithHint("write it like minio.internal or 10.0.0.0/8")
		}
		if a, err := netip.ParseAddr(text); err == nil {
			s.networks = append(s.networks, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		s.hosts = append(s.hosts, strings.ToLower(text))
	}
	s.transport.DialContext = s.dial
	return s, nil
}

// dial connects to a host, if its address is one that may be followed to. What a name stands for is looked at when it is
// connected to: not before, when it may stand for something else.
func (s *storage) dial(ctx context.Context, network, at string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialPatient, KeepAlive: 30 * time.Second}
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.hosts, strings.ToLower(host)) {
		dialer.ControlContext = func(ctx context.Context, _, to string, _ syscall.RawConn) error { return s.admit(ctx, to) }
	}
	return dialer.DialContext(ctx, network, at)
}

// listed reports whether a host is one that may be followed to in any case.
func (s *storage) listed(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return s.inNetworks(a.Unmap())
	}
	return slices.Contains(s.hosts, strings.ToLower(host))
}

func (s *storage) inNetworks(a netip.Addr) bool {
	return slices.ContainsFunc(s.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (s *storage) admit(ctx context.Context, to string) error {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	a := at.Addr().Unmap().WithZone("")
	if !confined(a) || s.inNetworks(a) || s.registryIsAt(ctx, a) {
		return nil
	}
	return &errForbidden{a}
}

// confined reports whether an address means something else on each machine, or is where a cloud tells its machines secrets.
func confined(a netip.Addr) bool {
	if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return true
	}
	switch a.String() {
	case "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192": // 169.254.169.254 is link-local
		return true
	}
	if inner, ok := translated(a); ok {
		return confined(inner)
	}
	return a.Is4() && a.As4()[0] == 0
}

// translated returns the IPv4 address that an IPv6 one stands for: NAT64 (64:ff9b::/96) or 6to4 (2002::/16).
func translated(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case !a.Is6():
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
		return netip.AddrFrom4([4]byte(b[12:])), true
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// registryIsAt reports whether the registry itself is at such an address; a registry on this machine may keep blobs on it.
func (s *storage) registryIsAt(ctx context.Context, a netip.Addr) bool {
	for _, r := range s.registry {
		at, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.base.Hostname())
		if err != nil {
			continue
		}
		for _, own := range at {
			if own = own.Unmap().WithZone(""); own == a || own.IsLoopback() && a.IsLoopback() {
				return true
			}
		}
	}
	return false
}
