package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/client"
	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/need"
)

// TestReferrers attaches to an image and signs it with clients that ask the registry for
// referrers, TestReferrers/<registry>: they find what they attached, and keep no list of
// their own under a tag. With crane and oras, a tag goes alone.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"docker", "crane", "oras", "cosign"} {
		need.Tool(t, name)
	}
	for _, r := range rows() {
		if r.plugin {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			site := r.start(t)
			d := &desk{client.NewSession(t, site.host, client.Engines{}), driver(t, "crane")}
			must(t, d.login(alice, alicePassword))
			attachAndSign(t, d)
			deleteOneTag(t, d)
		})
	}
}

// said returns what a command that worked says.
func said(t *testing.T, out client.Output) string {
	t.Helper()
	must(t, out)
	return out.Stdout
}

func attachAndSign(t *testing.T, d *desk) {
	t.Helper()
	must(t, d.push("team/referrers"))
	ref := d.ref("team/referrers").String()
	digest := strings.TrimSpace(said(t, d.Run("crane", "digest", "--insecure", ref)))
	at := d.ref("team/referrers").At(digest)
	attach := func(artifactType, content string) string {
		t.Helper()
		file := fixture.File(t, d.Fresh("attached.txt"), content)
		out := said(t, d.Run("oras", "attach", "--plain-http", "--disable-path-validation", "--artifact-type", artifactType, "--format", "json", at, file+":text/plain"))
		var made struct{ Digest string }
		if err := json.Unmarshal([]byte(out), &made); err != nil || made.Digest == "" {
			t.Fatalf("oras attach says %s (%v), want a digest", out, err)
		}
		return made.Digest
	}
	discover := func(flags ...string) string {
		t.Helper()
		args := append([]string{"oras", "discover", "--plain-http", "--distribution-spec", "v1.1-referrers-api", "--format", "json"}, flags...)
		return said(t, d.Run(append(args, at)...))
	}
	sbom, report := attach("application/spdx+json", "an sbom"), attach("application/x-report", "a report")
	if found := discover(); !strings.Contains(found, sbom) || !strings.Contains(found, report) {
		t.Errorf("oras discover = %s, want %s and %s", found, sbom, report)
	}
	if found := discover("--artifact-type", "application/x-report"); strings.Contains(found, sbom) || !strings.Contains(found, report) {
		t.Errorf("oras discover of reports = %s, want %s alone", found, report)
	}
	if out := d.Run("cosign", "generate-key-pair", "--output-key-prefix", d.Keys+"/referrers"); out.Err != nil {
		t.Fatalf("making a key:\n%s", out)
	}
	must(t, d.Run("cosign", "sign", "--yes", "--allow-http-registry", "--key", d.Keys+"/referrers.key", "--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format", at))
	must(t, d.Run("cosign", "verify", "--allow-http-registry", "--key", d.Keys+"/referrers.pub", "--insecure-ignore-tlog", "--private-infrastructure", "--new-bundle-format", at))
	if found := discover(); !strings.Contains(found, "application/vnd.dev.sigstore.bundle") {
		t.Errorf("oras discover after cosign sign = %s, want a signature", found)
	}
	if tags := said(t, d.Run("crane", "ls", "--insecure", d.ref("team/referrers").Name())); strings.TrimSpace(tags) != "1.0.0" {
		t.Errorf("crane ls = %q, want no list of referrers among the tags", tags)
	}
	must(t, d.Run("oras", "manifest", "delete", "--plain-http", "--force", d.ref("team/referrers").At(sbom)))
	if found := discover(); strings.Contains(found, sbom) || !strings.Contains(found, report) {
		t.Errorf("oras discover after a delete = %s, want %s no more", found, sbom)
	}
}

func deleteOneTag(t *testing.T, d *desk) {
	t.Helper()
	name := d.ref("team/referrers").Name()
	for i := range 3 {
		must(t, d.Run("crane", "tag", "--insecure", name+":1.0.0", fmt.Sprint("t", i)))
	}
	must(t, d.Run("crane", "delete", "--insecure", name+":t1"))
	if tags := said(t, d.Run("oras", "repo", "tags", "--plain-http", "--last", "1.0.0", name)); strings.Join(strings.Fields(tags), " ") != "t0 t2" {
		t.Errorf("tags after 1.0.0 when t1 was deleted = %q, want t0 and t2", tags)
	}
	must(t, d.pull("team/referrers"))
}
