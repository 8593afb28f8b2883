package proxy_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

// TestInside does what the project service does, before both kinds of registries.
func TestInside(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		ctx := t.Context()
		in := proxy.NewInside(d.config.Upstream)
		token := d.token(t, "alice", "repository:team/app:pull,push repository:team/copy:pull,push", 0)
		digest := d.pushImage(t, token, "team/app", "v1")
		for _, reference := range []string{"v1", digest} {
			mediaType, body, err := in.Manifest(ctx, "team/app", reference)
			if err != nil || mediaType != manifestType || digestOf(body) != digest {
				t.Fatalf("Manifest(%s) = %s %s %v, want %s %s", reference, mediaType, digestOf(body), err, manifestType, digest)
			}
			if reference == "v1" {
				must(t, in.PutManifest(ctx, "team/app", "v2", mediaType, body))
				must(t, in.PutManifest(ctx, "team/app", "v0", mediaType, body))
			}
		}
		wantTags(t, in, "", 10, []string{"v0", "v1", "v2"}, false)
		wantTags(t, in, "", 2, []string{"v0", "v1"}, true)
		wantTags(t, in, "v1", 2, []string{"v2"}, false)
		config := []byte(`{"architecture":"amd64","os":"linux"}`)
		got, err := in.Blob(ctx, "team/app", digestOf(config), int64(len(config)))
		if err != nil || !bytes.Equal(got, config) {
			t.Errorf("Blob = %q %v, want %q", got, err, config)
		}
		_, err = in.Blob(ctx, "team/app", digestOf(config), int64(len(config))-1)
		wantKind(t, "Blob that is too long", err, errs.Invalid)
		must(t, in.Mount(ctx, "team/app", "team/copy", digestOf(config)))
		if got, err = in.Blob(ctx, "team/copy", digestOf(config), 1000); err != nil || !bytes.Equal(got, config) {
			t.Errorf("Blob that was mounted = %q %v, want %q", got, err, config)
		}
		wantKind(t, "Mount of nothing", in.Mount(ctx, "team/app", "team/copy", digestOf([]byte("nothing"))), errs.NotFound)
		must(t, in.DeleteTag(ctx, "team/app", "v0"))
		wantTags(t, in, "", 10, []string{"v1", "v2"}, false)
		wantKind(t, "DeleteTag of nothing", in.DeleteTag(ctx, "team/app", "v0"), errs.NotFound)
		must(t, in.DeleteManifest(ctx, "team/app", digest))
		_, _, err = in.Manifest(ctx, "team/app", "v1")
		wantKind(t, "Manifest that was deleted", err, errs.NotFound)
		wantKind(t, "DeleteManifest of nothing", in.DeleteManifest(ctx, "team/app", digest), errs.NotFound)
		_, _, err = in.Tags(ctx, "team/none", "", 10)
		wantKind(t, "Tags of nothing", err, errs.NotFound)
		for _, name := range []string{"team/../../x", "team/app/manifests", "Team/app?x=1"} {
			if _, _, err := in.Manifest(ctx, name, "v 1"); !errs.Is(err, errs.NotFound) {
				t.Errorf("Manifest(%q) = %v, want that there is none", name, err)
			}
		}
	})
}

// TestDigestsOfEmbedded wants those that no tag leads to as well.
func TestDigestsOfEmbedded(t *testing.T) {
	d := open(t, newMint(t), newEmbedded(t))
	in := proxy.NewInside(d.config.Upstream)
	token := d.token(t, "alice", "repository:team/app:pull,push", 0)
	digest := d.pushImage(t, token, "team/app", "v1")
	must(t, in.DeleteTag(t.Context(), "team/app", "v1"))
	got, err := in.Digests(t.Context(), "team/app")
	if err != nil || !slices.Equal(got, []string{digest}) {
		t.Errorf("Digests = %q %v, want %s", got, err, digest)
	}
	_, err = in.Digests(t.Context(), "team/none")
	wantKind(t, "Digests of nothing", err, errs.NotFound)
	m := newMint(t)
	_, err = proxy.NewInside(newSeparate(t, m, newStock(t, m).URL)).Digests(t.Context(), "team/app")
	wantKind(t, "Digests of a separate registry", err, errs.Unsupported)
}

// TestInsideOfOldRegistry answers as a registry 2.8 does, and as one that keeps blobs in an object store.
func TestInsideOfOldRegistry(t *testing.T) {
	var withToken bool
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		withToken = r.Header.Get("Authorization") != ""
		_, _ = w.Write([]byte("blob"))
	}))
	defer storage.Close()
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			_, _ = w.Write([]byte(`{"name":"team/app","tags":["c","a","d","b"]}`))
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(w, r, storage.URL+"/there", http.StatusTemporaryRedirect)
		case r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/tag"):
			w.WriteHeader(http.StatusBadRequest)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Content-Type", manifestType)
			_, _ = w.Write([]byte("not what was asked for"))
		}
	}))
	defer old.Close()
	in := proxy.NewInside(newSeparate(t, newMint(t), old.URL))
	ctx := t.Context()
	wantTags(t, in, "", 3, []string{"a", "b", "c"}, true)
	wantTags(t, in, "aa", 3, []string{"b", "c", "d"}, false)
	got, err := in.Blob(ctx, "team/app", digestOf([]byte("blob")), 100)
	if err != nil || string(got) != "blob" || withToken {
		t.Errorf("Blob elsewhere = %q %v, with a token %v, want the blob without one", got, err, withToken)
	}
	_, err = in.Blob(ctx, "team/app", digestOf([]byte("other")), 100)
	wantKind(t, "Blob of another digest", err, errs.Unavailable)
	_, _, err = in.Manifest(ctx, "team/app", digestOf([]byte("other")))
	wantKind(t, "Manifest of another digest", err, errs.Unavailable)
	for what, err := range map[string]error{"DeleteTag": in.DeleteTag(ctx, "team/app", "tag"), "DeleteManifest": in.DeleteManifest(ctx, "team/app", digestOf(nil))} {
		wantKind(t, what, err, errs.Unsupported)
		if e := errs.As(err); e.Hint == "" {
			t.Errorf("%s has no hint", what)
		}
	}
	old.Close()
	_, _, err = in.Tags(context.WithoutCancel(ctx), "team/app", "", 3)
	wantKind(t, "Tags of a registry that is down", err, errs.Unavailable)
}

func wantTags(t *testing.T, in *proxy.Inside, last string, n int, want []string, wantMore bool) {
	t.Helper()
	got, more, err := in.Tags(t.Context(), "team/app", last, n)
	if err != nil || !slices.Equal(got, want) || more != wantMore {
		t.Errorf("Tags(%q, %d) = %q %v %v, want %q %v", last, n, got, more, err, want, wantMore)
	}
}

func wantKind(t *testing.T, what string, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("%s = %v, want the kind %v", what, err, kind)
	}
}
