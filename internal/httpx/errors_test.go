package httpx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

const canary = "dsn=postgres://secret"

func TestDialects(t *testing.T) {
	for _, row := range []struct {
		kind                 errs.Kind
		status               int
		registry, oauth, api string
		retryAfter           string
	}{
		{errs.Invalid, 400, "NAME_INVALID", "invalid_request", "BAD_REQUEST", ""},
		{errs.Unauthenticated, 401, "UNAUTHORIZED", "invalid_grant", "UNAUTHORIZED", ""},
		{errs.Denied, 403, "DENIED", "access_denied", "FORBIDDEN", ""},
		{errs.NotFound, 404, "NAME_UNKNOWN", "invalid_request", "NOT_FOUND", ""},
		{errs.Conflict, 409, "DENIED", "invalid_request", "CONFLICT", ""},
		{errs.Unsupported, 501, "UNSUPPORTED", "invalid_request", "NOT_IMPLEMENTED", ""},
		{errs.Precondition, 412, "DENIED", "access_denied", "PRECONDITION", ""},
		{errs.TooMany, 429, "TOOMANYREQUESTS", "temporarily_unavailable", "TOOMANYREQUESTS", "1"},
		{errs.Unavailable, 503, "UNAVAILABLE", "temporarily_unavailable", "UNAVAILABLE", "5"},
		{errs.Internal, 500, "UNKNOWN", "server_error", "UNKNOWN", ""},
	} {
		t.Run(row.kind.String(), func(t *testing.T) {
			err := errs.New(row.kind, "it is broken").WithHint("mend it").Because(errors.New(canary))
			var log bytes.Buffer
			x := httpx.Errors{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			for name, d := range map[string]struct {
				write func(http.ResponseWriter, *http.Request, error)
				code  string
			}{
				"registry": {x.WriteRegistry, row.registry}, "token": {x.WriteToken, ""}, "api": {x.WriteAPI, row.api},
			} {
				w := httptest.NewRecorder()
				w.Header().Set(httpx.RequestIDHeader, "abc123")
				d.write(w, httptest.NewRequestWithContext(context.Background(), "GET", "/x?password=hunter2", nil), err)
				body := decode(t, w)
				if w.Code != row.status || w.Header().Get("Retry-After") != row.retryAfter {
					t.Errorf("%s: status %d, Retry-After %q, want %d, %q", name, w.Code, w.Header().Get("Retry-After"), row.status, row.retryAfter)
				}
				if d.code != "" && body.Errors[0].Code != d.code {
					t.Errorf("%s: code %q, want %q", name, body.Errors[0].Code, d.code)
				}
				if name == "token" && (body.Error != row.oauth || body.Description != body.Errors[0].Message) {
					t.Errorf("token: error %q %q, want %q and the list's message", body.Error, body.Description, row.oauth)
				}
				want := "it is broken: mend it"
				if row.status >= 500 {
					want += " (request abc123)"
				}
				if got := body.Errors[0].Message; got != want {
					t.Errorf("%s: message %q, want %q", name, got, want)
				}
				if strings.Contains(w.Body.String(), "postgres") {
					t.Errorf("%s shows the cause: %s", name, w.Body)
				}
			}
			if !strings.Contains(log.String(), canary) || strings.Contains(log.String(), "hunter2") {
				t.Errorf("log = %s, want the cause and no query", log.String())
			}
		})
	}
}

type body struct {
	Errors      []struct{ Code, Message string }
	Error       string
	Description string `json:"error_description"`
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (b body) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || len(b.Errors) != 1 {
		t.Fatalf("body = %s (%v), want one error", w.Body, err)
	}
	return b
}

func errors0(t *testing.T, write func(httpx.Errors, *httptest.ResponseRecorder)) (*httptest.ResponseRecorder, body) {
	t.Helper()
	w := httptest.NewRecorder()
	write(httpx.Errors{Log: slog.New(slog.DiscardHandler)}, w)
	return w, decode(t, w)
}

func TestCodesStayInTheirDialect(t *testing.T) {
	err := errs.New(errs.Invalid, "bad").WithCode("invalid_scope")
	get := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
	if _, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) { x.WriteRegistry(w, get, err) }); b.Errors[0].Code != "NAME_INVALID" {
		t.Errorf("registry code of invalid_scope = %q, want NAME_INVALID", b.Errors[0].Code)
	}
	if _, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) { x.WriteToken(w, get, err) }); b.Error != "invalid_scope" {
		t.Errorf("token error of invalid_scope = %q, want itself", b.Error)
	}
	err = errs.New(errs.Unauthenticated, "wrong password").WithCode("unknown_subject")
	w, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) { x.WriteToken(w, get, err) })
	if w.Code != 401 || b.Error != "invalid_grant" || b.Errors[0].Code != "UNAUTHORIZED" || w.Header().Get("WWW-Authenticate") != `Basic realm="sealock"` {
		t.Errorf("wrong credentials = %d %+v %q, want 401 invalid_grant UNAUTHORIZED and a Basic challenge", w.Code, b, w.Header().Get("WWW-Authenticate"))
	}
	err = errs.New(errs.Invalid, "no such method").WithCode("UNSUPPORTED")
	if w, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) { x.WriteRegistry(w, get, err) }); w.Code != 405 || b.Errors[0].Code != "UNSUPPORTED" {
		t.Errorf("a wrong method = %d %q, want 405 UNSUPPORTED", w.Code, b.Errors[0].Code)
	}
}

func TestUnclassifiedErrorGivesNothingAway(t *testing.T) {
	w, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) {
		x.WriteAPI(w, httptest.NewRequestWithContext(context.Background(), "GET", "/", nil), errors.New(canary))
	})
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || b.Errors[0].Code != "UNKNOWN" {
		t.Errorf("a plain error = %d %s, want 500 UNKNOWN without its text", w.Code, w.Body)
	}
}

// A client that half-closes its connection ends its request as far as the server can tell, and still reads the answer.
func TestEndedRequestCanBeRetried(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		err  error
		want int
	}{{fmt.Errorf("looking for a user: %w", context.Canceled), 503}, {errors.New("interrupted"), 503}, {errs.New(errs.Denied, "no"), 403}} {
		w, b := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) {
			x.WriteRegistry(w, httptest.NewRequestWithContext(ctx, "GET", "/v2/", nil), row.err)
		})
		if retry := w.Header().Get("Retry-After") != "" && b.Errors[0].Code == "UNAVAILABLE"; w.Code != row.want || retry != (row.want == 503) {
			t.Errorf("%v after the request ended = %d %v %s, want %d", row.err, w.Code, w.Header(), w.Body, row.want)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	httpx.Errors{Log: slog.New(slog.DiscardHandler)}.WriteRegistry(w, httptest.NewRequestWithContext(context.Background(), "HEAD", "/v2/", nil), errs.New(errs.NotFound, "none"))
	if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" || w.Header().Get(httpx.APIVersionHeader) != httpx.APIVersion {
		t.Errorf("HEAD = %q %v, want no body, its length, and the API version", w.Body, w.Header())
	}
}

func TestRetryAfterRoundsUp(t *testing.T) {
	err := errs.New(errs.TooMany, "slow down")
	err.After = 1200 * time.Millisecond
	w, _ := errors0(t, func(x httpx.Errors, w *httptest.ResponseRecorder) {
		x.WriteAPI(w, httptest.NewRequestWithContext(context.Background(), "GET", "/", nil), err)
	})
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After for 1.2 s = %q, want 2", got)
	}
}

func TestRequestIDs(t *testing.T) {
	var seen string
	h := httpx.RequestIDs(strings.NewReader("12345678"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { seen = httpx.RequestID(w) }))
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
	r.Header.Set(httpx.RequestIDHeader, "forged")
	h.ServeHTTP(w, r)
	if seen != "3132333435363738" || w.Header().Get(httpx.RequestIDHeader) != seen {
		t.Errorf("request id = %q, header %q, want 3132333435363738 in both", seen, w.Header().Get(httpx.RequestIDHeader))
	}
	h.ServeHTTP(httptest.NewRecorder(), r) // the source has run dry
	if seen != "" {
		t.Errorf("request id without randomness = %q, want none", seen)
	}
}
