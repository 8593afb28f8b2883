package client

import (
	"strings"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// Reasons that several clients share.
const (
	noDelete   = "has no command that deletes at a registry"
	noTags     = "has no command that lists the tags of a repository"
	noCatalog  = "has no command that lists the repositories of a registry"
	noUseToken = "takes no access token from outside, and asks for a new one by itself"
	noMemory   = "remembers no repositories, so it never asks for a mount by itself"
)

func docker() Driver {
	return Driver{
		Name:   "docker",
		Tools:  []string{"docker", "dockerd", "containerd"},
		Engine: true,
		Login: func(s *Session, user, pass string) Output {
			return s.RunWith(pass, "docker", "login", "--username", user, "--password-stdin", s.Host)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			rootfs := fixture.RootfsTar(s.T, s.Fresh("rootfs.tar"), content)
			return s.Steps(
				[]string{"docker", "import", rootfs, ref.String()},
				[]string{"docker", "push", ref.String()},
			)
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			s.Run("docker", "image", "rm", "--force", ref.String())
			out := s.Run("docker", "pull", ref.String())
			return Pulled{Digest: firstDigest(out.Text)}, out
		},
		Copy:    tagAndPush("docker"),
		Remount: again(tagAndPush("docker")),
		Cannot: map[Operation]string{
			Delete: noDelete, Tags: noTags, Catalog: noCatalog,
		},
		UseToken: storeToken,
		Shows:    Screens{WrongPassword: "unauthorized", Denied: true},
	}
}

// tagAndPush copies by giving a local image another name.
func tagAndPush(command ...string) func(*Session, Ref, Ref) Output {
	return func(s *Session, src, dst Ref) Output {
		return s.Steps(
			append(command[:len(command):len(command)], "tag", src.String(), dst.String()),
			append(command[:len(command):len(command)], "push", dst.String()),
		)
	}
}

// again makes a Remount of a Copy: the image lies in a local store that remembers
// where it has been.
func again(cp func(*Session, Ref, Ref) Output) func(*Session, Ref, Ref, string) Output {
	return func(s *Session, src, dst Ref, _ string) Output { return cp(s, src, dst) }
}

func ctr() Driver {
	return Driver{
		Name:   "ctr",
		Tools:  []string{"ctr", "containerd"},
		Engine: true,
		Push: func(s *Session, ref Ref, content string) Output {
			layout := fixture.LayoutTar(s.T, s.Fresh("image.tar"), ref.String(), content)
			if out := s.ctr("images", "import", "--snapshotter", "native", layout); out.Err != nil {
				return out
			}
			return s.ctrRemote("push", ref)
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			s.ctr("images", "rm", "--sync", ref.String())
			out := s.ctrRemote("pull", ref)
			if out.Err != nil {
				return Pulled{}, out
			}
			return Pulled{Digest: s.ctrDigest(ref)}, out
		},
		Copy:    ctrCopy,
		Remount: again(ctrCopy),
		Shows:   Screens{WrongPassword: "unauthorized"}, // the status of a refused push, without its message
		Cannot: map[Operation]string{
			Login:  "keeps no login: user and password come with every command",
			Delete: noDelete, Tags: noTags, Catalog: noCatalog, Expired: noUseToken,
		},
	}
}

// ctr runs containerd's own client, in a namespace of the session.
func (s *Session) ctr(args ...string) Output {
	s.T.Helper()
	return s.Run(append([]string{"ctr", "--address", s.engines.Containerd, "--namespace", s.namespace()}, args...)...)
}

// namespace is the last part of the folder's name, which is the session's own.
func (s *Session) namespace() string {
	return s.Dir[strings.LastIndexByte(s.Dir, '-')+1:]
}

// ctrRemote runs a command that speaks to the registry.
func (s *Session) ctrRemote(command string, ref Ref) Output {
	s.T.Helper()
	args := []string{"images", command, "--plain-http"}
	if s.User != "" {
		args = append(args, "--user", s.User+":"+s.Pass)
	}
	if s.Refresh != "" {
		args = append(args, "--refresh", s.Refresh)
	}
	if command == "pull" {
		args = append(args, "--snapshotter", "native")
	}
	return s.ctr(append(args, ref.String())...)
}

// ctrDigest reads the digest of an image from the third column of the list.
func (s *Session) ctrDigest(ref Ref) string {
	s.T.Helper()
	return firstDigest(s.ctr("images", "ls", "name=="+ref.String()).Stdout)
}

func ctrCopy(s *Session, src, dst Ref) Output {
	if out := s.ctr("images", "tag", src.String(), dst.String()); out.Err != nil {
		return out
	}
	return s.ctrRemote("push", dst)
}
