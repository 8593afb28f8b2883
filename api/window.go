package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/project"
)

// Harbor's page sizes.
const (
	defaultPageSize = 10
	maxPageSize     = 100
	// maxPage keeps the product of both far from overflow.
	maxPage = 1 << 40
)

// window says which page of a list is wanted.
type window struct{ number, size int64 }

func newWindow(number, size *int64) (window, error) {
	w := window{number: 1, size: defaultPageSize}
	if number != nil {
		w.number = *number
	}
	if size != nil {
		w.size = *size
	}
	switch {
	case w.number < 1 || w.number > maxPage:
		return window{}, errs.New(errs.Invalid, "page %d does not exist", w.number).WithHint("pages are counted from 1")
	case w.size < 1:
		return window{}, errs.New(errs.Invalid, "page_size %d is too small", w.size).WithHint("ask for at least 1")
	case w.size > maxPageSize:
		return window{}, errs.New(errs.Invalid, "page_size %d is too large", w.size).WithHint("ask for at most %d and follow Link", maxPageSize)
	}
	return w, nil
}

// paging returns the window as the services take it.
func (w window) paging(sort string) project.Paging {
	return project.Paging{Offset: int((w.number - 1) * w.size), Limit: int(w.size), Sort: sort}
}

// describe sets X-Total-Count and Link (RFC 8288) as Harbor writes them. The next page is the one after the item last,
// where there is one: whoever follows Link finds a page far behind as soon as the first and, in the order of ids, misses
// nothing when what was shown is deleted. Since the number then says nothing of what is left, a full page after an item always
// leads to another one.
func (w window) describe(h http.Header, u *url.URL, total, items int, last int64) {
	h.Set("X-Total-Count", strconv.Itoa(total))
	var links []string
	if w.number > 1 {
		links = append(links, w.link(u, w.number-1, 0, "prev"))
	}
	more := last != 0 && int64(items) == w.size && u.Query().Has("after")
	if more || w.number*w.size < int64(total) {
		links = append(links, w.link(u, w.number+1, last, "next"))
	}
	if len(links) > 0 {
		h.Set("Link", strings.Join(links, " , "))
	}
}

func (w window) link(u *url.URL, number, after int64, rel string) string {
	query := u.Query()
	query.Set("page", strconv.FormatInt(number, 10))
	query.Set("page_size", strconv.FormatInt(w.size, 10))
	query.Del("after")
	if after != 0 {
		query.Set("after", strconv.FormatInt(after, 10))
	}
	return fmt.Sprintf("<%s?%s>; rel=%q", u.EscapedPath(), query.Encode(), rel)
}
