package store

import (
	"context"
	"iter"
	"time"
)

// TagRule says something about the tags that it selects: that they are kept, or can't be changed.
type TagRule struct {
	ID             int64                 `json:"id,omitempty"`
	Priority       int                   `json:"priority,omitempty"`
	Disabled       bool                  `json:"disabled,omitempty"`
	Action         string                `json:"action"`
	Template       string                `json:"template"`
	Params         map[string]int64      `json:"params,omitempty"`
	TagSelectors   []Selector            `json:"tag_selectors,omitempty"`
	ScopeSelectors map[string][]Selector `json:"scope_selectors,omitempty"`
}

// Selector selects names by a pattern.
type Selector struct {
	Kind       string `json:"kind"`
	Decoration string `json:"decoration"`
	Pattern    string `json:"pattern"`
	Extras     string `json:"extras,omitempty"`
}

// ImmutableRule is a rule of a project whose tags, once they are there, stay what they are.
type ImmutableRule struct {
	ID        int64
	ProjectID int64
	Rule      TagRule // ID, Priority and Disabled among it are those of the record
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ImmutableRules keeps the immutable tag rules of projects. One of another project is NotFound. They end with the project.
type ImmutableRules interface {
	// CreateImmutableRule keeps a rule. Precondition: the project has most rules already.
	CreateImmutableRule(ctx context.Context, r ImmutableRule, most int) (ImmutableRule, error)
	ImmutableRule(ctx context.Context, projectID, id int64) (ImmutableRule, error)
	ListImmutableRules(ctx context.Context, projectID int64, f Filter) iter.Seq2[ImmutableRule, error]
	CountImmutableRules(ctx context.Context, projectID int64, f Filter) (int, error)
	// UpdateImmutableRule can't move it to another project.
	UpdateImmutableRule(ctx context.Context, projectID, id int64, fn func(*ImmutableRule) error) (ImmutableRule, error)
	DeleteImmutableRule(ctx context.Context, projectID, id int64) error
}
