package job

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Masked is what is shown in place of a secret. Sent back, it means the one that is kept.
const Masked = "*****"

// clip quotes what a client sent, shortened.
func clip(s string) string { return strconv.Quote(auth.Presented(s)) }

// checkURL refuses what is no address of a web server. Secrets do not belong into it: addresses are shown.
func checkURL(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > 2048 {
		return nil, errs.New(errs.Invalid, "%s is no URL of http or https", what).WithHint("write https://host.example.com")
	}
	if u.User != nil {
		return nil, errs.New(errs.Invalid, "%s has a user in it", what).WithHint("addresses are shown to others: give the credential in its own field")
	}
	if u.Fragment != "" {
		return nil, errs.New(errs.Invalid, "%s has a part after a #", what).WithHint("leave it away")
	}
	return u, nil
}

// Origin is scheme, host and port of a URL, or "" for what is none.
func Origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// SameOrigin reports whether two addresses are of one server, so that it may be told a secret that the other was told.
func SameOrigin(a, b string) bool { return Origin(a) != "" && Origin(a) == Origin(b) }

// CheckName refuses names that people can't tell apart by looking at them.
func CheckName(what, name string) error {
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unseen) || len([]rune(name)) > 255 {
		return errs.New(errs.Invalid, "%s can't be the name of %s", clip(name), what).WithHint("use 1 to 255 visible characters")
	}
	return nil
}
