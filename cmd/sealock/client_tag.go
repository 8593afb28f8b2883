package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sealock/sealock/api/client"
)

func newTagCommand(env *environment) *cobra.Command {
	return groupCommand("tag", "List, add and delete the tags of images", `  sealock tag list team/app
  sealock tag add team/app:v1 stable
  sealock tag delete team/app:stable`,
		newTagListCommand(env), newTagAddCommand(env), newTagDeleteCommand(env))
}

// tagDetails is a tag with the digest that it stands for.
type tagDetails struct {
	client.Tag

	Digest string `json:"digest"`
}

func newTagListCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list {REPOSITORY | ARTIFACT}", Short: "List tags", Long: "List the tags of a repository, or what else an artifact is called.",
		Example: `  sealock tag list team/app
  sealock tag list team/app:stable --output json`,
		Args: usageArgs(cobra.ExactArgs(1)), ValidArgsFunction: completeRepository(env, 1),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := parseRef(args[0])
		if err != nil {
			return err
		}
		tags, err := s.tags(ctx, ref)
		if err != nil {
			return err
		}
		t := table{head: []string{"TAG", "IMMUTABLE", "PUSHED", "PULLED", "DIGEST"}}
		for _, tag := range tags {
			t.rows = append(t.rows, []string{tag.Name, yesNo(tag.Immutable), day(tag.PushTime), day(tag.PullTime), tag.Digest})
		}
		return s.out.print(tags, t)
	})
}

func newTagAddCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "add ARTIFACT TAG", Short: "Give an artifact one more tag",
		Long: "Give an artifact one more tag, which must be free in its repository: one that stands for something else is deleted first.",
		Example: `  sealock tag add team/app:v1 stable
  sealock tag add team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 v1`,
		Args: usageArgs(cobra.ExactArgs(2)), ValidArgsFunction: completeRepository(env, 1),
	}
	return clientCommand(env, cmd, func(ctx context.Context, s *session, args []string) error {
		ref, err := parseArtifact(args[0])
		if err != nil {
			return err
		}
		if err := s.addTag(ctx, ref, args[1]); err != nil {
			return err
		}
		added := imageRef{project: ref.project, repository: ref.repository, tag: args[1]}
		a, err := s.artifact(ctx, added)
		if err != nil {
			return err
		}
		return s.out.say(a, "%s is called %s now, too", ref, added)
	})
}

func newTagDeleteCommand(env *environment) *cobra.Command {
	return onArtifact(env, &cobra.Command{
		Use: "delete REPOSITORY:TAG", Short: "Take a tag away from an artifact",
		Long:    "Take a tag away from an artifact, which stays, also where it was its last tag: sealock artifact delete deletes it.",
		Example: "  sealock tag delete team/app:stable",
	}, func(ctx context.Context, s *session, ref imageRef) error {
		if ref.tag == "" {
			return usagef("%s names no tag: write %s:TAG", ref, ref.name())
		}
		a, err := s.artifact(ctx, ref)
		if err != nil {
			return err
		}
		if err := done(s.api.DeleteTagWithResponse(ctx, ref.project, ref.path(), a.Digest, ref.tag)); err != nil {
			return err
		}
		return s.out.say(a, "deleted the tag %s; %s@%s stays", ref, ref.name(), a.Digest)
	})
}

func (s *session) addTag(ctx context.Context, ref imageRef, tag string) error {
	return done(s.api.CreateTagWithResponse(ctx, ref.project, ref.path(), ref.reference(), client.NewTag{Name: tag}))
}

// tags lists the tags of an artifact, or of all in a repository.
func (s *session) tags(ctx context.Context, ref imageRef) ([]tagDetails, error) {
	var artifacts []client.Artifact
	var err error
	if ref.reference() == "" {
		artifacts, err = s.artifacts(ctx, ref, "tags=*")
	} else {
		artifacts = make([]client.Artifact, 1)
		artifacts[0], err = s.artifact(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	all := []tagDetails{}
	for _, a := range artifacts {
		tags, err := s.tagsOf(ctx, ref, a)
		if err != nil {
			return nil, err
		}
		for _, t := range tags {
			all = append(all, tagDetails{Tag: t, Digest: a.Digest})
		}
	}
	return all, nil
}

// manyTags is how many tags an artifact comes with; what it has besides is listed on its own.
const manyTags = 100

func (s *session) tagsOf(ctx context.Context, ref imageRef, a client.Artifact) ([]client.Tag, error) {
	if len(a.Tags) < manyTags {
		return a.Tags, nil
	}
	return pages[client.Tag](func(page int64) (answer, error) {
		return s.api.ListTagsWithResponse(ctx, ref.project, ref.path(), a.Digest, &client.ListTagsParams{
			Sort: pointer("name"), Page: &page, PageSize: pointer(largePage), WithImmutableStatus: pointer(true),
		})
	})
}
