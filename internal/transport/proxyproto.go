package transport

import (
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// ProxyProtocol is for load balancers that say at the start of a connection, in the PROXY protocol (versions 1 and 2), whose it
// is. Those that are trusted have to say it; from anybody else it is no request that the server understands.
type ProxyProtocol struct {
	Trusted func(netip.Addr) bool
	Timeout time.Duration // how long they may take to say it
}

// Listener wraps a listener. The word is read when a connection's address is first asked for, and not by Accept.
func (p ProxyProtocol) Listener(l net.Listener) net.Listener {
	return &proxyproto.Listener{
		Listener:          l,
		ReadHeaderTimeout: p.Timeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if from, ok := addressOf(o.Upstream); ok && p.Trusted(from) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

func addressOf(a net.Addr) (netip.Addr, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	return addr, addr.IsValid()
}
