package main

import (
	"testing"
)

func TestNextPage(t *testing.T) {
	t.Parallel()
	type want struct {
		page, after int64
		more        bool
	}
	for header, w := range map[string]want{
		"": {},
		`</api/v2.0/repositories?page=1&page_size=100>; rel="prev"`:                                                                     {},
		`</api/v2.0/repositories?page=1&page_size=100>; rel="prev" , </api/v2.0/repositories?after=7&page=3&page_size=100>; rel="next"`: {3, 7, true},
		`</api/v2.0/projects/a/repositories/b%252Fc/artifacts?page=2>; rel="next"`:                                                      {2, 0, true},
		`<?page=x>; rel="next"`:    {},
		`<%zz?page=2>; rel="next"`: {},
	} {
		at, more := nextPage(header)
		got := want{more: more}
		if more {
			got.page = at.page
		}
		if at.after != nil {
			got.after = *at.after
		}
		if got != w {
			t.Errorf("nextPage(%q) = %+v, want %+v", header, got, w)
		}
	}
}
