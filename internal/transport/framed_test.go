package transport_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/internal/transport"
)

// spoken is a connection on which a client says everything at once, and then waits for the server to hang up.
type spoken struct {
	mu     sync.Mutex
	in     io.Reader
	cut    int // so many bytes come with each Read
	out    bytes.Buffer
	closed chan struct{}
	once   sync.Once
}

func speak(text string, cut int) *spoken {
	return &spoken{in: strings.NewReader(text), cut: cut, closed: make(chan struct{})}
}

func (s *spoken) Read(p []byte) (int, error) { return s.in.Read(p[:min(len(p), s.cut)]) }
func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *spoken) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *spoken) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *spoken) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *spoken) SetDeadline(time.Time) error      { return nil }
func (s *spoken) SetReadDeadline(time.Time) error  { return nil }
func (s *spoken) SetWriteDeadline(time.Time) error { return nil }

// one is a listener with one connection.
type one struct {
	c    chan net.Conn
	once *sync.Once
}

func (l one) Accept() (net.Conn, error) {
	c, ok := <-l.c
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l one) Close() error   { l.once.Do(func() { close(l.c) }); return nil }
func (l one) Addr() net.Addr { return &net.TCPAddr{} }

// served is a request as net/http sees it.
type served struct {
	line    string
	chunked bool
	length  int64
	body    string
	whole   bool
}

// serve lets net/http answer what is said, through wrap.
func serveOne(text string, cut int, wrap func(net.Listener) net.Listener) (all []served, answer string) {
	c := speak(text, cut)
	l := one{make(chan net.Conn, 1), &sync.Once{}}
	l.c <- c
	var mu sync.Mutex
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), MaxHeaderBytes: 64 << 10, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, served{r.Method + " " + r.RequestURI, slices.Equal(r.TransferEncoding, []string{"chunked"}), r.ContentLength, string(b), err == nil})
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(wrap(l)) }() // until it is closed
	<-c.closed
	_ = l.Close()
	<-done
	mu.Lock()
	defer mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return all, c.out.String()
}

func plain(l net.Listener) net.Listener { return l }

// honest and twofold are what connections say.
func honest() []string {
	const head = " / HTTP/1.1\r\nHost: x\r\n"
	return []string{
		"GET" + head + "\r\n",
		"GET" + head + "\r\nGET" + head + "\r\n",
		"POST" + head + "Content-Length: 5\r\n\r\nhelloGET" + head + "\r\n",
		"POST" + head + "Content-Length: 5\r\n\r\nhello\r\n\r\nGET" + head + "\r\n",
		"POST" + head + "content-length:5 \r\nX-A: b\r\n\r\nhelloGET" + head + "\r\n",
		"POST" + head + "Content-Length: 0\r\n\r\nGET" + head + "\r\n",
		"POST" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET" + head + "\r\n",
		"POST" + head + "Transfer-Encoding: Chunked\r\n\r\nA;x=y\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nGET" + head + "\r\n",
		"POST" + head + "X-A: a\r\n b\r\nTransfer-Encoding:chunked\r\n\r\n00005 \r\nhello\r\n0\r\n\r\n",
		"POST" + head + "X-Content-Length: 7\r\nContent-Lengthy: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET" + head + "\r\n",
		"POST" + head + "Transfer-Encoding: chunked\r\nX-A: Content-Length: 5\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.0\nHost: x\nConnection: keep-alive\nContent-Length: 5\n\nhello",
		"POST" + head + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
		"GET" + head + "Content-Length: 5\r\n\r\nhello",
	}
}

func twofold() []string {
	const rest = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	var all []string
	for _, lines := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "content-LENGTH:5\nX-A: b\ntransfer-ENCODING:chunked\n",
		"Content-Length: 5\r\nContent-Length: 5\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Content-Length:\r\n 5\r\n", "Content-Length: 5\r\n \r\n",
		"Transfer-Encoding:\r\n chunked\r\n", "Transfer-Encoding: chunked\r\n\t\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked:x\r\n", "Content-Length: 5\r\nTransfer-Encoding: x:chunked\r\n",
		"Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding:\r\n", "Content-Length:\r\n", "Content-Length: -5\r\n", "Content-Length: 5 5\r\n",
		"Content-Length: 9999999999999999999\r\n", "Content-Length: 5\rX\r\n",
	} {
		all = append(all, "POST / HTTP/1.1\r\nHost: x\r\n"+lines+"\r\n"+rest)
	}
	return append(all, "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+rest)
}

func TestHonestRequestsAreLetThrough(t *testing.T) {
	for _, text := range honest() {
		for _, cut := range []int{1, 3, 4096} {
			want, _ := serveOne(text, cut, plain)
			if got, answer := serveOne(text, cut, transport.Framed); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("Framed of %q in pieces of %d = %v (%q), want %v", text, cut, got, answer, want)
			}
		}
	}
}

func TestTwoLengthsAreRefused(t *testing.T) {
	for _, text := range twofold() {
		for _, cut := range []int{1, 3, 17, 4096} {
			got, answer := serveOne(text, cut, transport.Framed)
			if len(got) > 0 || !strings.HasPrefix(answer, "HTTP/1.1 400 ") && !strings.HasPrefix(answer, "HTTP/1.1 501 ") || strings.Count(answer, "HTTP/1.1") != 1 {
				t.Errorf("Framed of %q in pieces of %d = %v, %q, want 400 and nothing else", text, cut, got, answer)
			}
		}
	}
}

// FuzzFramed holds what is let through to what net/http makes of it: no request has two lengths, and what is seen is what
// would be seen without a look, up to where it ends.
func FuzzFramed(f *testing.F) {
	for _, text := range append(honest(), twofold()...) {
		f.Add([]byte(text), 7)
		f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"+text), 4096)
	}
	for _, text := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(text), 4096)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if cut < 1 || len(text) > 1<<14 {
			return
		}
		got, _ := serveOne(string(text), cut, transport.Framed)
		want, _ := serveOne(string(text), cut, plain)
		if len(got) > len(want) {
			t.Fatalf("Framed of %q = %v, want no more than %v", text, got, want)
		}
		for i, g := range got {
			w := want[i]
			if g.line != w.line || g.chunked != w.chunked || g.length != w.length || g.whole && (!w.whole || g.body != w.body) || !g.whole && i < len(got)-1 {
				t.Errorf("Framed of %q: request %d is %v, want %v", text, i, g, w)
			}
			if n := declared(text, i, got); n > 1 {
				t.Errorf("Framed of %q: request %d tells its length %d times", text, i, n)
			}
		}
	})
}

// declared counts how often the head of a request tells its length. It knows where the head is by the requests before it.
func declared(text []byte, i int, all []served) int {
	rest := string(text)
	for k := 0; k <= i; k++ {
		at := strings.Index(rest, all[k].line)
		if at < 0 {
			return 0
		}
		rest = rest[at+len(all[k].line):]
	}
	head := rest
	for _, end := range []string{"\n\n", "\n\r\n"} {
		if n := strings.Index(head, end); n >= 0 {
			head = head[:n+1]
		}
	}
	n := 0
	for line := range strings.SplitSeq(head, "\n") {
		name, _, ok := strings.Cut(line, ":")
		if ok && (strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding")) {
			n++
		}
	}
	return n
}

// TestFramedTLS asks over TLS: in HTTP/1.1 two lengths are refused as over plain HTTP, HTTP/2 is there, and requests know of the TLS.
func TestFramedTLS(t *testing.T) {
	root, err := pki.NewRoot("test", time.Now(), time.Hour)
	must(t, err)
	key, err := pki.NewECKey()
	must(t, err)
	leaf, err := root.Certify(key.Public(), x509.Certificate{Subject: pkix.Name{CommonName: "x"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, time.Now(), time.Hour)
	must(t, err)
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}}
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	large := filepath.Join(t.TempDir(), "large")
	must(t, os.WriteFile(large, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	server := &http.Server{TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", fmt.Sprint(r.Proto, " ", r.TLS != nil))
		_, _ = io.Copy(io.Discard, r.Body)
		http.ServeFile(w, r, large)
	})}
	complaints := make(chan error, 10)
	done := make(chan error, 1)
	go func() {
		done <- server.Serve(transport.TLS(inner, config, time.Second, func(_ net.Addr, err error) { complaints <- err }))
	}()
	trust := x509.NewCertPool()
	trust.AddCert(root.Certificate)
	addr := inner.Addr().String()

	for _, two := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: two, TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}}
		want := map[bool]string{false: "HTTP/1.1 true", true: "HTTP/2.0 true"}[two]
		for range 3 {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/", io.MultiReader(strings.NewReader("chunks")))
			must(t, err)
			resp, err := client.Do(req)
			must(t, err)
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || len(body) != 1<<20 || resp.Header.Get("X-Seen") != want {
				t.Errorf("a request = %d bytes, %v, %q, want %q", len(body), err, resp.Header.Get("X-Seen"), want)
			}
		}
		client.CloseIdleConnections()
	}
	for _, text := range twofold() {
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", addr)
		must(t, err)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = io.WriteString(c, text)
		must(t, err)
		answer, _ := io.ReadAll(c) // a connection that is closed so may be reset
		if s := string(answer); !strings.HasPrefix(s, "HTTP/1.1 400 ") && !strings.HasPrefix(s, "HTTP/1.1 501 ") || strings.Count(s, "HTTP/1.1") != 1 {
			t.Errorf("over TLS, %q = %q, want 400 and nothing else", text, s)
		}
		_ = c.Close()
	}

	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	defer silent.Close()
	if err := <-complaints; err == nil {
		t.Error("a client that says nothing is no complaint")
	}
	another, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	defer another.Close()
	must(t, server.Close())
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve() = %v, want that it was closed", err)
	}
	_ = another.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := another.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a handshake under way when the server closes: %v, want it cut", err)
	}
}
