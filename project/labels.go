package project

import (
	"context"
	"regexp"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/job"
	"github.com/sealock/sealock/store"
)

// LabelQuery narrows a list of labels.
type LabelQuery struct {
	ProjectID int64  // whose; 0 for the global ones
	Name      string // names that contain this
	Paging
}

// LabelChange is what can be changed about a label.
type LabelChange struct{ Name, Description, Color string }

func (n LabelChange) check() error {
	if err := job.CheckName("a label", n.Name); err != nil {
		return err
	}
	if len([]rune(n.Name)) > 128 {
		return errs.New(errs.Invalid, "the name of the label is longer than 128 characters").WithHint("shorten it")
	}
	if color := regexp.MustCompile(`^(#[0-9A-Fa-f]{3}|#[0-9A-Fa-f]{6})?$`); !color.MatchString(n.Color) {
		return errs.New(errs.Invalid, "the colour %s is none", clip(n.Color)).WithHint("write it as #RRGGBB, such as #FF8800")
	}
	return checkDescription(n.Description)
}

// ListLabels lists labels: the global ones, or those of a project.
func (s *Service) ListLabels(ctx context.Context, c Caller, q LabelQuery) (List[store.Label], error) {
	if err := s.seesLabels(ctx, c, q.ProjectID, "list"); err != nil {
		return List[store.Label]{}, err
	}
	f := q.apply(store.Filter{Name: q.Name, Project: q.ProjectID})
	total, err := s.store.CountLabels(ctx, f)
	return collect(s.store.ListLabels(ctx, f), total, err, asIs)
}

func (s *Service) seesLabels(ctx context.Context, c Caller, projectID int64, action string) error {
	if projectID == 0 {
		return s.require(ctx, c, auth.Access{Resource: "label", Action: action}, "see global labels", askSystemAdmin)
	}
	_, err := s.inProject(ctx, c, Ref{ID: projectID}, "label", action, "see the labels of the project")
	return err
}

// Label returns a label. NotFound: there is none, or its project is not visible to the caller.
func (s *Service) Label(ctx context.Context, c Caller, id int64) (store.Label, error) {
	l, err := s.store.Label(ctx, id)
	if err == nil {
		err = s.seesLabels(ctx, c, l.ProjectID, "read")
	}
	return l, unseenRecord(c, "label", id, err)
}

// CreateLabel makes a global label, or one of a project (0 for none). Conflict: the name is taken there.
func (s *Service) CreateLabel(ctx context.Context, c Caller, projectID int64, n LabelChange) (made store.Label, err error) {
	d := deed{
		operation: "label.create", resource: "label:" + clipped(n.Name), what: "create global labels", remedy: askSystemAdmin,
		access: auth.Access{Resource: "label", Action: "create"},
		check:  func(context.Context) error { return n.check() },
		do: func(ctx context.Context) (err error) {
			made, err = s.store.CreateLabel(ctx, store.Label{Name: n.Name, Description: n.Description, Color: n.Color, ProjectID: projectID})
			return err
		},
	}
	if projectID == 0 {
		err = s.perform(ctx, c, d)
		return made, err
	}
	err = s.onProject(ctx, c, Ref{ID: projectID}, func(p store.Project) deed {
		d.resource = "project:" + p.Name + "/" + d.resource
		d.what = "create labels of project " + strconv.Quote(p.Name)
		d.access.Project = p.Name
		return d
	})
	return made, err
}

// UpdateLabel changes a label; it stays where it belongs.
func (s *Service) UpdateLabel(ctx context.Context, c Caller, id int64, n LabelChange) error {
	return s.onLabel(ctx, c, id, "update", func(context.Context) error { return n.check() }, func(ctx context.Context) error {
		_, err := s.store.UpdateLabel(ctx, id, func(l *store.Label) error {
			l.Name, l.Description, l.Color = n.Name, n.Description, n.Color
			return nil
		})
		return err
	})
}

// DeleteLabel removes a label.
func (s *Service) DeleteLabel(ctx context.Context, c Caller, id int64) error {
	return s.onLabel(ctx, c, id, "delete", nil, func(ctx context.Context) error { return s.store.DeleteLabel(ctx, id) })
}

// onLabel performs a deed on a label. Who can't see its project hears what somebody hears about a label that there is not.
func (s *Service) onLabel(ctx context.Context, c Caller, id int64, action string, check, do func(context.Context) error) error {
	d := deed{
		operation: "label." + action, resource: "label:#" + itoa(id), what: action + " this label", remedy: askSystemAdmin,
		access: auth.Access{Resource: "label", Action: action}, check: check, do: do,
	}
	l, err := s.store.Label(ctx, id)
	var p store.Project
	if err == nil && l.ProjectID != 0 {
		p, err = s.Project(ctx, c, Ref{ID: l.ProjectID})
		d.access.Project, d.remedy = p.Name, askProjectAdmin
	}
	if err == nil {
		d.resource = "label:" + l.Name
		if p.ID != 0 {
			d.resource = "project:" + p.Name + "/" + d.resource
		}
		return s.perform(ctx, c, d)
	}
	unseen := unseenRecord(c, "label", id, err)
	if kind := errs.KindOf(unseen); kind != errs.NotFound && kind != errs.Unauthenticated {
		return unseen
	}
	if recorded := s.record(ctx, c, d, audit.Refused, "it does not exist or is not visible"); recorded != nil {
		return recorded
	}
	return unseen
}
