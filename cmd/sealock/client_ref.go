package main

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/sealock/sealock/auth"
)

// imageRef names a repository, or an artifact in it: team/app, team/app:v1, team/app@sha256:… and, with a repository that
// is nested, team/a/b/app:v1.
type imageRef struct {
	project    string
	repository string // what follows the project
	tag        string
	digest     string
}

// parseRef reads how people name a repository or an artifact.
func parseRef(arg string) (imageRef, error) {
	name, sum, byDigest := strings.Cut(arg, "@")
	var ref imageRef
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if name, ref.tag = name[:i], name[i+1:]; byDigest {
			return imageRef{}, usagef("%q has a tag and a digest: name the artifact by one of them", arg)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`).MatchString(ref.tag) {
			return imageRef{}, usagef("%q can't be a tag: write it like %s:v1", ref.tag, name)
		}
	}
	if byDigest {
		d, err := digest.Parse(sum)
		if err != nil {
			return imageRef{}, usagef("%q is no digest: write sha256: and 64 digits from 0 to f", sum)
		}
		ref.digest = d.String()
	}
	var ok bool
	ref.project, ref.repository, ok = strings.Cut(name, "/")
	switch {
	case strings.Contains(ref.project, ":"):
		return imageRef{}, usagef("%q has the address of a server in front: begin with the project, and give --server for another server", arg)
	case !ok:
		return imageRef{}, usagef("%q names no repository: write PROJECT/REPOSITORY, such as team/app", arg)
	case !auth.ValidRepository(name):
		return imageRef{}, usagef("%q can't be the name of a repository: write PROJECT/REPOSITORY in lower case, such as team/app", name)
	}
	return ref, nil
}

// parseRepository reads the name of a repository.
func parseRepository(arg string) (imageRef, error) {
	ref, err := parseRef(arg)
	if err == nil && ref.reference() != "" {
		return ref, usagef("%q names an artifact: leave out %s to name its repository", arg, strings.TrimPrefix(arg, ref.name()))
	}
	return ref, err
}

// parseArtifact reads the name of an artifact.
func parseArtifact(arg string) (imageRef, error) {
	ref, err := parseRef(arg)
	if err == nil && ref.reference() == "" {
		return ref, usagef("%q names a repository: add a tag or a digest, such as %s:v1", arg, arg)
	}
	return ref, err
}

// name is the repository's whole name.
func (r imageRef) name() string { return r.project + "/" + r.repository }

// reference is what the API calls the tag or the digest; "" for a repository.
func (r imageRef) reference() string { return r.tag + r.digest }

// path is the repository in a path of the API, which wants it encoded twice. The generated client does it the second time.
func (r imageRef) path() string { return url.PathEscape(r.repository) }

func (r imageRef) String() string {
	switch {
	case r.tag != "":
		return r.name() + ":" + r.tag
	case r.digest != "":
		return r.name() + "@" + r.digest
	}
	return r.name()
}

// completeRepository offers, for each of the first n arguments, projects, and in a project its repositories.
func completeRepository(env *environment, n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		server, _ := cmd.Flags().GetString("server")
		s, err := signIn(cmd.Context(), env, server)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		project, part, inProject := strings.Cut(typed, "/")
		if inProject {
			return repositoryNames(cmd.Context(), s, project, part), cobra.ShellCompDirectiveNoFileComp
		}
		names := projectNames(cmd.Context(), s)
		for i := range names {
			names[i] += "/"
		}
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// repositoryNames offers the names of a project's repositories with part in them.
func repositoryNames(ctx context.Context, s *session, project, part string) []string {
	found, err := s.repositories(ctx, project, part)
	if err != nil {
		return nil
	}
	names := make([]string, len(found))
	for i, r := range found {
		names[i] = r.Name
	}
	return names
}
