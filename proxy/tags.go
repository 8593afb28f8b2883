package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sealock/sealock/internal/errs"
)

// mostTags is the largest page of a list of tags, as in a stock registry. Who asks for more gets this and a Link.
const mostTags = 1000

// pagedTags reports whether a page of tags is asked for: sealock cuts it, because a registry before 3.0 can't.
func (v *visit) pagedTags() bool {
	if v.Kind != KindTags || v.r.URL.RawQuery == "" || v.Method != http.MethodGet {
		return false
	}
	query := v.r.URL.Query()
	return query.Has("n") || query.Has("last")
}

// serveTags answers with a page of a repository's tags (OCI distribution specification, "Listing Tags"). They are asked of
// the upstream each time: which ones there are is its to say.
func (g *Gate) serveTags(ctx context.Context, v *visit) error {
	query := v.r.URL.Query()
	n, err := tagsWanted(query)
	if err != nil {
		return err
	}
	// One more tells whether there are more: registries say so of a page that ends with the list, too. More than
	// their own maximum, some refuse.
	tags, more, err := v.to.inside.Tags(ctx, v.Repository, query.Get("last"), min(n+1, mostTags))
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "there is no repository %q", v.Repository).WithHint("push to it first").WithCode("NAME_UNKNOWN").Because(err)
	}
	if err != nil {
		return err
	}
	page := append([]string{}, tags[:min(n, len(tags))]...)
	body, err := json.Marshal(struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{v.Repository, page})
	if err != nil {
		return err
	}
	if (len(tags) > n || more) && len(page) > 0 {
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {page[len(page)-1]}}
		v.w.Header().Set("Link", "<"+v.r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
	}
	v.answer("application/json", append(body, '\n'))
	return nil
}

// tagsWanted reads n. What is no number is an error, as in stock registries.
func tagsWanted(query url.Values) (int, error) {
	if !query.Has("n") {
		return mostTags, nil
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "n=%q is not a number of tags", clip(query.Get("n"))).
			WithHint("ask for 0 or more and follow the Link header").WithCode("PAGINATION_NUMBER_INVALID")
	}
	return min(n, mostTags), nil
}
