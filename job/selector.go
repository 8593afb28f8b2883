package job

import (
	"encoding/json"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Words of selectors.
const (
	Doublestar = "doublestar" // the only kind

	TagMatches   = "matches"
	TagExcludes  = "excludes"
	RepoMatches  = "repoMatches"
	RepoExcludes = "repoExcludes"

	ScopeRepository = "repository" // the key of selectors of repositories
)

// MaxTagRules is how many rules a project has at most, of a kind.
const MaxTagRules = 15

// Characters of patterns. No name has others than nameCharacters and slashes, so that nothing has to be escaped.
const (
	nameCharacters    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	patternCharacters = nameCharacters + "/*?{},"
)

// ValidPattern reports whether a text is a pattern of repositories or of tags: it may hold *, **, ?, {a,b} and [a-z].
func ValidPattern(text string) bool {
	const most, alternatives = 512, 4 // each {a,b} doubles what a match can cost
	return text != "" && len(text) <= most && strings.Count(text, "{") <= alternatives && grammatical(text) && doublestar.ValidatePattern(text)
}

// grammatical reports whether a text has no other characters than a pattern's, and within a [class] only those of names:
// the library takes more for valid, and then never matches.
func grammatical(text string) bool {
	for text != "" {
		rest, isClass := strings.CutPrefix(text, "[")
		if !isClass {
			if !strings.Contains(patternCharacters, text[:1]) {
				return false
			}
			text = text[1:]
			continue
		}
		class, after, closed := strings.Cut(rest, "]")
		if strings.HasPrefix(class, "!") || strings.HasPrefix(class, "^") {
			class = class[1:]
		}
		if !closed || class == "" || strings.Trim(class, nameCharacters) != "" {
			return false
		}
		text = after
	}
	return true
}

// Selected reports whether the selectors, which CheckRule let pass, select the name: each of them has to.
func Selected(selectors []store.Selector, name string) bool {
	for _, s := range selectors {
		matches := doublestar.MatchUnvalidated(s.Pattern, name)
		if excludes := s.Decoration == TagExcludes || s.Decoration == RepoExcludes; matches == excludes {
			return false
		}
	}
	return true
}

// CheckSelectors refuses selectors of a rule that can't work: it has to have some of both, tags and repositories.
func CheckSelectors(r store.TagRule) error {
	if len(r.TagSelectors) == 0 {
		return errs.New(errs.Invalid, "the rule has no tag_selectors").
			WithHint(`write "tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"}]`)
	}
	if len(r.ScopeSelectors[ScopeRepository]) == 0 {
		return errs.New(errs.Invalid, "the rule has no scope_selectors of repositories").
			WithHint(`write "scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]}`)
	}
	for scope, selectors := range r.ScopeSelectors {
		if scope != ScopeRepository {
			return errs.New(errs.Invalid, "scope_selectors can't be of %s", clip(scope)).WithHint("the scope is repository")
		}
		for _, s := range selectors {
			if err := checkSelector(s, RepoMatches, RepoExcludes); err != nil {
				return err
			}
		}
	}
	for _, s := range r.TagSelectors {
		if err := checkSelector(s, TagMatches, TagExcludes); err != nil {
			return err
		}
	}
	return nil
}

func checkSelector(s store.Selector, matches, excludes string) error {
	switch {
	case s.Kind != Doublestar:
		return errs.New(errs.Invalid, "there are no selectors of the kind %s", clip(s.Kind)).WithHint("the kind is doublestar")
	case s.Decoration != matches && s.Decoration != excludes:
		return errs.New(errs.Invalid, "the decoration can't be %s here", clip(s.Decoration)).WithHint("write %s or %s", matches, excludes)
	case !ValidPattern(s.Pattern):
		return errs.New(errs.Invalid, "%s is no pattern", clip(s.Pattern)).WithHint("write **, v*, {main,v*} or [0-9]*; at most four {…}")
	case s.Extras == "":
		return nil
	}
	var extras struct {
		Untagged *bool `json:"untagged"`
	}
	if json.Unmarshal([]byte(s.Extras), &extras) != nil || len(s.Extras) > 255 {
		return errs.New(errs.Invalid, "the extras of a selector are no JSON object").WithHint(`write "{\"untagged\":true}", or leave them away`)
	}
	return nil
}
