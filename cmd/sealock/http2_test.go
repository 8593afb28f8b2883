package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/proxy"
)

// openSecureDoorway is openDoorway over TLS, as serve puts it together.
func openSecureDoorway(t *testing.T, separate bool) (*doorway, *tls.Config) {
	t.Helper()
	d, l, server := newDoorway(t, "https", separate)
	root, err := pki.NewRoot("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	own := &selfSigned{root: root, name: "test", urls: []string{"https://" + d.addr}, now: time.Now}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: own.certificate}
	serveUntilEnd(t, server, transport.TLS(l, server.TLSConfig, 10*time.Second, func(_ net.Addr, err error) { t.Log(err) }))
	trust := x509.NewCertPool()
	trust.AddCert(root.Certificate)
	return d, &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
}

// speech is a connection on which HTTP/2 is spoken as no honest client would.
type speech struct {
	*tls.Conn
	frames *http2.Framer
	next   uint32 // stream
}

func (d *doorway) converse(t *testing.T, trust *tls.Config) *speech {
	t.Helper()
	c, err := (&tls.Dialer{Config: trust}).DialContext(t.Context(), "tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	secure, ok := c.(*tls.Conn)
	if !ok {
		t.Fatalf("a connection is %T", c)
	}
	_ = secure.SetDeadline(time.Now().Add(30 * time.Second))
	s := &speech{Conn: secure, frames: http2.NewFramer(secure, secure), next: 1}
	s.frames.AllowIllegalWrites = true
	s.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err = io.WriteString(secure, http2.ClientPreface); err == nil {
		err = s.frames.WriteSettings()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// field is a header, or with a colon what stands in the request line of HTTP/1.1.
type field struct{ name, value string }

// ask sends a request and returns the status of its answer, or what ended instead: the stream or the whole connection.
func (s *speech) ask(fields []field, body string) (status string, over bool) {
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, f := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: f.name, Value: f.value, Sensitive: true}) // a buffer takes everything
	}
	stream := s.next
	s.next += 2
	for first := true; first || head.Len() > 0; first = false {
		part, err := head.Next(16<<10), error(nil)
		if last := head.Len() == 0; first {
			err = s.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: part, EndHeaders: last, EndStream: body == ""})
		} else {
			err = s.frames.WriteContinuation(stream, last, part)
		}
		if err != nil {
			return "connection ended", true
		}
	}
	if body != "" {
		_ = s.frames.WriteData(stream, true, []byte(body)) // the answer shows
	}
	return s.answer(stream)
}

func (s *speech) answer(stream uint32) (status string, over bool) {
	for {
		frame, err := s.frames.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "kept waiting", true
		case err != nil && status == "":
			return "connection ended", true
		case err != nil:
			return status, true
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = s.frames.WriteSettingsAck() // the answer shows
			}
			continue
		case *http2.GoAwayFrame:
			if status == "" {
				status = "connection ended"
			}
			return status, true
		case *http2.MetaHeadersFrame:
			if f.StreamID == stream {
				status = f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream && status == "" {
				status = "stream ended"
			}
		}
		head := frame.Header()
		if ended := head.Type == http2.FrameRSTStream || head.Flags.Has(http2.FlagHeadersEndStream); head.StreamID == stream && ended {
			return status, false
		}
	}
}

// line is what every request begins with.
func (d *doorway) line(method, path string, more ...field) []field {
	return append([]field{{":method", method}, {":scheme", "https"}, {":authority", d.addr}, {":path", path}, {"authorization", "Bearer " + d.token}}, more...)
}

// tricksOfHTTP2 are requests that two readers could read in two ways, and those that become two when they are sent on in HTTP/1.1.
func tricksOfHTTP2() map[string]func(d *doorway, method, path string) (fields []field, body string) {
	all := map[string]func(d *doorway, method, path string) ([]field, string){}
	lines := func(name, body string, more ...field) {
		all[name] = func(d *doorway, method, path string) ([]field, string) { return d.line(method, path, more...), body }
	}
	length := func(v string) field { return field{"content-length", v} }
	lines("two lengths", "hello", length("5"), length("0"))
	lines("the same length twice", "hello", length("5"), length("5"))
	lines("a list of lengths", "hello", length("5, 0"))
	lines("a signed length", "hello", length("+5"))
	lines("a negative length", "hello", length("-5"))
	lines("a length in hex", "hello", length("0x5"))
	lines("an empty length", "hello", length(""))
	lines("a length of no body", "", length("5"))
	lines("chunks", "0\r\n\r\n", field{"transfer-encoding", "chunked"})
	lines("an encoding of its own", "", field{"te", "gzip"})
	lines("a header for the connection", "", field{"connection", "authorization"})
	lines("an upgrade", "", field{"upgrade", "h2c"})
	lines("a header in capitals", "", field{"Content-Length", "0"})
	lines("a newline in a header", "", field{"x-a", "b\r\ncontent-length: 5"})
	lines("a newline in a name", "", field{"x-a: b\r\nx-c", "d"})
	lines("a NUL", "", field{"x-a", "a\x00b"})
	lines("a blank in a name", "", field{"x a", "b"})
	lines("a colon in a name", "", field{"x:a", "b"})
	lines("a header without a name", "", field{"", "b"})
	lines("two tokens", "", field{"authorization", "Bearer x"})
	lines("another host", "", field{"host", "evil.example"})
	lines("two paths", "", field{":path", "/v2/"})
	lines("two hosts in the request line", "", field{":authority", "evil.example"})
	lines("an unknown part of the request line", "", field{":x", "y"})
	lines("another protocol", "", field{":protocol", "websocket"})
	lines("a large header", "", field{"x-a", strings.Repeat("a", 128<<10)})
	host := func(name, host string) {
		all[name] = func(d *doorway, method, path string) ([]field, string) {
			fields := d.line(method, path)
			fields[2].value = host
			return fields, ""
		}
	}
	host("a host that is not listed", "evil.example")
	host("a host with a path", "127.0.0.1/x")
	host("a host with a user", "x@127.0.0.1")
	host("no host", "")
	for name, change := range spellings() {
		all[name] = func(d *doorway, method, path string) ([]field, string) { return d.line(method, change(path)), "" }
	}
	all["a path in two lines"] = func(d *doorway, method, path string) ([]field, string) {
		return d.line(method, path+" HTTP/1.1\r\nX-A: b"), ""
	}
	all["a method in two lines"] = func(d *doorway, method, path string) ([]field, string) {
		return d.line(method+" /v2/ HTTP/1.1\r\nX-A: b", path), ""
	}
	return all
}

// TestTricksOverHTTP2 is TestTricksAreRefused for HTTP/2, whose requests reach a separate registry in HTTP/1.1. Without its trick each
// request is let through.
func TestTricksOverHTTP2(t *testing.T) {
	for _, separate := range []bool{false, true} {
		t.Run(fmt.Sprintf("separate=%v", separate), func(t *testing.T) {
			d, trust := openSecureDoorway(t, separate)
			s := d.converse(t, trust)
			defer func() { _ = s.Close() }()
			ask := func(fields []field, body string) string {
				t.Helper()
				status, over := s.ask(fields, body)
				if over {
					_ = s.Close()
					s = d.converse(t, trust)
				}
				return status
			}
			for _, route := range proxy.Routes() {
				for method := range strings.SplitSeq(route.Allow, ", ") {
					honest := ask(d.line(method, target(route), field{"content-length", "2"}, field{"x-forwarded-host", "evil.example"}), "{}")
					if heard := d.take(); slices.Contains([]proxy.Kind{proxy.KindBase, proxy.KindCatalog, proxy.KindReferrers}, route.Kind) {
						if strings.HasPrefix(honest, "4") { // the stub has no catalog
							t.Errorf("%s %s = %s, want it let through", method, route.Path, honest)
						}
					} else if want := method + " " + target(route); len(heard) != 1 || heard[0] != want {
						t.Errorf("%s %s = %s reached the registry as %q, want %q", method, route.Path, honest, heard, want)
					}
					for name, trick := range tricksOfHTTP2() {
						status := ask(trick(d, method, target(route)))
						if !strings.HasPrefix(status, "4") && status != "stream ended" && status != "connection ended" {
							t.Errorf("%s: %s %s = %s, want it refused", name, method, route.Path, status)
						}
						if heard := d.take(); len(heard) > 0 {
							t.Errorf("%s: %s %s reached the registry as %q, want nothing to", name, method, route.Path, heard)
						}
					}
				}
			}
		})
	}
}
