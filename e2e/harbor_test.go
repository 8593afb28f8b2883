package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/internal/testkit"
)

// TestHarborScripts runs what people have written for Harbor, in its manner, against a server on each kind of database:
// what Terraform's provider sends, what clients of the API read, a browser's session, and the generated client. At the end
// no operation of the document may be left that none of them has called.
func TestHarborScripts(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return fmt.Sprintf("store: {url: %q}\n", testkit.Postgres(t).Database(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, settings(t))
			calls := &sentCalls{of: map[string]bool{}}
			s := &harborScript{t: t, server: server, calls: calls, user: "admin", password: sealock.AdminPassword}
			s.run("terraform", (*harborScript).terraform)
			s.run("images", (*harborScript).images)
			s.run("lists", (*harborScript).lists)
			s.run("people", (*harborScript).people)
			s.run("robots", (*harborScript).robots)
			s.run("systems", (*harborScript).systems)
			s.run("jobs", (*harborScript).jobs)
			s.run("absent", (*harborScript).absent)
			s.run("browser", (*harborScript).browser)
			s.run("bearer", (*harborScript).bearer)
			s.run("generated", (*harborScript).generated)
			s.run("beyond", (*harborScript).beyond)
			s.run("everything", (*harborScript).everything)
		})
	}
}

// harborScript is a program written for Harbor: it knows names of paths and fields, and nothing of sealock.
type harborScript struct {
	t              *testing.T
	server         *sealock.Server
	calls          *sentCalls
	user, password string // nobody without a user
	moving         bool   // what it lists may change from one query to the next
}

// run runs a part under its name.
func (s *harborScript) run(name string, part func(*harborScript)) {
	s.t.Run(name, func(t *testing.T) {
		own := *s
		own.t = t
		part(&own)
	})
}

// as is the same script with somebody else's password.
func (s *harborScript) as(user, password string) *harborScript {
	own := *s
	own.user, own.password = user, password
	return &own
}

// fields are a JSON object as a script writes it down.
type fields = map[string]any

// reply is what came back.
type reply struct {
	t      *testing.T
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// call sends a request below /api/v2.0 and wants a status.
func (s *harborScript) call(want int, method, path string, body any, header ...string) reply {
	s.t.Helper()
	got := s.send(method, "/api/v2.0"+path, body, header...)
	if got.Status != want {
		s.t.Fatalf("%s = %d %s, want %d", got.what, got.Status, got.Body, want)
	}
	if want >= http.StatusBadRequest && method != http.MethodHead {
		got.wantError()
	}
	return got
}

func (s *harborScript) send(method, path string, body any, header ...string) reply {
	s.t.Helper()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, bytes.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(http.DefaultClient, req)
}

// do sends a request and notes it.
func (s *harborScript) do(client *http.Client, req *http.Request) reply {
	s.t.Helper()
	s.calls.note(req)
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{s.t, req.Method + " " + req.URL.RequestURI(), resp.StatusCode, resp.Header, text}
}

// get is call for what is there.
func (s *harborScript) get(path string, header ...string) reply {
	s.t.Helper()
	return s.call(http.StatusOK, http.MethodGet, path, nil, header...)
}

// create posts an object, and returns the path of what was made as Terraform finds it: from the Location alone.
func (s *harborScript) create(path string, body any) string {
	s.t.Helper()
	got := s.call(http.StatusCreated, http.MethodPost, path, body)
	at, ok := strings.CutPrefix(got.Header.Get("Location"), "/api/v2.0")
	if _, err := strconv.ParseInt(at[strings.LastIndex(at, "/")+1:], 10, 64); !ok || err != nil {
		s.t.Fatalf("%s has the Location %q, want /api/v2.0/…/number", got.what, got.Header.Get("Location"))
	}
	return at
}

// id is the number at the end of a path.
func id(path string) float64 {
	n, _ := strconv.ParseFloat(path[strings.LastIndex(path, "/")+1:], 64)
	return n
}

func (r reply) object() (v fields) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, &v); err != nil {
		r.t.Fatalf("%s = %s, want an object: %v", r.what, r.Body, err)
	}
	return v
}

func (r reply) list() (v []fields) {
	r.t.Helper()
	if err := json.Unmarshal(r.Body, &v); err != nil || v == nil {
		r.t.Fatalf("%s = %s, want a list: %v", r.what, r.Body, err)
	}
	return v
}

// inner is an object in an object, and nothing where there is none.
func inner(o fields, name string) fields {
	v, _ := o[name].(fields)
	return v
}

// number is a number in an object.
func number(o fields, name string) float64 {
	v, _ := o[name].(float64)
	return v
}

// total is what a list says it has in all.
func (r reply) total() int {
	r.t.Helper()
	n, err := strconv.Atoi(r.Header.Get("X-Total-Count"))
	if err != nil {
		r.t.Fatalf("%s has the X-Total-Count %q, want a number", r.what, r.Header.Get("X-Total-Count"))
	}
	return n
}

// wantError wants the body that Harbor's clients read messages from.
func (r reply) wantError() {
	r.t.Helper()
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(r.Body, &e); err != nil || len(e.Errors) == 0 || e.Errors[0].Code == "" || e.Errors[0].Message == "" {
		r.t.Errorf("%s = %d %s, want errors[] with code and message", r.what, r.Status, r.Body)
	}
}

// wantWritten wants everything that was written to be read back, or Terraform would plan a change for ever.
func (r reply) wantWritten(written fields) {
	r.t.Helper()
	if missing := lacks("", written, r.object()); len(missing) > 0 {
		r.t.Errorf("%s = %s, want what was written: %q", r.what, r.Body, missing)
	}
}

// lacks lists what is in a and is not, or is different, in b.
func lacks(at string, a, b any) (out []string) {
	switch a := a.(type) {
	case fields:
		b, _ := b.(fields)
		for _, k := range slices.Sorted(maps.Keys(a)) {
			out = append(out, lacks(at+"."+k, a[k], b[k])...)
		}
	case []any:
		b, _ := b.([]any)
		if len(a) != len(b) {
			return []string{fmt.Sprintf("%s has %d, not %d", at, len(b), len(a))}
		}
		for i := range a {
			out = append(out, lacks(fmt.Sprintf("%s[%d]", at, i), a[i], b[i])...)
		}
	case int:
		return lacks(at, float64(a), b)
	default:
		if !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("%s is %v, not %v", at, b, a))
		}
	}
	return out
}

// with is an object with some fields changed.
func with(o, changes fields) fields {
	out := maps.Clone(o)
	maps.Copy(out, changes)
	return out
}

// without is an object without some fields: those that are written and never read.
func without(o fields, names ...string) fields {
	out := maps.Clone(o)
	for _, name := range names {
		delete(out, name)
	}
	return out
}

// sentCalls notes which requests were sent.
type sentCalls struct {
	mu sync.Mutex
	of map[string]bool // "GET /api/v2.0/projects/1"
}

func (c *sentCalls) note(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[r.Method+" "+r.URL.EscapedPath()] = true
}

// names lists a field of a list's objects.
func (r reply) names(field string) []string {
	r.t.Helper()
	out := []string{}
	for _, o := range r.list() {
		out = append(out, fmt.Sprint(o[field]))
	}
	return out
}

func (s *harborScript) wantNames(what string, got []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// deadAddr is an address that nothing listens on.
func deadAddr(t *testing.T) string { t.Helper(); return proc.FreeAddr(t) }
