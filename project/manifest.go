package project

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Bounds of what the index keeps of a manifest. What is longer is cut or left out: a registry has taken the manifest, and
// it must be found.
const (
	maxTypeText     = 255
	maxAnnotations  = 64 << 10 // bytes of all keys and values
	maxChildNotes   = 8 << 10
	maxPlatformText = 4 << 10
	maxArtifactSize = 1 << 50 // sums of what clients say must not run over
)

// Kinds of artifacts, as Harbor names them and a few of our own.
const (
	kindImage     = "IMAGE"
	kindChart     = "CHART"
	kindCNAB      = "CNAB"
	kindWASM      = "WASM"
	kindModel     = "CNAI"
	kindCosign    = "COSIGN"
	kindNotation  = "NOTATION"
	kindSBOM      = "SBOM"
	kindReferrers = "REFERRERS" // the list of referrers that clients keep where a registry has none
	kindUnknown   = "UNKNOWN"
)

// descriptor is what a manifest says of something that it refers to.
type descriptor struct {
	MediaType   string          `json:"mediaType"`
	Digest      string          `json:"digest"`
	Size        int64           `json:"size"`
	URLs        []string        `json:"urls"`
	Platform    json.RawMessage `json:"platform"`
	Annotations json.RawMessage `json:"annotations"`
}

// manifestText is a manifest as it is written, image or index.
type manifestText struct {
	MediaType    string          `json:"mediaType"`
	ArtifactType string          `json:"artifactType"`
	Config       *descriptor     `json:"config"`
	Layers       []descriptor    `json:"layers"`
	Manifests    []descriptor    `json:"manifests"`
	Subject      *descriptor     `json:"subject"`
	Annotations  json.RawMessage `json:"annotations"`
}

// described is what the index keeps of a manifest, before anything else is read.
type described struct {
	artifact store.Artifact
	blobs    []store.Blob
	config   *descriptor
	urls     []descriptor // layers that are kept elsewhere, as the manifest says
	children []descriptor
	tag      string // "" where the tag is no name for people
}

// describe reads a manifest that a registry has taken. Invalid: it is none.
func describe(m Manifest) (described, error) {
	var text manifestText
	if err := json.Unmarshal(m.Body, &text); err != nil {
		return described{}, errs.New(errs.Invalid, "manifest %s of %s can't be read", clipped(m.Digest), clipped(m.Repository)).WithHint("push it again").Because(err)
	}
	d := described{config: text.Config, tag: m.Tag}
	a := store.Artifact{Digest: m.Digest, MediaType: keepable(m.MediaType, maxTypeText), Annotations: notes(text.Annotations, maxAnnotations)}
	if text.Config != nil {
		a.ConfigType = keepable(text.Config.MediaType, maxTypeText)
	}
	if a.ArtifactType = keepable(text.ArtifactType, maxTypeText); a.ArtifactType == "" {
		a.ArtifactType = a.ConfigType
	}
	if text.Subject != nil && digest.Digest(text.Subject.Digest).Validate() == nil {
		a.Subject, a.Referrer = text.Subject.Digest, true
	}
	a.Kind = keepable(text.kind(), maxTypeText)
	if about, list := subjectOfTag(m.Tag); about != "" {
		d.tag = ""
		if a.Subject == "" {
			a.Subject = about
		}
		if list && text.Manifests != nil {
			a.Kind, a.Referrer = kindReferrers, false
		}
	}
	d.blobs, a.Size = text.blobs(m)
	for _, layer := range unique(text.Layers) {
		if len(layer.URLs) > 0 {
			d.urls = append(d.urls, layer)
		}
	}
	d.children = unique(text.Manifests)
	for _, c := range d.children {
		a.Children = append(a.Children, store.Child{Digest: c.Digest, Platform: object(c.Platform, maxPlatformText), Annotations: notes(c.Annotations, maxChildNotes)})
	}
	d.artifact = a
	return d, nil
}

// blobs lists what the manifest takes up space with, each once, and their size together.
func (t manifestText) blobs(m Manifest) (blobs []store.Blob, size int64) {
	all := []descriptor{{Digest: m.Digest, Size: int64(len(m.Body))}}
	if t.Config != nil {
		all = append(all, *t.Config)
	}
	for _, layer := range t.Layers {
		if len(layer.URLs) == 0 { // else it is kept elsewhere
			all = append(all, layer)
		}
	}
	for _, b := range unique(all) {
		b.Size = min(max(b.Size, 0), maxArtifactSize-size)
		size += b.Size
		blobs = append(blobs, store.Blob{Digest: b.Digest, Size: b.Size})
	}
	return blobs, size
}

// unique returns each descriptor that has a digest once.
func unique(all []descriptor) []descriptor {
	seen := make(map[string]bool, len(all))
	var once []descriptor
	for _, d := range all {
		if !seen[d.Digest] && digest.Digest(d.Digest).Validate() == nil && len(d.Digest) <= maxTypeText {
			seen[d.Digest] = true
			once = append(once, d)
		}
	}
	return once
}

const (
	cosignLayer   = "application/vnd.dev.cosign.simplesigning.v1+json"
	cosignBundle  = "application/vnd.dev.sigstore.bundle"
	cosignType    = "application/vnd.dev.cosign.artifact."
	emptyConfig   = "application/vnd.oci.empty.v1+json"
	cnabIndexNote = "org.opencontainers.artifactType"
)

// kind is what people call the artifact.
func (t manifestText) kind() string {
	if len(t.Layers) > 0 && t.Layers[0].MediaType == cosignLayer {
		return kindCosign
	}
	names := []string{t.ArtifactType}
	if t.Config != nil {
		names = append(names, t.Config.MediaType)
	}
	if t.Manifests != nil {
		names = append(names, notes(t.Annotations, maxAnnotations)[cnabIndexNote])
	}
	for _, name := range names {
		if k := kindOfType(name); k != "" {
			return k
		}
	}
	if t.Manifests != nil && t.ArtifactType == "" {
		return kindImage
	}
	return kindUnknown
}

// kindOfType names the types that have a name, and others as Harbor does: application/vnd.ORG.NAME.config.v1+json.
func kindOfType(name string) string {
	switch name {
	case "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json":
		return kindImage
	case "application/vnd.cncf.helm.config.v1+json":
		return kindChart
	case "application/vnd.cnab.config.v1+json", "application/vnd.cnab.manifest.v1":
		return kindCNAB
	case "application/vnd.wasm.config.v1+json", "application/vnd.wasm.config.v0+json":
		return kindWASM
	case "application/vnd.cncf.model.config.v1+json":
		return kindModel
	case "application/vnd.cncf.notary.signature":
		return kindNotation
	case "application/spdx+json", "application/vnd.cyclonedx+json":
		return kindSBOM
	}
	if strings.HasPrefix(name, cosignBundle) || strings.HasPrefix(name, cosignType) {
		return kindCosign
	}
	rest, ours := strings.CutPrefix(name, "application/vnd.")
	_, rest, named := strings.Cut(rest, ".")
	rest, isJSON := strings.CutSuffix(rest, "+json")
	i := strings.LastIndex(rest, ".config.")
	if !ours || !named || !isJSON || i < 0 || strings.Contains(rest[i+len(".config."):], ".") {
		return ""
	}
	return strings.ToUpper(rest[:i])
}

// subjectOfTag returns the digest that a tag of the form sha256-… is about. Clients keep signatures under such tags, and
// the list of what refers to an artifact, where a registry has no referrers (OCI distribution specification, "Referrers
// Tag Schema"): list tells that it is the latter. They are no names for people.
func subjectOfTag(tag string) (subject string, list bool) {
	rest, ok := strings.CutPrefix(tag, "sha256-")
	encoded, suffix, _ := strings.Cut(rest, ".")
	d := digest.NewDigestFromEncoded(digest.SHA256, encoded)
	if !ok || d.Validate() != nil || !slices.Contains([]string{"", "sig", "att", "sbom"}, suffix) {
		return "", false
	}
	return d.String(), suffix == ""
}

// notes reads annotations, as far as they are texts and together no longer than most.
func notes(raw json.RawMessage, most int) map[string]string {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	kept := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var value string
		if json.Unmarshal(all[key], &value) != nil {
			continue
		}
		key, value = keepable(key, most), keepable(value, most)
		if most -= len(key) + len(value); most < 0 {
			break
		}
		kept[key] = value
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// object returns JSON that is an object no longer than most bytes, else nil.
func object(raw json.RawMessage, most int) json.RawMessage {
	var any map[string]json.RawMessage
	if len(raw) > most || json.Unmarshal(raw, &any) != nil || any == nil {
		return nil
	}
	return json.RawMessage(keepable(string(raw), most))
}

// keepable makes a text that every database keeps as it is: UTF-8 without NUL, no longer than so many characters.
func keepable(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	n := 0
	for i := range s {
		if n == most {
			return s[:i]
		}
		n++
	}
	return s
}

// Bounds of a config that is read.
const (
	maxConfig = 1 << 20
	maxExtra  = 256 << 10
)

// extra picks from a config what the index keeps; nil for nothing.
func extra(kind string, config []byte) json.RawMessage {
	if kind != kindImage {
		return object(config, maxExtra)
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(config, &all) != nil {
		return nil
	}
	picked := map[string]json.RawMessage{}
	for _, key := range []string{"architecture", "author", "created", "os", "config"} {
		if v, ok := all[key]; ok && string(v) != "null" {
			picked[key] = v
		}
	}
	for range 2 {
		text, err := json.Marshal(picked)
		if err == nil && len(text) <= maxExtra {
			return object(text, maxExtra)
		}
		delete(picked, "config") // mostly the longest
	}
	return nil
}
