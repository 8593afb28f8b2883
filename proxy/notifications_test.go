package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/proxy"
)

// follower notes where it is told to look.
type follower struct {
	seen []string
	fail error
	late int // how often a tag is not there yet
}

func (f *follower) Follow(_ context.Context, repository, reference string, at time.Time) (string, error) {
	f.seen = append(f.seen, "follow "+repository+" "+reference+" "+at.Format("2006"))
	if !strings.Contains(reference, ":") && f.late > 0 {
		f.late--
		return "", f.fail
	}
	return digestOf(nil), f.fail
}

func (f *follower) Pulled(repository, tag, digest string) {
	f.seen = append(f.seen, "pull "+repository+" "+tag+" "+digest)
}

func tell(n *proxy.Notifications, method, authorization, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, proxy.NotificationsPath, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	return w
}

const right = "Bearer s3cret"

func notifications(f *follower) *proxy.Notifications {
	return &proxy.Notifications{
		Secret: secret.New("s3cret"), Follower: f, CountPulls: true, Errors: httpx.Errors{Log: quiet()},
		Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
}

func TestNotifications(t *testing.T) {
	d := digestOf(nil)
	manifest := `"mediaType":"` + manifestType + `","repository":"team/app","digest":"` + d + `"`
	rows := []struct {
		name, event string
		want        []string
		ignored     string
	}{
		{"push by tag", `{"id":"1","action":"push","timestamp":"2025-05-05T00:00:00Z","target":{` + manifest + `,"tag":"v1"}}`, []string{"follow team/app " + d + " 2025", "follow team/app v1 2025"}, ""},
		{"push by digest from a clock ahead", `{"id":"1","action":"push","timestamp":"2999-05-05T00:00:00Z","target":{` + manifest + `}}`, []string{"follow team/app " + d + " 2026"}, ""},
		{"push of a blob", `{"id":"1","action":"push","target":{"mediaType":"application/octet-stream","repository":"team/app","digest":"` + d + `","url":"http://r/v2/team/app/blobs/` + d + `"}}`, nil, ""},
		{"mount", `{"id":"1","action":"mount","target":{"mediaType":"application/octet-stream","repository":"team/app","digest":"` + d + `","fromRepository":"a/b"}}`, nil, ""},
		{"delete by digest", `{"id":"1","action":"delete","target":{"repository":"team/app","digest":"` + d + `"}}`, []string{"follow team/app " + d + " 0001"}, ""},
		{"delete of a tag", `{"id":"1","action":"delete","target":{"repository":"team/app","tag":"v1"}}`, []string{"follow team/app v1 0001"}, ""},
		{"pull", `{"id":"1","action":"pull","request":{"method":"GET","useragent":"docker/20"},"target":{` + manifest + `,"tag":"v1"}}`, []string{"pull team/app v1 " + d}, ""},
		{"pull twice", `{"id":"1","action":"pull","target":{` + manifest + `}},{"id":"1","action":"pull","target":{` + manifest + `}}`, []string{"pull team/app  " + d}, ""},
		{"a look", `{"id":"1","action":"pull","request":{"method":"HEAD"},"target":{` + manifest + `}}`, nil, ""},
		{"our own look", `{"id":"1","action":"pull","request":{"method":"GET","useragent":"sealock/inside"},"target":{` + manifest + `}}`, nil, ""},
		{"unknown", `{"id":"1","action":"burn","target":{` + manifest + `}}`, nil, "burn"},
		{"bad name", `{"id":"1","action":"push","target":{"repository":"../../etc","tag":"v1"}}`, nil, "name"},
		{"bad digest", `{"id":"1","action":"push","target":{"repository":"team/app","digest":"sha256:x"}}`, nil, "digest"},
		{"bad tag", `{"id":"1","action":"push","target":{"repository":"team/app","tag":"a/b"}}`, nil, "tag"},
		{"about nothing", `{"id":"1","action":"delete","target":{"repository":"team/app"}}`, nil, "neither"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := &follower{}
			got := tell(notifications(f), "POST", right, `{"events":[`+row.event+`]}`)
			if got.Code != 200 || !slices.Equal(f.seen, row.want) {
				t.Errorf("told %s: %d %s, then %q, want 200 and %q", row.event, got.Code, got.Body, f.seen, row.want)
			}
			if empty := strings.Contains(got.Body.String(), `"ignored":[]`); empty != (row.ignored == "") || !strings.Contains(got.Body.String(), row.ignored) {
				t.Errorf("told %s: %s, want that it ignores %q", row.event, got.Body, row.ignored)
			}
		})
	}
}

func TestNotificationsRefuse(t *testing.T) {
	f := &follower{}
	n := notifications(f)
	event := `{"events":[{"id":"1","action":"delete","target":{"repository":"team/app","tag":"v1"}}]}`
	for _, row := range []struct {
		name, method, authorization, body string
		want                              int
	}{
		{"no secret", "POST", "", event, 401},
		{"another secret", "POST", "Bearer s3cre", event, 401},
		{"another scheme", "POST", "Basic s3cret", event, 401},
		{"GET", "GET", right, "", 405},
		{"no JSON", "POST", right, "events", 400},
		{"no events", "POST", right, "{}", 400},
		{"too many", "POST", right, `{"events":[` + strings.Repeat("{},", 1000) + `{}]}`, 400},
		{"too long", "POST", right, `{"events":["` + strings.Repeat("x", 5<<20) + `"]}`, 400},
	} {
		if got := tell(n, row.method, row.authorization, row.body); got.Code != row.want || !strings.Contains(got.Body.String(), "message") || len(f.seen) > 0 {
			t.Errorf("%s = %d %s %q, want %d in words", row.name, got.Code, got.Body, f.seen, row.want)
		}
	}
	none := notifications(f)
	none.Secret = secret.Text{}
	if got := tell(none, "POST", "Bearer ", event); got.Code != 401 {
		t.Errorf("without a secret = %d, want that nobody may tell", got.Code)
	}
	for err, want := range map[error]int{
		errs.New(errs.Unavailable, "down"): 503, errors.New("broken"): 503, errs.New(errs.NotFound, "no project"): 200, errs.New(errs.Invalid, "odd"): 200,
	} {
		f.fail = err
		if got := tell(n, "POST", right, event); got.Code != want {
			t.Errorf("when it can't be noted (%v) = %d, want %d", err, got.Code, want)
		}
	}
	f.fail, f.seen, n.CountPulls = nil, nil, false
	tell(n, http.MethodPost, right, `{"events":[{"id":"2","action":"pull","target":{"repository":"team/app","tag":"v1","digest":"`+digestOf(nil)+`"}}]}`)
	if len(f.seen) > 0 {
		t.Errorf("a pull that the gate counts was counted: %q", f.seen)
	}
}

// FuzzNotifications wants no envelope to do more than look at what a registry could have.
func FuzzNotifications(f *testing.F) {
	f.Add([]byte(`{"events":[{"id":"1","action":"push","timestamp":"2025-05-05T00:00:00Z","target":{"mediaType":"x","repository":"a/b","tag":"v1","url":"/manifests/"}}]}`))
	f.Add([]byte(`{"events":[{"action":"delete","target":{"repository":"a/b","digest":"sha256:` + strings.Repeat("0", 64) + `"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		to := &follower{}
		got := tell(notifications(to), "POST", right, string(body))
		if got.Code != 200 && got.Code != 400 {
			t.Errorf("told %q = %d, want 200 or 400", body, got.Code)
		}
		for _, s := range to.seen {
			if strings.ContainsAny(s, "\x00\n?%\\") || strings.Contains(s, "..") && strings.Contains(s, "/..") {
				t.Errorf("told %q it does %q", body, s)
			}
		}
	})
}

// TestNotificationBeforeTheTag is told of a push before the tag is there, as registries do.
func TestNotificationBeforeTheTag(t *testing.T) {
	f := &follower{late: 4}
	tell(notifications(f), "POST", right, `{"events":[{"id":"1","action":"push","target":{"mediaType":"`+manifestType+`","repository":"team/app","tag":"v1","digest":"`+digestOf(nil)+`"}}]}`)
	if len(f.seen) != 6 {
		t.Errorf("it looks at %q, want the digest once and the tag until it is there", f.seen)
	}
}
