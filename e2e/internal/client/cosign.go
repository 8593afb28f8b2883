package client

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// cosign signs images that are there already: a push is a signature, a pull is a
// verification, a deletion removes the signature.
func cosign() Driver {
	return Driver{
		Name:  "cosign",
		Tools: []string{"cosign"},
		Login: func(s *Session, user, pass string) Output {
			return s.Run("cosign", "login", s.Host, "--username", user, "--password", pass)
		},
		Push: func(s *Session, ref Ref, content string) Output { return s.cosignSign(ref, content) },
		Pull: func(s *Session, ref Ref, digest string) (Pulled, Output) { return s.cosignVerify(ref, digest) },
		Copy: func(s *Session, src, dst Ref) Output {
			return s.Run("cosign", "copy", "--allow-http-registry", src.String(), dst.String())
		},
		Delete: func(s *Session, ref Ref, digest string) Output {
			return s.Run("cosign", "clean", "--allow-http-registry", "--force", ref.At(digest))
		},
		LoginIsOffline: true,
		Signs:          true,
		Deleted:        func(_ Ref, digest string) string { return signatureTag(digest) },
		Cannot: map[Operation]string{
			Tags: noTags, Catalog: noCatalog, MountDenied: noMemory,
		},
		UseToken: storeToken,
		Shows:    Screens{WrongPassword: "UNAUTHORIZED", Denied: true},
	}
}

// signatureTag is where cosign keeps the signatures of an image.
func signatureTag(digest string) string {
	return strings.Replace(digest, ":", "-", 1) + ".sig"
}

// cosignSign asks nothing outside: no transparency log, no certificate authority.
func (s *Session) cosignSign(ref Ref, content string) Output {
	s.T.Helper()
	image, err := fixture.NewImage(content)
	if err != nil {
		s.T.Fatalf("making an image: %v", err)
	}
	if _, err := os.Stat(s.key("cosign.key")); err != nil {
		if out := s.Run("cosign", "generate-key-pair", "--output-key-prefix", s.key("cosign")); out.Err != nil {
			return out
		}
	}
	return s.Run("cosign", "sign", "--yes", "--allow-http-registry", "--key", s.key("cosign.key"),
		"--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false", ref.At(image.Digest()))
}

func (s *Session) key(name string) string { return filepath.Join(s.Keys, name) }

func (s *Session) cosignVerify(ref Ref, digest string) (Pulled, Output) {
	s.T.Helper()
	out := s.Run("cosign", "verify", "--allow-http-registry", "--key", s.key("cosign.pub"),
		"--insecure-ignore-tlog", "--private-infrastructure", "--new-bundle-format=false", ref.At(digest))
	return Pulled{Digest: firstDigest(out.Stdout)}, out
}
