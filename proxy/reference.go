package proxy

import (
	"strings"

	"github.com/sealock/sealock/internal/errs"
)

// checkReference checks the last part of a path. A tag that no registry could hold is unknown rather than wrong: that
// is what registries answer and what the conformance suite asks for.
func (q Request) checkReference() error {
	switch q.Kind {
	case KindManifest:
		if strings.Contains(q.Reference, ":") {
			return checkDigest(q.Reference)
		}
		if !validTag(q.Reference) {
			return errs.New(errs.NotFound, "no manifest can have the tag %q", clip(q.Reference)).
				WithHint("a tag is up to 128 letters, digits, '_', '.' and '-' and starts with none of the last two").WithCode("MANIFEST_UNKNOWN")
		}
	case KindBlob, KindReferrers:
		return checkDigest(q.Reference)
	case KindUpload:
		if !validUploadID(q.Reference) {
			return errs.New(errs.NotFound, "there is no upload %q", clip(q.Reference)).
				WithHint("start one with POST …/blobs/uploads/").WithCode("BLOB_UPLOAD_UNKNOWN")
		}
	case KindBase, KindCatalog, KindTags, KindUploads:
	}
	return nil
}

func checkDigest(s string) error {
	if !validDigest(s) {
		return errDigest(s)
	}
	return nil
}

// validTag: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} (OCI distribution specification, "Pulling manifests").
func validTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !alnum(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// validDigest checks algorithm:encoded (OCI image specification, "Digests"), and the length for the two registered
// algorithms. Which others there are is the registry's business.
func validDigest(s string) bool {
	algorithm, encoded, ok := strings.Cut(s, ":")
	if !ok || len(s) > 256 || !validAlgorithm(algorithm) || encoded == "" {
		return false
	}
	switch algorithm {
	case "sha256":
		return len(encoded) == 64 && lowerHex(encoded)
	case "sha512":
		return len(encoded) == 128 && lowerHex(encoded)
	}
	for i := range len(encoded) {
		if c := encoded[i]; !alnum(c) && c != '=' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// validAlgorithm: [a-z0-9]+ joined by single '+', '.', '_' or '-'.
func validAlgorithm(s string) bool {
	wasSeparator := true
	for i := range len(s) {
		c := s[i]
		isSeparator := strings.IndexByte("+._-", c) >= 0
		if isSeparator && wasSeparator || !isSeparator && (!alnum(c) || c >= 'A' && c <= 'Z') {
			return false
		}
		wasSeparator = isSeparator
	}
	return !wasSeparator
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// validUploadID accepts what registries give out: letters, digits, '-', '_', '.' and '='. It never starts with a dot,
// so it is never a step in a path.
func validUploadID(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alnum(c) && strings.IndexByte("-_.=", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 512 && s[0] != '.'
}

func errNoEndpoint() error {
	return errs.New(errs.NotFound, "this is no end-point of the registry API").
		WithHint("the OCI distribution specification lists them").WithCode("UNSUPPORTED")
}

func errName(name string) error {
	return errs.New(errs.Invalid, "repository name %q is not valid", clip(name)).
		WithHint("a name is lower-case letters and digits, parted by '.', '_', '-' and '/', such as project/name").WithCode("NAME_INVALID")
}

func errDigest(digest string) error {
	return errs.New(errs.Invalid, "digest %q is not valid", clip(digest)).
		WithHint("a digest reads sha256: and 64 digits 0-9 or a-f").WithCode("DIGEST_INVALID")
}

func badQuery(format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, format, args...).WithHint("send each once, and only where the OCI distribution specification has it").WithCode("BLOB_UPLOAD_INVALID")
}

// clip shortens what a client sent before it is quoted in an error.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
