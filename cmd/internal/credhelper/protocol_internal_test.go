package credhelper

import (
	"strings"
	"testing"
)

func TestHostOf(t *testing.T) {
	for server, want := range map[string]string{
		"registry.example.com":           "registry.example.com",
		"registry.example.com:5000":      "registry.example.com:5000",
		"https://Registry.Example.com/":  "registry.example.com",
		"http://127.0.0.1:5000":          "127.0.0.1:5000",
		"https://index.docker.io/v1/":    "index.docker.io",
		"localhost:5000/v2/":             "localhost:5000",
		"quay.io/team":                   "quay.io",
		"[::1]:5000":                     "[::1]:5000",
		" registry.example.com\n":        "registry.example.com",
		"":                               "",
		"https://":                       "",
		"https://user@evil.example":      "",
		"registry.example.com?x=1":       "",
		"registry.example.com#x":         "",
		"regi\nstry":                     "",
		"https://https://x":              "",
		"reg%2Fistry.example.com":        "",
		"ftp://registry.example.com":     "",
		"registry.example.com:port":      "",
		"[fe80::1%25eth0]:5000":          "",
		"registry.example.com\\@evil.io": "",
	} {
		got, err := hostOf(server)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("hostOf(%q) = %q, %v, want %q", server, got, err, want)
		}
	}
}

func TestReadMessage(t *testing.T) {
	for in, want := range map[string]string{
		`{"ServerURL":"https://h","Username":"u","Secret":"s"}`:         "",
		`{"ServerURL":"h","Username":"u","Secret":"s","more":1}` + "\n": "",
		`{"ServerURL":" ","Username":"u","Secret":"canary"}`:            errNoServer.Error(),
		`{"ServerURL":"h","Secret":"canary"}`:                           errNoUsername.Error(),
		`{"ServerURL":"h","Username":"u"}`:                              "no credentials secret",
		`{"ServerURL":"h","Username":"u","Secret":"canary"} and more`:   "standard input is not the JSON",
		`["canary"]`: "standard input is not the JSON",
		``:           "standard input is not the JSON",
		`{"ServerURL":"a@b","Username":"u","Secret":"canary"}`:                                       "is no server of a registry",
		`{"ServerURL":"h","Username":"u","Secret":"` + strings.Repeat("canary", maxInput/6+1) + `"}`: "longer than",
	} {
		m, host, err := readMessage(strings.NewReader(in))
		switch {
		case want == "":
			if err != nil || host != "h" || m.Username != "u" || m.Secret != "s" {
				t.Errorf("readMessage(%s) = %+v, %q, %v, want it read", in, m, host, err)
			}
		case err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary"):
			t.Errorf("readMessage(%.80s) = %v, want %q and nothing of the secret", in, err, want)
		}
	}
}

// What is read is one server's name and holds nothing that a file name, a URL or a list could take for something else.
func FuzzReadMessage(f *testing.F) {
	for _, s := range []string{
		`{"ServerURL":"https://registry.example.com/v2/","Username":"<token>","Secret":"sealock_rt_x"}`,
		`{"ServerURL":"[::1]:5000","Username":"u","Secret":"s"}`, `{"ServerURL":"a@b"}`, `null`, `{`, "\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		m, host, err := readMessage(strings.NewReader(in))
		if err != nil {
			if m.Secret != "" || host != "" {
				t.Errorf("readMessage(%q) = %q with the error %v, want nothing", in, host, err)
			}
			return
		}
		if m.Username == "" || m.Secret == "" || host == "" || strings.ContainsAny(host, "/@?#\\% \t\r\n\x00") {
			t.Errorf("readMessage(%q) = %+v, %q, want a host and all fields", in, m, host)
		}
		if again, err := hostOf(host); err != nil || again != host {
			t.Errorf("hostOf(%q) = %q, %v, want the same", host, again, err)
		}
	})
}

// A server's name in docker's other question is read in the same way.
func FuzzReadServer(f *testing.F) {
	for _, s := range []string{"registry.example.com\n", "https://index.docker.io/v1/", "", "\n", "http://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		asked, host, err := readServer(strings.NewReader(in))
		if err == nil && (asked != strings.TrimSpace(in) || host == "") {
			t.Errorf("readServer(%q) = %q, %q, want what was asked and a host", in, asked, host)
		}
	})
}
