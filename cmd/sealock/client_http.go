package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealock/sealock/cmd/internal/remote"
)

// remoteServer returns the server at a URL, whose certificate the system or one in caFile vouches for.
func remoteServer(env *environment, serverURL, caFile string) (remote.Server, error) {
	if env.HTTP != nil {
		return remote.Server{URL: serverURL, HTTP: remote.NewHTTP(env.HTTP)}, nil
	}
	var files []string
	if caFile != "" {
		files = append(files, caFile)
	}
	transport, err := remote.Transport(files...)
	if err != nil {
		return remote.Server{}, err
	}
	return remote.Server{URL: serverURL, HTTP: remote.NewHTTP(transport)}, nil
}

// answer is what the generated client returns from every operation.
type answer interface {
	StatusCode() int
	Bytes() []byte
}

// decode reads the object in an answer, or the error that it is.
func decode[T any](a answer, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return remote.Understand[T](a.StatusCode(), a.Bytes())
}

// done waits for the answer of an operation that says nothing but yes or no.
func done(a answer, err error) error {
	_, err = decode[struct{}](a, err)
	return err
}

// largePage is the largest page that the server gives.
const largePage int64 = 100

// pages reads a list to its end.
func pages[T any](fetch func(page int64) (answer, error)) ([]T, error) {
	all := []T{}
	for page := int64(1); ; page++ {
		items, err := decode[[]T](fetch(page))
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); int64(len(items)) < largePage {
			return all, nil
		}
	}
}

// position is where a page of a list begins.
type position struct {
	page  int64
	after *int64 // behind the item with this number, which finds a page far behind at once
}

// linkedPages reads a list to its end by the links in the answers: where the policy hides some of the items, a page that is
// not full is not the last one.
func linkedPages[T any](fetch func(at position) (answer, http.Header, error)) ([]T, error) {
	all := []T{}
	for at, more := (position{page: 1}), true; more; {
		a, head, err := fetch(at)
		items, err := decode[[]T](a, err)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		at, more = nextPage(head.Get("Link"))
	}
	return all, nil
}

// nextPage finds in a Link header where the next page begins.
func nextPage(header string) (position, bool) {
	for link := range strings.SplitSeq(header, ",") {
		target, rel, _ := strings.Cut(link, ";")
		if strings.TrimSpace(rel) != `rel="next"` {
			continue
		}
		u, err := url.Parse(strings.Trim(target, " <>"))
		if err != nil {
			return position{}, false
		}
		page, err := strconv.ParseInt(u.Query().Get("page"), 10, 64)
		at := position{page: page}
		if after, bad := strconv.ParseInt(u.Query().Get("after"), 10, 64); bad == nil {
			at.after = &after
		}
		return at, err == nil
	}
	return position{}, false
}
