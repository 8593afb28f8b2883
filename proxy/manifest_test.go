package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/proxy"
)

const (
	ociImage = "application/vnd.oci.image.manifest.v1+json"
	ociIndex = "application/vnd.oci.image.index.v1+json"
	someSHA  = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func TestReadManifest(t *testing.T) {
	image := `{"schemaVersion":2,"config":{"mediaType":"c","digest":"` + someSHA + `","size":0},"layers":[{"digest":"` + someSHA + `","size":1}],"subject":{"digest":"` + someSHA + `","size":2}}`
	m, err := proxy.ReadManifest(ociImage, []byte(image))
	if err != nil || len(m.References()) != 3 {
		t.Errorf("ReadManifest(image) refers to %d, %v, want 3", len(m.References()), err)
	}
	index := `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[{"digest":"` + someSHA + `","size":1}]}`
	if m, err = proxy.ReadManifest(ociIndex, []byte(index)); err != nil || len(m.References()) != 1 {
		t.Errorf("ReadManifest(index) refers to %d, %v, want 1", len(m.References()), err)
	}
}

func TestReadManifestRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"empty":          {``, "no JSON"},
		"cut":            {`{"schemaVersion":2`, "no JSON"},
		"wrong type":     {`{"schemaVersion":2,"layers":{}}`, "layers is a object"},
		"schema 1":       {`{"schemaVersion":1}`, "schemaVersion 1"},
		"both":           {`{"schemaVersion":2,"manifests":[],"layers":[]}`, "an index and an image"},
		"another type":   {`{"schemaVersion":2,"mediaType":"` + ociIndex + `"}`, "sent as"},
		"no digest":      {`{"schemaVersion":2,"config":{"digest":"sha256:x"}}`, "no digest"},
		"negative size":  {`{"schemaVersion":2,"config":{"digest":"` + someSHA + `","size":-1}}`, "no size"},
		"subject digest": {`{"schemaVersion":2,"subject":{"digest":"../x"}}`, "no digest"},
	} {
		_, err := proxy.ReadManifest(ociImage, []byte(tt.body))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ReadManifest() = %v, want kind invalid with %q", name, err, tt.want)
		}
	}
}

// What is read says the same when it is written and read again, and never names what is no digest.
func FuzzReadManifest(f *testing.F) {
	f.Add(ociImage, `{"schemaVersion":2,"config":{"digest":"`+someSHA+`","size":3}}`)
	f.Add(ociIndex, `{"schemaVersion":2,"manifests":[]}`)
	f.Add("", `{"schemaVersion":2}`)
	f.Fuzz(func(t *testing.T, mediaType, body string) {
		first, err := proxy.ReadManifest(mediaType, []byte(body))
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("ReadManifest(%q, %q) fails with %v, want kind invalid", mediaType, body, err)
			}
			return
		}
		for _, d := range first.References() {
			if d.Digest.Validate() != nil {
				t.Fatalf("ReadManifest(%q, %q) lets the digest %q through", mediaType, body, d.Digest)
			}
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := proxy.ReadManifest(first.MediaType, text)
		if err != nil {
			t.Fatalf("ReadManifest(%s), written from %q, fails: %v", text, body, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("ReadManifest(%q) does not survive writing (-first +second):\n%s", body, diff)
		}
	})
}

// A manifest with a fault is refused at the door in words, and a good one gets through byte by byte.
func TestManifestsAreReadAtTheDoor(t *testing.T) {
	eachUpstream(t, func(t *testing.T, d *door) {
		token := d.token(t, "alice", "repository:team/app:pull,push", 0)
		put := func(mediaType, body string) answer {
			return d.do(t, call{method: "PUT", path: "/v2/team/app/manifests/v1", token: token, body: []byte(body), header: map[string]string{"Content-Type": mediaType}})
		}
		for body, want := range map[string]string{
			"{":                   "no JSON",
			`{"schemaVersion":1}`: "schemaVersion 1",
			`{"schemaVersion":2,"manifests":[],"layers":[]}`:               "an index and an image",
			`{"schemaVersion":2,"x":"` + strings.Repeat("x", 4<<20) + `"}`: "longer than 4194304 bytes",
		} {
			a := put(ociImage, body).want(t, "putting a faulty manifest", 400)
			if text := a.text(); !strings.Contains(text, "MANIFEST_INVALID") || !strings.Contains(text, want) {
				t.Errorf("PUT of %.40s answers %s, want MANIFEST_INVALID with %q", body, text, want)
			}
		}
		d.pushImage(t, token, "team/app", "v2")
	})
}
