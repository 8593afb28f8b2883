package auth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceAnswer is what a device gets first.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

func (w *world) askDevice(t testing.TB, pairs ...string) deviceAnswer {
	t.Helper()
	a := w.do(t, "POST", "/service/device_authorization", form(append([]string{"client_id", "helper", "service", "svc"}, pairs...)...))
	if a.status != http.StatusOK {
		t.Fatalf("device authorization answers %d: %s", a.status, a.body)
	}
	var d deviceAnswer
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *world) poll(t testing.TB, code string, pairs ...string) answer {
	t.Helper()
	return w.do(t, "POST", "/service/token", form(append([]string{"grant_type", deviceGrant, "device_code", code, "client_id", "helper"}, pairs...)...))
}

// alice returns the subject as a session has it.
func (w *world) alice(t testing.TB) auth.Subject {
	t.Helper()
	sub, err := w.users.Resolve(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	sub.How = "session"
	return sub
}

func (w *world) decide(t testing.TB, userCode string, approve bool) error {
	t.Helper()
	return w.device.Answer(t.Context(), auth.DeviceAnswer{Subject: w.alice(t), UserCode: userCode, Approve: approve, Remote: "198.51.100.7"})
}

// says checks an error of the token end-point in both of its dialects.
func (a answer) says(t testing.TB, what string, status int, code string) {
	t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Errors      []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%s: %v in %s", what, err, a.body)
	}
	if a.status != status || body.Error != code || body.Description == "" || len(body.Errors) != 1 || body.Errors[0].Message != body.Description {
		t.Errorf("%s answers %d %s, want %d, error %q and the same message in Docker's list", what, a.status, a.body, status, code)
	}
}

func TestDeviceLogin(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t, "scope", "repository:team/app:pull,push repository:secret/app:pull")
	if d.ExpiresIn != 600 || d.Interval != 5 || d.URI != "http://localhost:8080/device" || d.Complete != d.URI+"?user_code="+d.UserCode {
		t.Errorf("device authorization answers %+v", d)
	}
	w.poll(t, d.DeviceCode).says(t, "a poll before anybody decided", 400, "authorization_pending")
	if err := w.decide(t, strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " ")), true); err != nil {
		t.Fatalf("approving = %v", err)
	}
	a := w.poll(t, d.DeviceCode).token(t)
	if got := access(t, a.Token); got != "repository:team/app:pull,push" {
		t.Errorf("the token grants %q, want what was asked for and is allowed", got)
	}
	if c := claims(t, a.Token); c["sub"] != "alice" || c["aud"] != "svc" {
		t.Errorf("the token is for %v at %v, want alice at svc", c["sub"], c["aud"])
	}
	rec := w.memory.last(t)
	if rec.Actor != "alice" || rec.Method != "device_code" || rec.Outcome != audit.Narrowed || rec.Operation != "token" {
		t.Errorf("the record of the token is %+v", rec)
	}
	for _, rt := range w.memory.refresh {
		if rt.ClientID != "helper" || rt.Service != "svc" || rt.Subject != "alice" || rt.Via != "" {
			t.Errorf("the refresh token is %+v", rt)
		}
	}
	w.do(t, "POST", "/service/token", form("grant_type", "refresh_token", "refresh_token", a.RefreshToken, "service", "svc", "client_id", "helper")).token(t)
	w.poll(t, d.DeviceCode).says(t, "a second use", 400, "invalid_grant")
	if err := w.decide(t, d.UserCode, true); !errs.Is(err, errs.NotFound) {
		t.Errorf("approving what is used = %v, want not found", err)
	}
	w.recordsHoldNo(t, d.DeviceCode, d.UserCode, strings.ReplaceAll(d.UserCode, "-", ""))
}

// recordsHoldNo holds that no secret is in the audit trail.
func (w *world) recordsHoldNo(t testing.TB, secrets ...string) {
	t.Helper()
	text, err := json.Marshal(w.memory.records)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(text), s) {
			t.Errorf("the audit trail holds %s: %s", s, text)
		}
	}
}

// The states of RFC 8628 section 3.5: what happens to the code, and what the next poll says.
func TestDevicePoll(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(t *testing.T, w *world, d deviceAnswer)
		pair []string // added to the poll
		code string
	}{
		{name: "pending", code: "authorization_pending"},
		{name: "denied", code: "access_denied", then: func(t *testing.T, w *world, d deviceAnswer) {
			if err := w.decide(t, d.UserCode, false); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "expired", code: "expired_token", then: func(_ *testing.T, w *world, _ deviceAnswer) { w.clock.Advance(10 * time.Minute) }},
		{name: "approved and expired", code: "expired_token", then: func(t *testing.T, w *world, d deviceAnswer) {
			if err := w.decide(t, d.UserCode, true); err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(10 * time.Minute)
		}},
		{name: "another service", code: "invalid_grant", pair: []string{"service", "other"}},
		{name: "its own service", code: "authorization_pending", pair: []string{"service", "svc"}},
		{name: "approver gone", code: "access_denied", then: func(t *testing.T, w *world, d deviceAnswer) {
			if err := w.decide(t, d.UserCode, true); err != nil {
				t.Fatal(err)
			}
			delete(w.users.passwords, "alice")
		}},
		{name: "approver changed", code: "access_denied", then: func(t *testing.T, w *world, d deviceAnswer) {
			if err := w.decide(t, d.UserCode, true); err != nil {
				t.Fatal(err)
			}
			w.users.asOf = w.clock.Now()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.askDevice(t)
			if tt.then != nil {
				tt.then(t, w, d)
			}
			w.poll(t, d.DeviceCode, tt.pair...).says(t, tt.name, 400, tt.code)
			if len(w.memory.refresh) != 0 {
				t.Error("there is a refresh token")
			}
		})
	}
}

func TestDevicePollRefusesOthers(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	if err := w.decide(t, d.UserCode, true); err != nil {
		t.Fatal(err)
	}
	post := func(pairs ...string) answer {
		return w.do(t, "POST", "/service/token", form(append([]string{"grant_type", deviceGrant}, pairs...)...))
	}
	last := d.DeviceCode[len(d.DeviceCode)-1:]
	post("device_code", d.DeviceCode, "client_id", "another").says(t, "another client", 400, "invalid_grant")
	post("device_code", d.DeviceCode).says(t, "no client", 400, "invalid_grant")
	post("device_code", strings.TrimSuffix(d.DeviceCode, last)+"~", "client_id", "helper").says(t, "a mistyped code", 400, "invalid_grant")
	post("device_code", w.askDevice(t).DeviceCode[:28]+d.DeviceCode[28:], "client_id", "helper").says(t, "another one's id", 400, "invalid_grant")
	post("device_code", d.UserCode, "client_id", "helper").says(t, "the user code", 400, "invalid_grant")
	post("client_id", "helper").says(t, "no code", 400, "invalid_grant")
	if rec := w.memory.last(t); rec.Outcome != audit.Refused || rec.Operation != "token" || rec.Method != "device_code" {
		t.Errorf("the record of a refused poll is %+v", rec)
	}
	post("device_code", d.DeviceCode, "client_id", "helper").token(t)
}

// Polling too soon costs five seconds more each time, and nothing is recorded while nobody has decided.
func TestDeviceSlowDown(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	records := len(w.memory.records)
	for _, step := range []struct {
		wait time.Duration
		code string
	}{
		{0, "authorization_pending"},
		{time.Second, "slow_down"},     // 10 s from now on
		{6 * time.Second, "slow_down"}, // 15 s
		{8 * time.Second, "authorization_pending"},
		{10 * time.Second, "slow_down"}, // 20 s
		{20 * time.Second, "authorization_pending"},
	} {
		w.clock.Advance(step.wait)
		w.poll(t, d.DeviceCode).says(t, "a poll after "+step.wait.String(), 400, step.code)
	}
	if n := len(w.memory.records); n != records {
		t.Errorf("polling left %d records, want none", n-records)
	}
}

func TestDevicesAreApart(t *testing.T) {
	w := newWorld(t)
	one := w.askDevice(t)
	if err := w.decide(t, one.UserCode, true); err != nil {
		t.Fatal(err)
	}
	other := w.askDevice(t)
	w.poll(t, other.DeviceCode).says(t, "the device that nobody approved", 400, "authorization_pending")
	w.poll(t, one.DeviceCode).token(t)
}

func TestDeviceCodeIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	if err := w.decide(t, d.UserCode, true); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = w.poll(t, d.DeviceCode) })
	}
	wg.Wait()
	good := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			good++
		}
	}
	if good != 1 || len(w.memory.refresh) != 1 {
		t.Errorf("%d polls got tokens and %d refresh tokens were made, want 1 and 1", good, len(w.memory.refresh))
	}
}

func TestDeviceRequestRefuses(t *testing.T) {
	w := newWorld(t)
	post := func(body string) answer { return w.do(t, "POST", "/service/device_authorization", body) }
	for name, tt := range map[string]struct {
		body, code string
	}{
		"no client":               {form("service", "svc"), "invalid_request"},
		"control characters":      {form("service", "svc", "client_id", "a\nb"), "invalid_request"},
		"no service":              {form("client_id", "helper"), "invalid_request"},
		"an unknown service":      {form("client_id", "helper", "service", "nowhere"), "invalid_request"},
		"a scope that is none":    {form("client_id", "helper", "service", "svc", "scope", "nonsense"), "invalid_scope"},
		"a scope without an end":  {form("client_id", "helper", "service", "svc", "scope", "repository:"+strings.Repeat("a/", 1200)+"a:pull"), "invalid_scope"},
		"a parameter given twice": {form("client_id", "helper", "service", "svc", "service", "other"), "invalid_request"},
	} {
		a := post(tt.body)
		a.says(t, name, 400, tt.code)
		if rec := w.memory.last(t); rec.Operation != "device.request" || rec.Outcome != audit.Refused || rec.Remote == "" {
			t.Errorf("the record of %s is %+v", name, rec)
		}
	}
	if a := w.do(t, "GET", "/service/device_authorization", ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("GET answers %d, want 405", a.status)
	}
	if a := post(form("client_id", "helper", "audience", "svc")); a.status != http.StatusOK {
		t.Errorf("the service as audience answers %d, want 200", a.status)
	}
}

func TestDeviceRequestLimit(t *testing.T) {
	w := newWorld(t)
	for range 100 {
		w.askDevice(t)
	}
	a := w.do(t, "POST", "/service/device_authorization", form("client_id", "helper", "service", "svc"))
	a.says(t, "one more device", 429, "temporarily_unavailable")
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After = %q, want 60", a.header.Get("Retry-After"))
	}
}

func TestDeviceNeedsAudit(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	w.memory.full = true
	w.do(t, "POST", "/service/device_authorization", form("client_id", "helper", "service", "svc")).says(t, "a request without a record", 503, "temporarily_unavailable")
	if err := w.decide(t, d.UserCode, true); !errs.Is(err, errs.Unavailable) {
		t.Errorf("approving without a record = %v, want unavailable", err)
	}
	w.memory.full = false
	w.poll(t, d.DeviceCode).says(t, "a poll after an approval that was not recorded", 400, "authorization_pending")
}

// Nobody approves who is no person, or less than one: the device would get more than they have.
func TestDeviceApprovers(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	alice := w.alice(t)
	robot := alice
	robot.Kind = auth.KindRobot
	for name, sub := range map[string]auth.Subject{
		"nobody": {}, "a robot": robot, "a token that may do less": alice.Bound(auth.Permissions{}, time.Time{}),
	} {
		err := w.device.Answer(t.Context(), auth.DeviceAnswer{Subject: sub, UserCode: d.UserCode, Approve: true})
		if !errs.Is(err, errs.Denied) {
			t.Errorf("approval by %s = %v, want denied", name, err)
		}
		if rec := w.memory.last(t); rec.Outcome != audit.Refused || rec.Operation != "device.approve" {
			t.Errorf("the record of an approval by %s is %+v", name, rec)
		}
	}
	w.poll(t, d.DeviceCode).says(t, "a poll after that", 400, "authorization_pending")
}

func TestDeviceAnswerTwice(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	if err := w.decide(t, d.UserCode, false); err != nil {
		t.Fatal(err)
	}
	if rec := w.memory.last(t); rec.Operation != "device.deny" || rec.Actor != "alice" || rec.Method != "session" || !strings.Contains(rec.Reason, "helper") {
		t.Errorf("the record of a denial is %+v", rec)
	}
	if err := w.decide(t, d.UserCode, true); !errs.Is(err, errs.NotFound) {
		t.Errorf("approving what was denied = %v, want not found", err)
	}
	w.poll(t, d.DeviceCode).says(t, "a poll", 400, "access_denied")
}

// Who tries codes is stopped, with a right one too; others are not.
func TestDeviceUserCodesCantBeTried(t *testing.T) {
	w := newWorld(t)
	d := w.askDevice(t)
	for range 10 {
		if _, err := w.device.Waiting(t.Context(), w.alice(t), "BBBB-BBBB", "198.51.100.7"); !errs.Is(err, errs.NotFound) {
			t.Fatalf("a wrong code = %v, want not found", err)
		}
	}
	if err := w.decide(t, d.UserCode, true); !errs.Is(err, errs.TooMany) {
		t.Errorf("the eleventh code = %v, want too many", err)
	}
	admin, err := w.users.Resolve(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.device.Waiting(t.Context(), admin, d.UserCode, "198.51.100.7")
	if err != nil || c.ClientID != "helper" || c.Remote != "192.0.2.1" || c.Service != "svc" {
		t.Errorf("another person sees %+v, %v, want what waits", c, err)
	}
}

func TestDeviceMetadata(t *testing.T) {
	w := newWorld(t)
	var m struct {
		Device string   `json:"device_authorization_endpoint"`
		Grants []string `json:"grant_types_supported"`
	}
	a := w.do(t, "GET", "/.well-known/oauth-authorization-server", "")
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatal(err)
	}
	if m.Device != "http://localhost:8080/service/device_authorization" || !strings.Contains(strings.Join(m.Grants, " "), deviceGrant) {
		t.Errorf("the metadata says %+v", m)
	}
}

func TestParseUserCode(t *testing.T) {
	for typed, want := range map[string]string{
		"BCDF-GHJK": "BCDFGHJK", "bcdfghjk": "BCDFGHJK", " bc df – gh-jk ": "BCDFGHJK",
		"": "", "BCDF": "", "BCDF-GHJK-L": "", "ABCD-FGHJ": "", "BCDF-GHJ0": "", "ＢCDFGHJK": "", "BCDFGHJ\x00": "", "ſCDFGHJK": "",
	} {
		if got, ok := auth.ParseUserCode(typed); ok != (want != "") || ok && got != want {
			t.Errorf("ParseUserCode(%q) = %q, %v, want %q", typed, got, ok, want)
		}
	}
}

// What is shown can be typed, and nothing else is a code.
func FuzzParseUserCode(f *testing.F) {
	for _, s := range []string{"BCDF-GHJK", "bcdf ghjk", "", "--------", "AEIOU", "BCDF-GHJK-L\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := auth.ParseUserCode(typed)
		if !ok {
			return
		}
		if strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" || len(code) != 8 {
			t.Errorf("ParseUserCode(%q) = %q, want eight letters of the alphabet", typed, code)
		}
		if again, ok := auth.ParseUserCode(auth.FormatUserCode(code)); !ok || again != code {
			t.Errorf("ParseUserCode(FormatUserCode(%q)) = %q, %v, want the same", code, again, ok)
		}
	})
}
