package main

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newArtifactCommand(env *environment) *cobra.Command {
	return groupCommand("artifact", "List, copy and delete images and other artifacts", `  sealock artifact list team/app
  sealock artifact copy team/app:v1 prod/app
  sealock artifact delete team/app:v1`,
		newArtifactListCommand(env), newArtifactShowCommand(env), newArtifactCopyCommand(env), newArtifactDeleteCommand(env))
}

func newArtifactListCommand(env *environment) *cobra.Command {
	var narrow artifactFilter
	cmd := &cobra.Command{
		Use: "list REPOSITORY", Short: "List the artifacts of a repository",
		Long: "List the artifacts of a repository, those that were pushed last first.",
		Example: `  sealock artifact list team/app
  sealock artifact list team/app --label stable --output json
  sealock artifact list team/app --untagged`,
	}
	cmd.Flags().StringVar(&narrow.tag, "tag", "", "only artifacts with this in one of their tags")
	cmd.Flags().BoolVar(&narrow.untagged, "untagged", false, "only artifacts without a tag")
	cmd.Flags().StringArrayVar(&narrow.labels, "label", nil, "only artifacts with this label (can be repeated: with all of them)")
	cmd.MarkFlagsMutuallyExclusive("tag", "untagged")
	return onRepository(env, cmd, func(ctx context.Context, s *session, ref imageRef) error {
		q, err := s.artifactQuery(ctx, ref.project, narrow)
		if err != nil {
			return err
		}
		found, err := s.artifacts(ctx, ref, q)
		if err != nil {
			return err
		}
		t := table{head: []string{"TAGS", "KIND", "SIZE", "PUSHED", "PULLED", "LABELS", "DIGEST"}}
		for _, a := range found {
			t.rows = append(t.rows, []string{
				dashed(tagNames(a)), a.Type, sizeText(a.Size), day(a.PushTime), day(a.PullTime), dashed(strings.Join(labelNames(a.Labels), ", ")), a.Digest,
			})
		}
		return s.out.print(found, t)
	})
}

// artifactFilter narrows a list of artifacts.
type artifactFilter struct {
	tag      string
	untagged bool
	labels   []string
}

// artifactQuery writes a filter as the API has it, with the labels' numbers.
func (s *session) artifactQuery(ctx context.Context, project string, f artifactFilter) (string, error) {
	var terms []string
	switch {
	case f.untagged:
		terms = append(terms, "tags=nil")
	case f.tag != "":
		terms = append(terms, "tags=~"+inQuery(f.tag))
	}
	var ids []string
	for _, name := range f.labels {
		l, err := s.labelFor(ctx, project, name)
		if err != nil {
			return "", err
		}
		ids = append(ids, strconv.FormatInt(*l.ID, 10))
	}
	if len(ids) > 0 {
		terms = append(terms, "labels=("+strings.Join(ids, " ")+")")
	}
	return strings.Join(terms, ","), nil
}

func newArtifactShowCommand(env *environment) *cobra.Command {
	return onArtifact(env, &cobra.Command{
		Use: "show ARTIFACT", Short: "Show an artifact", Long: "Show an artifact: its tags and labels, what it is made of and what is about it.",
		Example: `  sealock artifact show team/app:v1
  sealock artifact show team/app:v1 --output json`,
	}, func(ctx context.Context, s *session, ref imageRef) error {
		a, err := s.artifact(ctx, ref)
		if err != nil {
			return err
		}
		t := table{head: []string{"NAME", a.RepositoryName + "@" + a.Digest}, rows: [][]string{
			{"KIND", a.Type},
			{"MEDIA TYPE", a.ManifestMediaType},
			{"SIZE", sizeText(a.Size)},
			{"PUSHED", day(a.PushTime)},
			{"PULLED", day(a.PullTime)},
		}}
		t.add("TAGS", dashed(tagNames(a)))
		t.add("LABELS", dashed(strings.Join(labelNames(a.Labels), ", ")))
		t.add("HOLDS", platforms(a)...)
		for _, other := range a.Accessories {
			t.add("ABOUT IT", other.Digest+" "+other.Type)
		}
		return s.out.print(a, t)
	})
}

// platforms lists what an index holds, and for which machines it is.
func platforms(a client.Artifact) (out []string) {
	for _, child := range a.References {
		text := child.ChildDigest
		if p := child.Platform; p != nil {
			text += " " + path.Join(told(p.Os), told(p.Architecture), told(p.Variant))
		}
		out = append(out, text)
	}
	return out
}

func newArtifactCopyCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "copy ARTIFACT REPOSITORY[:TAG]", Short: "Copy an artifact to another repository",
		Long: `Copy an artifact to another repository with all that it is made of and what is about it, such as signatures. It keeps its
tag, if it was named by one, or gets the one that is given. You have to be allowed to pull it, and to push there.`,
		Example: `  sealock artifact copy team/app:v1 prod/app
  sealock artifact copy team/app:v1-rc3 prod/app:v1
  sealock artifact copy team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 prod/app`,
		Args: usageArgs(cobra.ExactArgs(2)), ValidArgsFunction: completeRepository(env, 2),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		from, err := parseArtifact(args[0])
		if err != nil {
			return err
		}
		to, err := parseRef(args[1])
		if err != nil {
			return err
		}
		if to.digest != "" {
			return usagef("%q has a digest, which is the artifact's own: name the repository, and the tag if it is to be another one", args[1])
		}
		a, err := s.copyArtifact(ctx, from, to)
		if err != nil {
			return err
		}
		return s.out.say(a, "copied %s to %s: %s", from, to, a.Digest)
	})
}

// copyArtifact copies an artifact, and gives it another tag where there is one in to.
func (s *session) copyArtifact(ctx context.Context, from, to imageRef) (client.Artifact, error) {
	retag := to.tag != "" && to.tag != from.tag
	if retag { // a copy by the tag would bring that one along
		a, err := s.artifact(ctx, from)
		if err != nil {
			return client.Artifact{}, err
		}
		from.tag, from.digest = "", a.Digest
	}
	resp, err := s.api.CopyArtifactWithResponse(ctx, to.project, to.path(), &client.CopyArtifactParams{From: from.String()})
	if err := done(resp, err); err != nil {
		return client.Artifact{}, err
	}
	location := resp.HTTPResponse.Header.Get("Location")
	copied, err := digest.Parse(path.Base(location))
	if err != nil {
		return client.Artifact{}, fmt.Errorf("the server says that the copy is at %q, which names no artifact", location)
	}
	there := imageRef{project: to.project, repository: to.repository, digest: copied.String()}
	if retag {
		if err := s.addTag(ctx, there, to.tag); err != nil {
			return client.Artifact{}, fmt.Errorf("%s is there, and has not got the tag: %w", there, err)
		}
	}
	return s.artifact(ctx, there)
}

func newArtifactDeleteCommand(env *environment) *cobra.Command {
	return onArtifact(env, &cobra.Command{
		Use: "delete ARTIFACT", Short: "Delete an artifact with all its tags",
		Long: `Delete an artifact with all its tags and what is about it, such as signatures. To take only one tag away, and keep the
artifact, is sealock tag delete. A tag that a rule of the project makes immutable keeps the artifact.`,
		Example: `  sealock artifact delete team/app:v1
  sealock artifact delete team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
	}, func(ctx context.Context, s *session, ref imageRef) error {
		a, err := s.artifact(ctx, ref)
		if err != nil {
			return err
		}
		// What is told of is what is deleted, also where somebody moves the tag meanwhile.
		if err := done(s.api.DeleteArtifactWithResponse(ctx, ref.project, ref.path(), a.Digest)); err != nil {
			return err
		}
		tags := "which had no tag"
		if len(a.Tags) > 0 {
			tags = "which had the tags " + tagNames(a)
		}
		return s.out.say(a, "deleted %s@%s, %s", a.RepositoryName, a.Digest, tags)
	})
}

// onArtifact makes a command whose one argument is an artifact.
func onArtifact(env *environment, cmd *cobra.Command, fn func(ctx context.Context, s *session, ref imageRef) error) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = usageArgs(cobra.ExactArgs(1)), completeRepository(env, 1)
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := parseArtifact(args[0])
		if err != nil {
			return err
		}
		return fn(ctx, s, ref)
	})
}

func (s *session) artifact(ctx context.Context, ref imageRef) (client.Artifact, error) {
	return decode[client.Artifact](s.api.GetArtifactWithResponse(ctx, ref.project, ref.path(), ref.reference(), &client.GetArtifactParams{
		WithTag: pointer(true), WithLabel: pointer(true), WithAccessory: pointer(true), WithImmutableStatus: pointer(true),
	}))
}

// artifacts lists the artifacts of a repository that a q parameter leaves over.
func (s *session) artifacts(ctx context.Context, ref imageRef, q string) ([]client.Artifact, error) {
	return linkedPages[client.Artifact](func(at position) (answer, http.Header, error) {
		resp, err := s.api.ListArtifactsWithResponse(ctx, ref.project, ref.path(), &client.ListArtifactsParams{
			Q: optional(q), Sort: pointer("-push_time"), Page: &at.page, PageSize: pointer(largePage), After: at.after,
			WithTag: pointer(true), WithLabel: pointer(true), WithImmutableStatus: pointer(true),
		})
		if err != nil {
			return nil, nil, err
		}
		return resp, resp.HTTPResponse.Header, nil
	})
}

// tagNames lists the tags of an artifact.
func tagNames(a client.Artifact) string {
	names := make([]string, len(a.Tags))
	for i, t := range a.Tags {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

// dashed is s, and for nothing a dash.
func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
