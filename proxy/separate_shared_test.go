package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// direct asks the registry itself what d.do asks through the door.
func (d *door) direct(t *testing.T, stock string, c call) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.method, stock+c.path, nil)
	must(t, err)
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, body}
}

// What clients share is what the registry answers, whatever they ask and however.
func TestSharedReadsAnswerAsTheRegistry(t *testing.T) {
	m := newMint(t)
	stock := newStock(t, m)
	d := open(t, m, newSeparate(t, m, stock.URL))
	token := d.token(t, "alice", pushToken, 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	image := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}).want(t, "GET", 200)
	var large map[string]any
	must(t, json.Unmarshal(image.body, &large))
	large["annotations"] = map[string]string{"note": strings.Repeat("x", 300<<10)}
	text, err := json.Marshal(large)
	must(t, err)
	d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/large", token: token, body: text, header: map[string]string{"Content-Type": manifestType}}).want(t, "PUT", 201)
	for _, method := range []string{"GET", "HEAD"} {
		for _, reference := range []string{"v1", digest, "large", digestOf(text), "none", digestOf([]byte("none"))} {
			fresh := d.token(t, "alice", pushToken, 0)
			for _, header := range []map[string]string{
				{},
				{"Accept": manifestType},
				{"Accept": "text/html"},
				{"Accept": manifestType, "If-None-Match": `"` + digest + `"`},
				{"Accept": manifestType, "If-None-Match": `"x"`},
				{"Accept": manifestType, "Range": "bytes=0-3"},
				{"Accept": manifestType, "Accept-Encoding": "gzip"},
				{"Accept": manifestType, "User-Agent": "docker/29"},
			} {
				c := call{method: method, path: "/v2/team/app/manifests/" + reference, token: fresh, header: header}
				got, want := d.do(t, c), d.direct(t, stock.URL, c)
				for _, h := range []http.Header{got.header, want.header} {
					h.Del("Date")
					h.Del("X-Request-Id")
				}
				if got.status != want.status || !bytes.Equal(got.body, want.body) || !maps.EqualFunc(got.header, want.header, slices.Equal) {
					t.Errorf("%s %s with %v = %d %.80q %s, want %d %.80q %s", method, reference, header,
						got.status, got.body, headerText(got.header), want.status, want.body, headerText(want.header))
				}
			}
		}
	}
}

// A tag that was overwritten is what it was overwritten with, for each who asks afterwards, while many others ask all the time.
func TestSharedReadsSeeEachPush(t *testing.T) {
	m := newMint(t)
	stock := newStock(t, m)
	var asked atomic.Int64
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			asked.Add(1)
		}
		stock.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(counted.Close)
	d := open(t, m, newSeparate(t, m, counted.URL))
	token := d.token(t, "alice", pushToken, 0)
	d.pushImage(t, token, "team/app", "v1")
	read := call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}
	image := d.do(t, read).want(t, "GET", 200)
	var readers sync.WaitGroup
	var stop atomic.Bool
	var pulls atomic.Int64
	for range 8 {
		readers.Go(func() {
			for !stop.Load() {
				if a := d.do(t, read); a.status != http.StatusOK {
					t.Errorf("GET while it is pushed = %d %s, want 200", a.status, a.body)
					return
				}
				pulls.Add(1)
			}
		})
	}
	for i := range 30 {
		text := fmt.Appendf(slices.Clip(bytes.TrimSuffix(image.body, []byte("}"))), `,"annotations":{"n":"%d"}}`, i)
		d.do(t, call{method: "PUT", path: read.path, token: token, body: text, header: map[string]string{"Content-Type": manifestType}}).want(t, "PUT", 201)
		if a := d.do(t, read); digestOf(a.body) != digestOf(text) {
			t.Errorf("after push %d, GET = %s, want what was pushed", i, a.body)
		}
	}
	stop.Store(true)
	readers.Wait()
	if p, a := pulls.Load(), asked.Load(); a >= p {
		t.Errorf("%d pulls were %d questions, want fewer", p, a)
	}
}
