package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/transport"
	"github.com/sealock/sealock/settings"
)

// openEntrance serves on an address of its own. end tells the server to stop and waits until it has.
func openEntrance(t *testing.T, drain settings.Drain, handler http.HandlerFunc) (addr string, handOver, end func()) {
	t.Helper()
	socket, err := transport.Listen(t.Context(), "127.0.0.1:0", 0, &transport.Legacy{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := settings.Default()
	cfg.Drain = drain
	e := newEntrance(socket, newHTTPServer(handler, nil, cfg.Limits, quiet()), cfg, nil)
	ctx, cancel := context.WithCancel(context.Background())
	handedOver, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- e.serve(ctx, handedOver) }()
	return socket.Addr().String(), func() { close(handedOver) }, func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve() = %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("serve() has not ended 30 s after it was told to")
		}
	}
}

func get(t *testing.T, client *http.Client, addr string) (resp *http.Response, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	if resp, err = client.Do(req); err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // it was read
	}
	return resp, err
}

// A client that keeps a connection gets its answer on it after another process has taken over, and the word to open another one.
func TestKeptConnectionsAreTurnedOver(t *testing.T) {
	addr, handOver, end := openEntrance(t, settings.Drain{Stop: time.Second, Restart: time.Second}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
	defer end()
	client := &http.Client{Transport: &http.Transport{}}
	if resp, err := get(t, client, addr); err != nil || resp.Close { //nolint:bodyclose // get closes it
		t.Fatalf("a request before = %v, %v, want the connection kept", resp, err)
	}
	handOver()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close() // that it was taken is enough
		if time.Now().After(deadline) {
			t.Fatal("connections are taken 30 s after another process took over")
		}
	}
	if resp, err := get(t, client, addr); err != nil || !resp.Close { //nolint:bodyclose // get closes it
		t.Errorf("a request on the kept connection = %v, %v, want an answer and the connection closed after it", resp, err)
	}
}

// What is under way when the server is told to stop may finish in the time for that, and is cut after it.
func TestStopHasItsTime(t *testing.T) {
	for _, row := range []struct {
		stop, takes time.Duration
		whole       bool
	}{{30 * time.Second, 100 * time.Millisecond, true}, {50 * time.Millisecond, time.Hour, false}} {
		t.Run(fmt.Sprint(row.stop), func(t *testing.T) {
			begun := make(chan struct{})
			addr, _, end := openEntrance(t, settings.Drain{Stop: row.stop, Restart: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				select {
				case <-time.After(row.takes):
					_, _ = io.WriteString(w, "done")
				case <-r.Context().Done():
				}
			})
			got := make(chan error, 1)
			go func() {
				_, err := get(t, &http.Client{Transport: &http.Transport{}}, addr) //nolint:bodyclose // get closes it
				got <- err
			}()
			<-begun
			end()
			if err := <-got; (err == nil) != row.whole {
				t.Errorf("a request of %s that %s are left for ends with %v, want it whole: %v", row.takes, row.stop, err, row.whole)
			}
		})
	}
}
