package transport_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/transport"
)

// quick is a pace at which a test can wait for the end: 50 bytes in each half second.
var quick = transport.Pace{Stall: 500 * time.Millisecond, Rate: 100}

// pacedServer starts a server that holds both directions to the pace.
func pacedServer(t *testing.T, p transport.Pace, h http.Handler, http2 bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(p.Answers(p.Bodies(h)))
	s.Listener = p.Listener(s.Listener)
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// upload sends a body in parts with pauses and returns the status, or why there is none.
func upload(t *testing.T, s *httptest.Server, parts int, part string, pause time.Duration) (status int, err error) {
	t.Helper()
	body, w := io.Pipe()
	go func() {
		for range parts {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
			time.Sleep(pause)
		}
		_ = w.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	_ = body.CloseWithError(io.ErrClosedPipe)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// A body may take as long as it likes as a whole, but not stand still or trickle.
func TestBodiesKeepThePace(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})
	for _, http2 := range []bool{false, true} {
		s := pacedServer(t, quick, read, http2)
		t.Run(fmt.Sprintf("slow and steady, http2=%v", http2), func(t *testing.T) {
			t.Parallel()
			if status, err := upload(t, s, 15, strings.Repeat("x", 60), 100*time.Millisecond); status != http.StatusOK {
				t.Errorf("a body of three times the stall at 600 bytes/s = %d, %v, want 200", status, err)
			}
		})
		t.Run(fmt.Sprintf("trickling, http2=%v", http2), func(t *testing.T) {
			t.Parallel()
			if status, _ := upload(t, s, 100, "x", 100*time.Millisecond); status == http.StatusOK {
				t.Errorf("a body at 10 bytes/s = %d, want it cut off", status)
			}
		})
		t.Run(fmt.Sprintf("standing still, http2=%v", http2), func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			if status, _ := upload(t, s, 1, strings.Repeat("x", 10_000), 20*time.Second); status == http.StatusOK {
				t.Errorf("a body that stops = %d, want it cut off", status)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("a body that stops was waited for %s, want about %s", took, quick.Stall)
			}
		})
	}
}

// A server that keeps the client waiting can't blame the client for it.
func TestTheServersOwnTimeDoesNotCount(t *testing.T) {
	s := pacedServer(t, quick, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			time.Sleep(2 * quick.Stall)
			if _, err := io.ReadFull(r.Body, make([]byte, 10)); err != nil {
				if !errors.Is(err, io.EOF) {
					w.WriteHeader(http.StatusRequestTimeout)
				}
				break
			}
		}
		time.Sleep(2 * quick.Stall) // with the body at its end
		if err := r.Context().Err(); err != nil {
			t.Errorf("a request that is being answered ended: %v", err)
		}
	}), false)
	if status, err := upload(t, s, 2, strings.Repeat("x", 10), 0); status != http.StatusOK {
		t.Errorf("a body that is read slowly = %d, %v, want 200", status, err)
	}
}

// A client that announces a body and sends none is not waited for after it was refused.
func TestRefusedBodyIsNotWaitedFor(t *testing.T) {
	s := pacedServer(t, quick, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}), false)
	c := dial(t, s.Listener.Addr().String())
	defer c.Close()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection of a refused client that sends nothing is open after 15 s, want it closed")
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A client that reads its answer slowly gets all of it, also a file that the kernel sends; one that reads nothing is cut off.
func TestAnswersKeepThePace(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // more than the kernel keeps for a connection
	name := filepath.Join(t.TempDir(), "blob")
	write(t, name, content)
	ended := make(chan error, 1)
	s := pacedServer(t, quick, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int64
		var err error
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.URL.Path == "/file" {
			f, openErr := os.Open(name)
			if openErr != nil {
				t.Error(openErr)
				return
			}
			defer f.Close()
			n, err = io.CopyN(w, f, int64(len(content)))
		} else {
			n, err = io.Copy(w, bytes.NewReader(content))
		}
		if err == nil && n != int64(len(content)) {
			err = io.ErrShortWrite
		}
		ended <- err
	}), false)
	get := func(path string) (net.Conn, *http.Response) {
		c := dial(t, s.Listener.Addr().String())
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(64 << 10) // the smaller, the sooner the server has to wait
		}
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c, resp
	}
	for _, path := range []string{"/file", "/memory"} {
		c, resp := get(path) //nolint:bodyclose // the connection is closed
		sum := sha256.New()
		for { // some 13 MB a second, with pauses: it takes a few times the stall
			n, err := io.CopyN(sum, resp.Body, 4<<20)
			if err != nil || n == 0 {
				break
			}
			time.Sleep(300 * time.Millisecond)
		}
		if got, want := sum.Sum(nil), sha256.Sum256(content); !bytes.Equal(got, want[:]) {
			t.Errorf("%s read slowly is another content", path)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s read slowly = %v, want all of it sent", path, err)
		}
		_ = c.Close()

		c, _ = get(path) //nolint:bodyclose // the connection is closed
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s not read at all = %v, want a deadline that passed", path, err)
			}
		case <-time.After(15 * time.Second):
			t.Errorf("%s not read at all is still being sent after 15 s", path)
		}
		_ = c.Close()
	}
}

// On a connection with several streams, one that takes nothing is ended, and the others go on.
func TestStreamThatTakesNothing(t *testing.T) {
	ended := make(chan error, 1)
	s := pacedServer(t, quick, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/large" {
			return
		}
		_, err := io.Copy(w, io.LimitReader(zeros{}, 64<<20))
		ended <- err
	}), true)
	get := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := get("/large")
	defer resp.Body.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("an answer that nobody takes was sent, want it ended")
		}
	case <-time.After(15 * time.Second):
		t.Fatal("an answer that nobody takes is still being sent after 15 s")
	}
	other := get("/small")
	_ = other.Body.Close()
	if other.StatusCode != http.StatusOK || other.ProtoMajor != 2 {
		t.Errorf("another request on the connection = %s %s, want 200 over HTTP/2", other.Proto, other.Status)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
