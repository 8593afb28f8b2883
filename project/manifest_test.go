package project_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/project"
)

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	indexType  = "application/vnd.oci.image.index.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
)

func digestOf(s string) string { return digest.FromString(s).String() }

func desc(mediaType, content string) string {
	text, _ := json.Marshal(map[string]any{"mediaType": mediaType, "digest": digestOf(content), "size": len(content)}) // it can't fail
	return string(text)
}

func manifest(tag, mediaType, body string) project.Manifest {
	return project.Manifest{Repository: "team/app", Tag: tag, MediaType: mediaType, Digest: digestOf(body), Body: []byte(body)}
}

func TestKinds(t *testing.T) {
	image := func(config, more string) string {
		return `{"schemaVersion":2,"config":` + desc(config, "{}") + `,"layers":[]` + more + `}`
	}
	list := `{"schemaVersion":2,"manifests":[]`
	about := strings.Replace(digestOf("it"), ":", "-", 1)
	rows := []struct{ tag, mediaType, body, kind string }{
		{"v1", imageType, image(configType, ""), "IMAGE"},
		{"v1", imageType, image("application/vnd.docker.container.image.v1+json", ""), "IMAGE"},
		{"v1", imageType, image("application/vnd.cncf.helm.config.v1+json", ""), "CHART"},
		{"v1", imageType, image("application/vnd.cnab.config.v1+json", ""), "CNAB"},
		{"v1", imageType, image("application/vnd.wasm.config.v1+json", ""), "WASM"},
		{"v1", imageType, image("application/vnd.cncf.model.config.v1+json", ""), "CNAI"},
		{"v1", imageType, image("application/vnd.acme.rocket.config.v1+json", ""), "ROCKET"},
		{"v1", imageType, image("application/vnd.acme.rocket.config.v1.2+json", ""), "UNKNOWN"},
		{"v1", imageType, image("application/vnd.oci.empty.v1+json", `,"artifactType":"application/vnd.cncf.notary.signature"`), "NOTATION"},
		{"v1", imageType, image("application/vnd.oci.empty.v1+json", `,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"`), "COSIGN"},
		{"v1", imageType, image("application/vnd.oci.empty.v1+json", `,"artifactType":"application/spdx+json"`), "SBOM"},
		{"v1", imageType, image("application/vnd.oci.empty.v1+json", `,"artifactType":"text/plain"`), "UNKNOWN"},
		{about + ".sig", imageType, `{"schemaVersion":2,"config":` + desc(configType, "{}") + `,"layers":[` + desc("application/vnd.dev.cosign.simplesigning.v1+json", "sig") + `]}`, "COSIGN"},
		{"v1", indexType, list + `}`, "IMAGE"},
		{"v1", indexType, list + `,"annotations":{"org.opencontainers.artifactType":"application/vnd.cnab.manifest.v1"}}`, "CNAB"},
		{"v1", indexType, list + `,"artifactType":"application/x-y"}`, "UNKNOWN"},
		{about, indexType, list + `}`, "REFERRERS"},
	}
	for _, row := range rows {
		a, _, _, err := project.Describe(manifest(row.tag, row.mediaType, row.body))
		if err != nil || a.Kind != row.kind {
			t.Errorf("Describe(%s).Kind = %s %v, want %s", row.body, a.Kind, err, row.kind)
		}
	}
}

func TestDescribe(t *testing.T) {
	body := `{"schemaVersion":2,"artifactType":"application/x-thing","config":` + desc(configType, "{}") + `,"layers":[` + desc("a/b", "layer") + `,` + desc("a/b", "layer") +
		`,{"mediaType":"foreign","digest":"` + digestOf("far") + `","size":99,"urls":["https://example.com/far"]}],"subject":` + desc(imageType, "it") + `,"annotations":{"a":"1","bad":7,"n":"x\u0000y"}}`
	a, blobs, tag, err := project.Describe(manifest("v1", imageType, body))
	want := int64(len(body) + len("{}") + len("layer"))
	if err != nil || a.Size != want || len(blobs) != 3 || tag != "v1" || a.Subject != digestOf("it") || a.ArtifactType != "application/x-thing" || a.ConfigType != configType {
		t.Errorf("Describe = %+v %v %s %v, want size %d, three blobs, a subject", a, blobs, tag, err, want)
	}
	if a.Annotations["a"] != "1" || a.Annotations["n"] != "xy" || len(a.Annotations) != 2 {
		t.Errorf("annotations = %q, want what is text", a.Annotations)
	}
	for tag, subject := range map[string]string{
		strings.Replace(digestOf("x"), ":", "-", 1):          digestOf("x"),
		strings.Replace(digestOf("x"), ":", "-", 1) + ".sig": digestOf("x"),
		strings.Replace(digestOf("x"), ":", "-", 1) + ".txt": "",
		"sha256-abc": "", "v1": "",
	} {
		a, _, kept, err := project.Describe(manifest(tag, imageType, `{"schemaVersion":2,"layers":[]}`))
		if err != nil || a.Subject != subject || (kept == "") != (subject != "") {
			t.Errorf("Describe with tag %s: subject %q, tag %q %v, want subject %q and a tag only without one", tag, a.Subject, kept, err, subject)
		}
	}
}

func TestExtra(t *testing.T) {
	long := `"` + strings.Repeat("x", 300<<10) + `"`
	rows := []struct{ kind, config, want string }{
		{"IMAGE", `{"os":"linux","architecture":"arm64","author":null,"rootfs":{},"config":{"Env":["A=1"]}}`, `{"architecture":"arm64","config":{"Env":["A=1"]},"os":"linux"}`},
		{"IMAGE", `{"os":"linux","config":{"Cmd":[` + long + `]}}`, `{"os":"linux"}`},
		{"IMAGE", `{"os":` + long + `}`, ``},
		{"CHART", `{"name":"web","version":"1.0.0"}`, `{"name":"web","version":"1.0.0"}`},
		{"CHART", `["no","object"]`, ``},
		{"IMAGE", `no JSON`, ``},
		{"CHART", `null`, ``},
	}
	for _, row := range rows {
		if got := string(project.Extra(row.kind, []byte(row.config))); got != row.want {
			t.Errorf("Extra(%s, %.60s) = %.80s, want %s", row.kind, row.config, got, row.want)
		}
	}
}

// FuzzDescribe wants what is read of any manifest and any config to be such that every database keeps it.
func FuzzDescribe(f *testing.F) {
	f.Add("v1", "application/x", []byte(`{"schemaVersion":2,"config":`+desc(configType, "{}")+`,"layers":[],"annotations":{"a":"b"}}`))
	f.Add("sha256-", "\xff", []byte(`{"manifests":[{"digest":"`+digestOf("")+`","size":-5,"platform":{"os":"\ud800"},"annotations":{"\u0000":"x"}}]}`))
	f.Fuzz(func(t *testing.T, tag, mediaType string, body []byte) {
		m := project.Manifest{Repository: "team/app", Tag: tag, MediaType: mediaType, Digest: digest.FromBytes(body).String(), Body: body}
		a, blobs, kept, err := project.Describe(m)
		if err != nil {
			return
		}
		texts := []string{a.MediaType, a.ArtifactType, a.ConfigType, a.Kind, a.Subject, string(project.Extra(a.Kind, body))}
		for k, v := range a.Annotations {
			texts = append(texts, k, v)
		}
		for _, c := range a.Children {
			texts = append(texts, c.Digest, string(c.Platform))
			if c.Platform != nil && !json.Valid(c.Platform) {
				t.Errorf("platform %q is no JSON", c.Platform)
			}
		}
		for _, s := range texts {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Errorf("Describe(%q) keeps %q", body, s)
			}
		}
		for _, s := range texts[:5] {
			if utf8.RuneCountInString(s) > 255 {
				t.Errorf("Describe(%q) keeps a text of %d characters", body, utf8.RuneCountInString(s))
			}
		}
		var sum int64
		seen := map[string]bool{}
		for _, b := range blobs {
			if b.Size < 0 || seen[b.Digest] {
				t.Errorf("Describe(%q) has blob %+v, want each once", body, b)
			}
			seen[b.Digest] = true
			sum += b.Size
		}
		if !seen[m.Digest] || sum != a.Size || kept != "" && kept != tag {
			t.Errorf("Describe(%q) = size %d, blobs %v, tag %q", body, a.Size, blobs, kept)
		}
		if bytes.Contains(a.Extra, []byte{0}) {
			t.Error("extra holds NUL")
		}
	})
}
