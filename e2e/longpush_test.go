package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/need"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// slowRoad is between a client and sealock: the first body of an upload takes its time, and tokens may end early.
type slowRoad struct {
	t      *testing.T
	server *sealock.Server
	body   time.Duration // how long it takes
	ended  time.Duration // so long ago tokens have ended when they are given out; 0: they are as sealock gives them

	slowed         atomic.Bool
	finished, late atomic.Int64 // uploads that were finished, and those of them whose token had ended
	front          *httptest.Server
}

func newSlowRoad(t *testing.T, body, ended time.Duration) *slowRoad {
	t.Helper()
	s := &slowRoad{t: t, body: body, ended: ended}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ModifyResponse: s.answer, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.server.Addr})
		r.Out.Host = r.In.Host
		if r.In.Method == http.MethodPatch && s.slowed.CompareAndSwap(false, true) {
			r.Out.Body = &slowEnd{ReadCloser: r.In.Body, pause: body}
		}
	}}
	s.front = httptest.NewServer(proxy)
	t.Cleanup(s.front.Close)
	return s
}

// slowEnd is a body whose end takes its time.
type slowEnd struct {
	io.ReadCloser
	pause time.Duration
}

func (b *slowEnd) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		time.Sleep(b.pause)
		b.pause = 0
	}
	return n, err
}

func (s *slowRoad) answer(resp *http.Response) error {
	switch req := resp.Request; {
	case req.URL.Path == "/service/token" && resp.StatusCode == http.StatusOK && s.ended > 0:
		return s.shorten(resp)
	case req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/blobs/uploads/") && resp.StatusCode == http.StatusCreated:
		s.finished.Add(1)
		ends, err := wire.Token{Token: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")}.Ends()
		if err != nil {
			s.t.Error(err)
		} else if time.Since(ends) > leeway {
			s.late.Add(1)
		}
	}
	return nil
}

// leeway is for how long sealock takes a token that has ended: clocks differ.
const leeway = 10 * time.Second

// shorten lets the tokens of an answer end sooner. What else the answer says stays.
func (s *slowRoad) shorten(resp *http.Response) error {
	var body map[string]any
	err := json.NewDecoder(resp.Body).Decode(&body)
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	for _, name := range []string{"token", "access_token"} {
		if token, ok := body[name].(string); ok {
			body[name] = s.server.ResignYoung(s.t, token, s.ended)
		}
	}
	text, err := json.Marshal(body)
	resp.Body = io.NopCloser(bytes.NewReader(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	resp.ContentLength = int64(len(text))
	return err
}

// TestPushOutlivesItsToken pushes over a slow road with real clients, whose token ends while a layer is on its way: the layer
// is finished with the token that has ended, and what comes after it with another. Clients that remember for a minute at least that
// they have a token (docker, podman and skopeo) need an upload of more than a minute: make soak.
func TestPushOutlivesItsToken(t *testing.T) {
	t.Parallel()
	for _, kind := range []registry.Kind{"", registry.Debian28} {
		clients := []string{"crane"}
		if soaking() {
			clients = append(clients, "skopeo")
		}
		for _, name := range clients {
			title := name + " before " + string(kind)
			if kind == "" {
				title = name + " before the embedded registry"
			}
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				need.Tool(t, name)
				road := newSlowRoad(t, 8*time.Second, leeway-5*time.Second)
				settings := ""
				if name == "skopeo" {
					road = newSlowRoad(t, 70*time.Second, 0)
					settings = "token: {life: 60s}\nlimits: {stall: 5m}\n"
				}
				addr := proc.FreeAddr(t)
				settings += fmt.Sprintf("external_urls: [%q, %q]\n", "http://"+addr, road.front.URL)
				road.server, _ = serveBefore(t, kind, addr, settings)
				road.server.AddProject(t, "team")
				s, d := client.NewSession(t, strings.TrimPrefix(road.front.URL, "http://"), client.Engines{}), driver(t, name)
				s.Patience = 2 * time.Minute
				must(t, d.Login(s, "admin", adminPassword))
				ref := client.Ref{Host: s.Host, Repository: "team/app", Tag: "1.0.0"}
				must(t, d.Push(s, ref, unique(name)))
				if road.finished.Load() == 0 || name == "crane" && road.late.Load() == 0 {
					t.Errorf("%d uploads were finished, %d with a token that had ended, want some", road.finished.Load(), road.late.Load())
				}
				_, out := d.Pull(s, ref, "")
				must(t, out)
			})
		}
	}
}
