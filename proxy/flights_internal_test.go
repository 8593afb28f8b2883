package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func reading(ctx context.Context) *http.Request {
	return httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/team/app/manifests/v1", http.NoBody)
}

// wait waits until so many requests are on a flight that has not left.
func (s *flights) wait(key string, riders int) {
	for {
		s.mu.Lock()
		l := s.lanes[key]
		n := 0
		if l != nil && l.next != nil {
			n = l.next.riders
		}
		s.mu.Unlock()
		if n == riders {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// empty fails if anything is kept of what is over.
func (s *flights) empty(t *testing.T) {
	t.Helper()
	for range 1000 { // the last flight may be landing
		s.mu.Lock()
		n := len(s.lanes)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("lanes are left when everything is over, want none")
}

// Who comes while a question is under way shares the next one; other questions are others.
func TestFlightsAreShared(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	s := newFlights(func(*http.Request) answer {
		n := asked.Add(1)
		<-release
		return answer{status: int(n)}
	})
	var wg sync.WaitGroup
	got := make([]int, 20)
	wg.Go(func() { got[0] = s.get("a", reading(t.Context())).status })
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	// The patience of the flight runs out in a quarter of a second, after which the next one leaves by itself.
	for i := range 19 {
		wg.Go(func() { got[i+1] = s.get("a", reading(t.Context())).status })
	}
	for asked.Load() == 1 {
		s.mu.Lock()
		all := s.lanes["a"].next != nil && s.lanes["a"].next.riders == 19
		s.mu.Unlock()
		if all {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if got[0] != 1 {
		t.Errorf("the first got the answer to question %d, want 1", got[0])
	}
	if n := asked.Load(); n < 2 || n > 4 {
		t.Errorf("20 requests were %d questions, want 2", n)
	}
	for i, n := range got[1:] {
		if n < 2 {
			t.Errorf("request %d, which came while the first question was under way, got its answer", i+1)
		}
	}
	if a := s.get("b", reading(t.Context())); a.status != int(asked.Load()) {
		t.Errorf("another question got answer %d, want its own, %d", a.status, asked.Load())
	}
	s.empty(t)
}

// Nobody gets an answer that is older than their own question, however many ask and whatever changes meanwhile.
func TestFlightsAnswerNothingOld(t *testing.T) {
	var version atomic.Int64
	s := newFlights(func(*http.Request) answer {
		a := answer{status: 200, body: []byte(strconv.FormatInt(version.Load(), 10))} // the registry looks, and then takes its time
		time.Sleep(50 * time.Microsecond)
		return a
	})
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			for range 300 {
				known := version.Load()
				a := s.get("a", reading(t.Context()))
				got, err := strconv.ParseInt(string(a.body), 10, 64)
				if err != nil || got < known {
					t.Errorf("got version %q (%v), want %d or newer", a.body, err, known)
					return
				}
				version.Add(1)
			}
		})
	}
	readers.Wait()
	s.empty(t)
}

// A client that goes away takes nothing from the others, and the last one to go ends the question.
func TestFlightsWithoutClients(t *testing.T) {
	started, ended := make(chan struct{}, 3), make(chan struct{}, 3)
	release := make(chan struct{})
	s := newFlights(func(r *http.Request) answer {
		started <- struct{}{}
		select {
		case <-release:
			return answer{status: 200}
		case <-r.Context().Done():
			ended <- struct{}{}
			return answer{err: r.Context().Err()}
		}
	})
	gone := errors.New("gone")
	first, leave := context.WithCancelCause(t.Context())
	left := make(chan answer)
	go func() { left <- s.get("a", reading(first)) }()
	<-started
	leave(gone)
	if a := <-left; !errors.Is(a.err, gone) {
		t.Errorf("who went away got %+v, want why they went", a)
	}
	<-ended // the question, too: nobody else waits for it
	s.empty(t)

	// The next flight survives who asked for it first.
	go func() { left <- s.get("a", reading(t.Context())) }()
	<-started
	second, leave := context.WithCancelCause(t.Context())
	other := make(chan answer)
	go func() { other <- s.get("a", reading(second)) }()
	s.wait("a", 1)
	go func() { left <- s.get("a", reading(t.Context())) }()
	s.wait("a", 2)
	leave(gone)
	if a := <-other; !errors.Is(a.err, gone) {
		t.Errorf("who went away got %+v, want why they went", a)
	}
	close(release)
	for range 2 {
		if a := <-left; a.status != 200 {
			t.Errorf("who stayed got %+v, want 200", a)
		}
	}
	if len(ended) != 0 {
		t.Error("a question ended that somebody waited for")
	}
	s.empty(t)
}

// A question that never comes back keeps nobody else, and one that panics fails and lets the next go on.
func TestFlightsThatFail(t *testing.T) {
	var asked atomic.Int64
	stuck := make(chan struct{})
	s := newFlights(func(*http.Request) answer {
		switch asked.Add(1) {
		case 1:
			<-stuck
		case 3:
			panic("of the test")
		}
		return answer{status: 200}
	})
	first := make(chan answer)
	go func() { first <- s.get("a", reading(t.Context())) }()
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if a := s.get("a", reading(t.Context())); a.status != 200 {
		t.Errorf("behind a question that is stuck = %+v, want 200", a)
	}
	close(stuck)
	if a := <-first; a.status != 200 {
		t.Errorf("the question that was stuck = %+v, want 200", a)
	}
	if a := s.get("a", reading(t.Context())); a.err == nil || !strings.Contains(a.err.Error(), "of the test") {
		t.Errorf("a question that panics = %+v, want an error that says so", a)
	}
	if a := s.get("a", reading(t.Context())); a.status != 200 {
		t.Errorf("after a panic = %+v, want 200", a)
	}
	s.empty(t)
}

// Whatever the answer may depend on tells questions apart; who asks from where does not.
func TestQuestions(t *testing.T) {
	base := func() *http.Request {
		r := reading(t.Context())
		r.Header = http.Header{"Accept": {"a/b"}, "Authorization": {"Bearer x"}, "X-Forwarded-Proto": {"http"}}
		return r
	}
	same := map[string]func(*http.Request){
		"address": func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		"id":      func(r *http.Request) { r.Header.Set("X-Request-Id", "1") },
		"agent":   func(r *http.Request) { r.Header.Set("User-Agent", "docker") },
	}
	other := map[string]func(*http.Request){
		"method":       func(r *http.Request) { r.Method = http.MethodHead },
		"tag":          func(r *http.Request) { r.URL.Path = "/v2/team/app/manifests/v2" },
		"query":        func(r *http.Request) { r.URL.RawQuery = "ns=docker.io" },
		"host":         func(r *http.Request) { r.Host = "other.example" },
		"scheme":       func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") },
		"token":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer y") },
		"no token":     func(r *http.Request) { r.Header.Del("Authorization") },
		"type":         func(r *http.Request) { r.Header.Set("Accept", "c/d") },
		"two types":    func(r *http.Request) { r.Header.Add("Accept", "c/d") },
		"joined types": func(r *http.Request) { r.Header["Accept"] = []string{"a/b,c/d"} },
		"condition":    func(r *http.Request) { r.Header.Set("If-None-Match", `"x"`) },
		"range":        func(r *http.Request) { r.Header.Set("Range", "bytes=0-1") },
		"encoding":     func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") },
		"unknown":      func(r *http.Request) { r.Header.Set("X-Anything", "1") },
	}
	want := questionOf(base())
	for name, change := range same {
		r := base()
		if change(r); questionOf(r) != want {
			t.Errorf("with another %s it is another question, want the same", name)
		}
	}
	seen := map[string]string{want: "nothing"}
	for name, change := range other {
		r := base()
		change(r)
		if was, ok := seen[questionOf(r)]; ok {
			t.Errorf("with another %s it is the same question as with another %s, want another", name, was)
		}
		seen[questionOf(r)] = name
	}
}
