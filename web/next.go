package web

import (
	"net/url"
	"path"
	"strings"
)

// home is where people go who wanted to go nowhere else.
const home = "/account"

// maxNext is how long a path to come back to may be.
const maxNext = 2000

// localPath returns the path and query that a client asks to be sent to, or home if they could lead anywhere but to
// this server: browsers take \ for /, drop tabs and line ends, and proxies may decode what is encoded.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxNext || !strings.HasPrefix(next, "/") || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return home
	}
	decoded := u.Path
	for range 3 { // what is encoded several times
		if !ownPath(decoded) {
			return home
		}
		more, err := url.PathUnescape(decoded)
		if err != nil || more == decoded {
			break
		}
		decoded = more
	}
	if strings.ContainsFunc(next, unfit) {
		return home
	}
	return next
}

// ownPath reports whether a path is one of a server's own, written in the one way in which nobody reads a host into it.
func ownPath(p string) bool {
	clean := path.Clean(p)
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") && (p == clean || p == clean+"/") && !strings.ContainsFunc(p, unfit)
}

func unfit(c rune) bool { return c == '\\' || c <= ' ' || c >= 0x7f }
