package job

import (
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Triggers of replication.
const (
	TriggerManual     = "manual"
	TriggerScheduled  = "scheduled"
	TriggerEventBased = "event_based"
)

// Types of filters of replication.
const (
	FilterName     = "name"
	FilterTag      = "tag"
	FilterLabel    = "label"
	FilterResource = "resource"
)

// resources are what a filter of the type resource can have for a value.
func resources() []string { return []string{"image", "artifact"} }

const maxFilters = 50

// CheckReplication returns a policy as it is kept, or says what is wrong with it. Whether there are such registries is for
// others to say.
func CheckReplication(p store.ReplicationPolicy) (store.ReplicationPolicy, error) {
	if err := CheckName("a replication policy", p.Name); err != nil {
		return p, err
	}
	if (p.SrcRegistryID == 0) == (p.DestRegistryID == 0) {
		return p, errs.New(errs.Invalid, "a replication is between this server and another registry: exactly one of src_registry and dest_registry is to be given").
			WithHint(`write "src_registry":{"id":1} to copy from there, or "dest_registry":{"id":1} to copy to there`)
	}
	if strings.Trim(p.DestNamespace, "/") != p.DestNamespace || p.DestNamespace != "" && !auth.ValidRepository(p.DestNamespace) {
		return p, errs.New(errs.Invalid, "%s can't be the destination", clip(p.DestNamespace)).WithHint("write a project such as mirror, or a part of a path in it such as mirror/library")
	}
	if p.DestNamespaceReplaceCount < -1 || p.DestNamespaceReplaceCount > 127 {
		return p, errs.New(errs.Invalid, "dest_namespace_replace_count can't be %d", p.DestNamespaceReplaceCount).WithHint("write how many parts of the name the destination replaces, or -1 for all")
	}
	if p.Speed < -1 {
		return p, errs.New(errs.Invalid, "speed can't be %d", p.Speed).WithHint("write it in KB/s, or -1 for as fast as it goes")
	}
	p, err := checkReplicationTrigger(p)
	if err != nil {
		return p, err
	}
	return p, checkFilters(p.Filters)
}

func checkReplicationTrigger(p store.ReplicationPolicy) (store.ReplicationPolicy, error) {
	switch p.TriggerType {
	case "":
		p.TriggerType = TriggerManual
	case TriggerManual:
	case TriggerEventBased:
		if p.SrcRegistryID != 0 {
			return p, errs.New(errs.Invalid, "only what happens on this server can start a replication").WithHint("copy from another registry by a schedule")
		}
	case TriggerScheduled:
		return p, CheckCron(p.Cron)
	default:
		return p, errs.New(errs.Invalid, "there is no trigger %s", clip(p.TriggerType)).WithHint("write manual, scheduled or event_based")
	}
	p.Cron = ""
	return p, nil
}

func checkFilters(filters []store.ReplicationFilter) error {
	if len(filters) > maxFilters {
		return errs.New(errs.Invalid, "there are more than %d filters", maxFilters).WithHint("use wider patterns")
	}
	for _, f := range filters {
		if err := checkFilter(f); err != nil {
			return err
		}
	}
	return nil
}

func checkFilter(f store.ReplicationFilter) error {
	excludes := f.Decoration == TagExcludes
	if f.Decoration != "" && f.Decoration != TagMatches && (!excludes || f.Type != FilterTag && f.Type != FilterLabel) {
		return errs.New(errs.Invalid, "the decoration of a filter of the type %s can't be %s", clip(f.Type), clip(f.Decoration)).
			WithHint("write matches, or excludes for tags and labels")
	}
	switch f.Type {
	case FilterName, FilterTag:
		if f.Value != "" && !ValidPattern(f.Value) {
			return errs.New(errs.Invalid, "%s is no pattern", clip(f.Value)).WithHint("write library/**, v* or {main,v*}; at most four {…}")
		}
	case FilterLabel:
		if len(f.Labels) == 0 || len(f.Labels) > maxFilters || slices.Contains(f.Labels, "") {
			return errs.New(errs.Invalid, "a filter of labels has no labels, empty ones or too many").WithHint(`write "value":["stable"]`)
		}
	case FilterResource:
		if f.Value != "" && !slices.Contains(resources(), f.Value) {
			return errs.New(errs.Invalid, "there is no resource %s to replicate", clip(f.Value)).WithHint("write one of %s", strings.Join(resources(), ", "))
		}
	default:
		return errs.New(errs.Invalid, "there is no filter of the type %s", clip(f.Type)).WithHint("write name, tag, label or resource")
	}
	return nil
}
