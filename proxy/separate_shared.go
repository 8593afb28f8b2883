package proxy

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxShared is the size of an answer from which on it is not shared, in bytes: it is held in memory meanwhile.
const maxShared = 256 << 10

// serveShared answers reads of manifests, which many clients ask for at once, without a question to the registry for each
// of them. It reports whether it did.
func (s *Separate) serveShared(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.ContentLength != 0 || len(r.Header["Upgrade"]) > 0 {
		return false
	}
	if q, err := parsePath(r.URL.Path); err != nil || q.Kind != KindManifest {
		return false
	}
	a := s.shared.get(questionOf(r), r)
	switch {
	case a.err != nil:
		err := a.err
		if r.Context().Err() == nil {
			err = s.unanswered(err)
		}
		s.errors.WriteRegistry(w, r, err) // also to who closed half of the connection: no answer would be an empty 200
		return true
	case a.status == 0:
		return false
	}
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // a client that hung up needs no answer
	}
	return true
}

// questionOf returns what the registry's answer may depend on: everything that is asked, except for what says who asks from
// where. The token is part of it: the registry goes on checking each.
func questionOf(r *http.Request) string {
	names := make([]string, 0, 16)
	for name := range r.Header {
		switch name {
		case "User-Agent", "X-Forwarded-For", "X-Request-Id", "Traceparent", "Tracestate":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.Grow(2048)
	part := func(s string) { // with its length, so that no two questions look alike
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	part(r.Method)
	part(r.Host)
	part(r.URL.Path)
	part(r.URL.RawQuery)
	for _, name := range names {
		part(name)
		part(strconv.Itoa(len(r.Header[name])))
		for _, value := range r.Header[name] {
			part(value)
		}
	}
	return b.String()
}

// putQuestion sends a question to the registry and reads the answer. What is long is nothing to share. A refusal is: a registry
// that has too much to do must not be asked by each once more.
func (s *Separate) putQuestion(r *http.Request) answer {
	resp, err := s.roundTrip(s.question(r))
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	var body []byte
	if r.Method != http.MethodHead {
		if resp.ContentLength > maxShared || len(resp.Trailer) > 0 {
			return answer{}
		}
		if body, err = readUpTo(resp.Body, resp.ContentLength); err != nil {
			return answer{err: err}
		}
		if len(body) > maxShared {
			return answer{}
		}
	}
	if err := s.answer(resp); err != nil {
		return answer{err: err}
	}
	dropHops(resp.Header)
	if r.Method != http.MethodHead && resp.StatusCode != http.StatusNotModified && resp.StatusCode != http.StatusNoContent {
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}
}

// readUpTo reads a body of the length, -1 for an unknown one, and of one that is too long a byte too many.
func readUpTo(r io.Reader, length int64) ([]byte, error) {
	if length >= 0 && length <= maxShared {
		body := make([]byte, length)
		_, err := io.ReadFull(r, body)
		if errors.Is(err, io.EOF) && length > 0 {
			err = io.ErrUnexpectedEOF
		}
		return body, err
	}
	return io.ReadAll(io.LimitReader(r, maxShared+1))
}

// question addresses a request to the registry, without what concerns the connection that it came by.
func (s *Separate) question(r *http.Request) *http.Request {
	u := *r.URL
	u.Scheme, u.Host = s.base.Scheme, s.base.Host
	out := (&http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: r.Header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(r.Context())
	dropHops(out.Header)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = []string{""} // or the transport puts in one of its own
	}
	return out
}

// dropHops removes headers that are about one connection (RFC 9110, section 7.6.1).
func dropHops(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		delete(h, name)
	}
}
