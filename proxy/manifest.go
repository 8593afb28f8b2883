package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sealock/sealock/internal/errs"
)

// maxManifest is the largest manifest that registries take, in bytes (OCI distribution specification, "Pushing
// Manifests"). It is the only body that the door reads: blobs are streamed.
const maxManifest = 4 << 20

// Descriptor is what a manifest says of something that it refers to (OCI image specification, "Content Descriptors").
type Descriptor struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

// Manifest is an image manifest or an image index, as far as a registry cares.
type Manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        *Descriptor  `json:"config"`
	Layers        []Descriptor `json:"layers"`
	Manifests     []Descriptor `json:"manifests"`
	Subject       *Descriptor  `json:"subject"`
}

// References lists everything that the manifest refers to, the subject last.
func (m Manifest) References() []Descriptor {
	var all []Descriptor
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	all = append(append(all, m.Layers...), m.Manifests...)
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	return all
}

// ReadManifest reads a manifest of the media type. One that two readers could take for different things is refused: an
// index that is an image too (CVE-2021-41190), or a media type that is not the one it was sent as. The error is of the
// kind Invalid and says where the fault is.
func ReadManifest(mediaType string, body []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return Manifest{}, badManifest("the manifest is no JSON of the right shape (%s)", jsonFault(err))
	}
	isIndex, isImage := m.Manifests != nil, m.Config != nil || m.Layers != nil
	switch {
	case m.SchemaVersion != 2:
		return Manifest{}, badManifest("the manifest has schemaVersion %d, not 2", m.SchemaVersion)
	case isIndex && isImage:
		return Manifest{}, badManifest("the manifest is an index and an image at once")
	case m.MediaType != "" && m.MediaType != mediaType:
		return Manifest{}, badManifest("the manifest says it is %q and is sent as %q", clip(m.MediaType), clip(mediaType))
	}
	for _, d := range m.References() {
		if err := d.Digest.Validate(); err != nil || d.Size < 0 {
			return Manifest{}, badManifest("the manifest refers to %q with size %d, which is no digest or no size", clip(string(d.Digest)), d.Size)
		}
	}
	return m, nil
}

// jsonFault names the place of a fault without quoting what was sent.
func jsonFault(err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.Field + " is a " + e.Value
	}
	return "it ends early"
}

func badManifest(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).WithHint("push it with a client that makes OCI or Docker v2 manifests").WithCode("MANIFEST_INVALID")
}

// knownManifest reports whether the door understands the media type. Others are left to the registry to judge.
func knownManifest(mediaType string) bool {
	switch mediaType {
	case "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json":
		return true
	}
	return false
}

// manifestSent is the manifest of a push.
type manifestSent struct {
	mediaType string
	digest    string // "" where it was not read
	body      []byte
}

// inspect reads the manifest of a PUT, so that a fault in it is told in words before the registry shrugs, and puts the
// same bytes back for the registry. It returns what was sent, without a body and a digest where it leaves the manifest to
// the registry.
func inspect(r *http.Request) (manifestSent, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !knownManifest(strings.ToLower(mediaType)) {
		return manifestSent{mediaType: mediaType}, nil //nolint:nilerr // what is no media type is the registry's to judge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxManifest+1))
	if err != nil {
		return manifestSent{}, errs.New(errs.Invalid, "the request's body ended early").WithHint("send it again").WithCode("MANIFEST_INVALID").Because(err)
	}
	if len(body) > maxManifest {
		return manifestSent{}, errs.New(errs.Invalid, "the manifest is longer than %d bytes", maxManifest).WithHint("split it, or push what it holds as a blob").WithCode("MANIFEST_INVALID")
	}
	if _, err := ReadManifest(mediaType, body); err != nil {
		return manifestSent{}, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.TransferEncoding = nil
	return manifestSent{mediaType: mediaType, digest: digest.FromBytes(body).String(), body: body}, nil
}
