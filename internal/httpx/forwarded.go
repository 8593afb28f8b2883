package httpx

import (
	"iter"
	"net/http"
	"net/netip"
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// TrustedProxies are the addresses of the proxies in front of this server. X-Forwarded-For, -Proto and -Host are
// believed from them only; the header Forwarded is believed from nobody, because proxies that set X-Forwarded-* pass on
// what a client wrote there.
type TrustedProxies []netip.Prefix

// ParseTrustedProxies reads addresses and prefixes such as "10.0.0.0/8" or "::1". Each fault is an [errs.Invalid] error.
func ParseTrustedProxies(list []string) (TrustedProxies, error) {
	var t TrustedProxies
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if addr, addrErr := netip.ParseAddr(s); addrErr == nil {
			p, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, errs.New(errs.Invalid, "trusted proxy %q is neither an address nor a prefix", s).WithHint("write it like 10.0.0.0/8 or 127.0.0.1").Because(err)
		}
		t = append(t, p.Masked())
	}
	return t, nil
}

// ClientIP returns the address that the request comes from: the peer's own, or, as long as the peer is a trusted proxy,
// the next one from the right in X-Forwarded-For. What stands further left was written by a stranger.
func (t TrustedProxies) ClientIP(r *http.Request) string {
	addr, ok := peer(r)
	if !ok {
		return r.RemoteAddr
	}
	if !t.Contains(addr) {
		return addr.String()
	}
	for s := range elementsFromRight(r.Header["X-Forwarded-For"]) {
		next, ok := parseHop(s)
		if !ok {
			break
		}
		addr = next
		if !t.Contains(addr) {
			break
		}
	}
	return addr.String()
}

// sent reports whether the request's peer is a trusted proxy.
func (t TrustedProxies) sent(r *http.Request) bool {
	addr, ok := peer(r)
	return ok && t.Contains(addr)
}

// Contains reports whether the address is one of theirs.
func (t TrustedProxies) Contains(addr netip.Addr) bool {
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func peer(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	return ap.Addr().Unmap().WithZone(""), true
}

// parseHop reads an element of X-Forwarded-For: an address, with a port as some load balancers write it.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// elementsFromRight yields the elements of a list header, last first: what the nearest proxy added comes first.
func elementsFromRight(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(lines) - 1; i >= 0; i-- {
			rest, more := lines[i], true
			for more {
				var s string
				if j := strings.LastIndexByte(rest, ','); j >= 0 {
					rest, s = rest[:j], rest[j+1:]
				} else {
					s, more = rest, false
				}
				if s = strings.TrimSpace(s); s != "" && !yield(s) {
					return
				}
			}
		}
	}
}

func lastElement(lines []string) string {
	for s := range elementsFromRight(lines) {
		return strings.ToLower(s)
	}
	return ""
}
