package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/proxy"
)

// listener notes what it is told; fail makes it answer with an error.
type listener struct {
	mu   sync.Mutex
	seen []string
	fail error
}

func (w *listener) note(format string, args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprintf(format, args...))
	return w.fail
}

func (w *listener) Pushed(ctx context.Context, p proxy.Pushed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.note("push %s:%s %s %s %v", p.Repository, p.Tag, p.MediaType, p.Digest, digestOf(p.Body) == p.Digest)
}

func (w *listener) Deleted(_ context.Context, repository, reference string) error {
	return w.note("delete %s %s", repository, reference)
}

func (w *listener) Pulled(repository, tag, digest string) {
	_ = w.note("pull %s:%s %s", repository, tag, digest)
}

func (w *listener) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *listener) breakWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// want waits, because a pull is told when its answer has gone out.
func (w *listener) want(t *testing.T, what string, want ...string) {
	t.Helper()
	var got []string
	for range 500 {
		if got = append(got, w.take()...); len(got) >= len(want) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		t.Errorf("told of %s: %q, want %q", what, got, want)
	}
}

func watched(t *testing.T, test func(t *testing.T, d *door, w *listener)) {
	t.Run("embedded", func(t *testing.T) {
		w := &listener{}
		test(t, open(t, newMint(t), newEmbedded(t), func(c *proxy.Config) { c.Observer = w }), w)
	})
	t.Run("separate", func(t *testing.T) {
		w, m := &listener{}, newMint(t)
		test(t, open(t, m, newSeparate(t, m, newStock(t, m).URL), func(c *proxy.Config) { c.Observer = w }), w)
	})
}

func TestObserverIsTold(t *testing.T) {
	watched(t, func(t *testing.T, d *door, w *listener) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		get := func(method, reference string, want int) answer {
			return d.do(t, call{method: method, path: "/v2/team/app/manifests/" + reference, token: token, header: map[string]string{"Accept": manifestType}}).want(t, method, want)
		}
		digest := d.pushImage(t, token, "team/app", "v1")
		w.want(t, "a push by tag", "push team/app:v1 "+manifestType+" "+digest+" true")
		d.pushImage(t, token, "team/app", digest)
		w.want(t, "a push by digest", "push team/app: "+manifestType+" "+digest+" true")
		get("HEAD", "v1", 200)
		get("GET", "none", 404)
		get("GET", "v1", 200)
		w.want(t, "HEAD, a miss and a pull by tag", "pull team/app:v1 "+digest)
		get("GET", digest, 200)
		w.want(t, "a pull by digest", "pull team/app: "+digest)
		get("DELETE", "v1", 202)
		w.want(t, "a tag's delete", "delete team/app v1")
		get("DELETE", digest, 202)
		w.want(t, "a delete", "delete team/app "+digest)
		get("DELETE", digest, 404)
		w.want(t, "a delete of what is gone", "delete team/app "+digest)
		d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/v2", token: token, body: []byte("{}"), header: map[string]string{"Content-Type": manifestType}}).want(t, "a bad push", 400)
		bob := d.token(t, "bob", "repository:team/app:pull,push,delete", 0)
		d.do(t, call{method: "DELETE", path: "/v2/team/app/manifests/" + digest, token: bob}).want(t, "bob's delete", 403)
		w.want(t, "what was refused")
	})
}

// TestUntoldPushFails wants the client to hear that its push has to be repeated, and the repetition to be told.
func TestUntoldPushFails(t *testing.T) {
	watched(t, func(t *testing.T, d *door, w *listener) {
		token := d.token(t, "alice", "repository:team/app:pull,push,delete", 0)
		digest := d.pushImage(t, token, "team/app", "v1")
		w.take()
		w.breakWith(errors.New("secret cause"))
		body := d.do(t, call{method: "GET", path: "/v2/team/app/manifests/v1", token: token, header: map[string]string{"Accept": manifestType}}).want(t, "a pull", 200).body
		push := call{method: "PUT", path: "/v2/team/app/manifests/v2", token: token, body: body, header: map[string]string{"Content-Type": manifestType}}
		a := d.do(t, push).want(t, "a push that can't be told", http.StatusServiceUnavailable)
		if got := a.text(); !strings.HasPrefix(got, "UNAVAILABLE") || !strings.Contains(got, "push again") || strings.Contains(got, "secret") {
			t.Errorf("the refusal = %q, want a hint to push again, without the cause", got)
		}
		for _, name := range []string{"Location", "Docker-Content-Digest"} {
			if got := a.header.Get(name); got != "" {
				t.Errorf("%s of the refusal = %q, want none", name, got)
			}
		}
		del := call{method: "DELETE", path: "/v2/team/app/manifests/" + digest, token: token}
		d.do(t, del).want(t, "a delete that can't be told", http.StatusServiceUnavailable)
		w.breakWith(nil)
		w.take()
		d.do(t, del).want(t, "the delete again", http.StatusNotFound)
		d.do(t, push).want(t, "the push again", http.StatusCreated)
		w.want(t, "both again", "delete team/app "+digest, "push team/app:v2 "+manifestType+" "+digest+" true")
	})
}

// scripted is a registry that answers a push as a test says.
type scripted struct {
	proxy.Upstream
	answer func(w http.ResponseWriter)
}

func (s scripted) ServeHTTP(w http.ResponseWriter, _ *http.Request) { s.answer(w) }

// TestAnswersOfAllKinds holds the gate to answers that registries may write in any way.
func TestAnswersOfAllKinds(t *testing.T) {
	image := []byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digestOf(nil) + `","size":0},"layers":[]}`)
	rows := []struct {
		name   string
		answer func(w http.ResponseWriter)
		status int
		body   string
		told   bool
	}{
		{"flush after the header", func(w http.ResponseWriter) { w.WriteHeader(201); flush(w); _, _ = w.Write([]byte("x")) }, 201, "x", true},
		{"flush first", func(w http.ResponseWriter) { flush(w); w.WriteHeader(201) }, 200, "", false},
		{"body without a header", func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) }, 200, "x", false},
		{"information first", func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(201) }, 201, "", true},
		{"two headers", func(w http.ResponseWriter) { w.WriteHeader(201); w.WriteHeader(500) }, 201, "", true},
		{"refused", func(w http.ResponseWriter) { w.WriteHeader(400); _, _ = w.Write([]byte("no")) }, 400, "no", false},
		{"a connection to take over", func(w http.ResponseWriter) {
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				panic("hijacked")
			}
			w.WriteHeader(201)
		}, 201, "", true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := &listener{}
			d := open(t, newMint(t), scripted{newEmbedded(t), row.answer}, func(c *proxy.Config) { c.Observer = w })
			token := d.token(t, "alice", "repository:team/app:pull,push", 0)
			a := d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/v1", token: token, body: image, header: map[string]string{"Content-Type": manifestType}}).want(t, "the push", row.status)
			if string(a.body) != row.body {
				t.Errorf("body = %q, want %q", a.body, row.body)
			}
			if told := len(w.take()) == 1; told != row.told {
				t.Errorf("told = %v, want %v", told, row.told)
			}
		})
	}
}
