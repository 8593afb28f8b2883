package job_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

const answerCanary = "answer-canary"

// serve starts a server that answers /v2/ as said, and with a token for robot and its password at /token.
func serve(t *testing.T, start func(http.Handler) *httptest.Server, v2 func(w http.ResponseWriter, r *http.Request)) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/", v2)
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if !robot(r) || r.FormValue("service") != "registry" {
			http.Error(w, answerCanary, http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, `{"token":"x"}`)
	})
	srv := start(mux)
	t.Cleanup(srv.Close)
	return srv
}

func robot(r *http.Request) bool {
	user, pass, _ := r.BasicAuth()
	return user == "robot" && pass == "right"
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		http.Error(w, answerCanary, code)
	}
}

func basicOnly(w http.ResponseWriter, r *http.Request) {
	if !robot(r) {
		status(401, "WWW-Authenticate", `Basic realm="x"`)(w, r)
	}
}

func bearerOnly(w http.ResponseWriter, r *http.Request) {
	status(401, "WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="registry"`, r.Host))(w, r)
}

func TestPing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v2       func(http.ResponseWriter, *http.Request)
		user     string
		password string
		want     string // a part of the error; "" for none
	}{
		"open":                    {status(200), "", "", ""},
		"basic":                   {basicOnly, "robot", "right", ""},
		"basic, wrong":            {basicOnly, "robot", "wrong", "refuses the credential"},
		"basic, nobody":           {basicOnly, "", "", ""},
		"bearer":                  {bearerOnly, "robot", "right", ""},
		"bearer, wrong":           {bearerOnly, "robot", "wrong", "refuses the credential"},
		"bearer, nobody":          {bearerOnly, "", "", ""},
		"no registry":             {status(404), "robot", "right", "no registry answers"},
		"broken":                  {status(500), "", "", "no registry answers"},
		"no challenge":            {status(401), "robot", "right", "no registry answers"},
		"a file for a realm":      {status(401, "WWW-Authenticate", `Bearer realm="file:///etc/passwd",service="registry"`), "robot", "right", "no registry answers"},
		"a realm with a user":     {status(401, "WWW-Authenticate", `Bearer realm="http://a:b@localhost/token",service="registry"`), "robot", "right", "no registry answers"},
		"to another scheme":       {status(302, "Location", "https://localhost/v2/"), "", "", "no registry answers"},
		"in circles":              {status(302, "Location", "/v2/"), "", "", "no registry answers"},
		"to where secrets are":    {status(302, "Location", "http://169.254.169.254/latest/"), "", "", "no registry answers"},
		"to where secrets are, 6": {status(302, "Location", "http://[fe80::1]/"), "", "", "no registry answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, httptest.NewServer, c.v2)
			err := job.Ping(t.Context(), store.Registry{URL: srv.URL, AccessKey: c.user, AccessSecret: "sealed"}, secret.New(c.password))
			if c.want == "" {
				if err != nil {
					t.Errorf("Ping = %v, want no error", err)
				}
				return
			}
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) || errs.As(err).Hint == "" {
				t.Errorf("Ping = %v, want Invalid with %q and a remedy", err, c.want)
			}
			if strings.Contains(err.Error(), answerCanary) || c.password != "" && strings.Contains(err.Error(), c.password) {
				t.Errorf("Ping = %v, want neither the answer nor the password in it", err)
			}
		})
	}
}

// TestPingAddresses: what is on the link alone is not asked, however it is called.
func TestPingAddresses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fe80::1]", "http://0.0.0.0:1", "http://224.0.0.1", "http://0xa9.0xfe.0xa9.0xfe"} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := job.Ping(ctx, store.Registry{URL: url}, secret.Text{})
		cancel()
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "is no address of a registry") && !strings.Contains(err.Error(), "no such host") && !strings.Contains(err.Error(), "server misbehaving") {
			t.Errorf("Ping(%s) = %v, want it not to be asked", url, err)
		}
	}
}

func TestPingTLS(t *testing.T) {
	t.Parallel()
	srv := serve(t, httptest.NewTLSServer, status(200))
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	for name, c := range map[string]struct {
		registry store.Registry
		good     bool
	}{
		"not known": {store.Registry{URL: srv.URL}, false},
		"known":     {store.Registry{URL: srv.URL, CACertificate: authority}, true},
		"insecure":  {store.Registry{URL: srv.URL, Insecure: true}, true},
	} {
		if err := job.Ping(t.Context(), c.registry, secret.Text{}); (err == nil) != c.good {
			t.Errorf("Ping with a certificate that is %s = %v, want good: %v", name, err, c.good)
		}
	}
	downgrade := serve(t, httptest.NewTLSServer, bearerOnly) // names a place for tokens without TLS
	err := job.Ping(t.Context(), store.Registry{URL: downgrade.URL, Insecure: true, AccessKey: "robot"}, secret.New("right"))
	if err == nil || !strings.Contains(err.Error(), "can be sent to") {
		t.Errorf("Ping whose credential would go in clear = %v, want an error that says so", err)
	}
}

// TestPingEnds: a registry that never answers is not waited for when the caller has gone.
func TestPingEnds(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	srv := serve(t, httptest.NewServer, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	defer close(hang)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- job.Ping(ctx, store.Registry{URL: srv.URL}, secret.Text{}) }()
	cancel()
	if err := <-result; !errs.Is(err, errs.Invalid) {
		t.Errorf("Ping of a caller who has gone = %v, want Invalid", err)
	}
}
