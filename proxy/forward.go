package proxy

import (
	"context"
	"net/http"
	"strings"

	"github.com/sealock/sealock/internal/httpx"
)

// outbound returns the request as the upstream gets it: the same, except for what a client must not be able to say.
// Stock registries build Location from Host and X-Forwarded-Proto, and believe Forwarded above both (protocol.md 5).
func (g *Gate) outbound(ctx context.Context, v *visit) (*http.Request, error) {
	out := new(http.Request)
	*out = *v.r
	out.Form, out.PostForm, out.MultipartForm = nil, nil, nil // what was parsed before may hold a mount
	out.Header = v.r.Header.Clone()
	for name := range out.Header {
		// Connection names headers that the next hop must drop: a client could let its token be one of them.
		if name == "Connection" || name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			delete(out.Header, name)
		}
	}
	if v.moved {
		u := *v.r.URL
		u.Path = v.Path()
		out.URL, out.RequestURI = &u, u.RequestURI()
	}
	out.Host = v.origin.Host
	out.Header.Set("X-Forwarded-Proto", v.origin.Scheme)
	out.Header.Set("X-Forwarded-For", g.Trusted.ClientIP(v.r))
	out.Header.Set(httpx.RequestIDHeader, httpx.RequestID(v.w))
	if !v.to.Upstream.TakesTokens() {
		out.Header.Del("Authorization")
	}
	if v.Kind == KindUploads || v.Kind == KindUpload {
		v.plainBody(out)
	}
	if v.Kind == KindManifest && v.r.URL.RawQuery != "" {
		// Newer registries tag what is pushed by digest so, past the rules about tags. One without it tells the client that
		// no tag was made, and the client pushes the tag by itself.
		dropParameters(out, "tag")
	}
	return out, g.mint(ctx, v, out)
}

// plainBody makes sure that the body of an upload is a blob and nothing else, and that a mount that the gate did not
// admit is gone. A stock registry reads mount, from and digest with FormValue, which looks into a form in the body
// before it looks at the query: a client could mount there what the gate never saw.
func (v *visit) plainBody(out *http.Request) {
	if len(out.Header["Content-Type"]) > 0 {
		out.Header.Set("Content-Type", "application/octet-stream")
	}
	if v.Kind == KindUploads && v.From == "" && v.r.URL.RawQuery != "" {
		dropParameters(out, "mount", "from")
	}
	if v.Kind == KindUpload && strings.Contains(v.r.URL.RawQuery, passParameter) {
		dropParameters(out, passParameter)
	}
}

func dropParameters(out *http.Request, names ...string) {
	u := *out.URL
	u.RawQuery = without(u.RawQuery, names...)
	out.URL, out.RequestURI = &u, u.RequestURI()
}
