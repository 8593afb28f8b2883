package job

import (
	"reflect"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Words of retention.
const (
	AlgorithmOr     = "or" // what one rule keeps is kept
	ActionRetain    = "retain"
	TriggerSchedule = "Schedule"
	UnitCount       = "COUNT"
	UnitDays        = "DAYS"
)

// Template is a kind of rule of retention. The number that it takes has its name.
type Template struct {
	Name string
	Text string // # stands for the number
	Unit string // of the number; "" for a template without one
}

// Templates lists the kinds of rules of retention.
func Templates() []Template {
	return []Template{
		{"latestPushedK", "the most recently pushed # artifacts", UnitCount},
		{"latestPulledN", "the most recently pulled # artifacts", UnitCount},
		{"nDaysSinceLastPush", "pushed within the last # days", UnitDays},
		{"nDaysSinceLastPull", "pulled within the last # days", UnitDays},
		{"always", "always", ""},
	}
}

// CheckRetention returns a policy as it is kept, or says what is wrong with it.
func CheckRetention(p store.RetentionPolicy) (store.RetentionPolicy, error) {
	if p.Algorithm == "" {
		p.Algorithm = AlgorithmOr
	}
	if p.TriggerKind == "" {
		p.TriggerKind = TriggerSchedule
	}
	switch {
	case p.Algorithm != AlgorithmOr:
		return p, errs.New(errs.Invalid, "there is no algorithm %s", clip(p.Algorithm)).WithHint("write or")
	case p.TriggerKind != TriggerSchedule:
		return p, errs.New(errs.Invalid, "there is no trigger %s", clip(p.TriggerKind)).WithHint("write Schedule, with an empty cron to start it by hand")
	case len(p.Rules) > MaxTagRules:
		return p, errs.New(errs.Invalid, "there are more than %d rules", MaxTagRules).WithHint("widen one with a pattern such as {a,b}")
	case p.Cron != "":
		if err := CheckCron(p.Cron); err != nil {
			return p, err
		}
	}
	rules := make([]store.TagRule, len(p.Rules))
	for i, r := range p.Rules {
		if r.Action == "" {
			r.Action = ActionRetain
		}
		if err := checkRetentionRule(r); err != nil {
			return p, err
		}
		for _, other := range rules[:i] {
			if sameRule(other, r) {
				return p, errs.New(errs.Invalid, "the rule number %d stands there twice", i+1).WithHint("write it once")
			}
		}
		rules[i] = r
	}
	p.Rules = rules
	return p, nil
}

func sameRule(a, b store.TagRule) bool {
	b.ID, b.Priority, b.Disabled = a.ID, a.Priority, a.Disabled
	return reflect.DeepEqual(a, b)
}

func checkRetentionRule(r store.TagRule) error {
	if r.Action != ActionRetain {
		return errs.New(errs.Invalid, "there is no action %s", clip(r.Action)).WithHint("write retain")
	}
	for _, t := range Templates() {
		if t.Name != r.Template {
			continue
		}
		if err := t.check(r.Params); err != nil {
			return err
		}
		return CheckSelectors(r)
	}
	return errs.New(errs.Invalid, "there is no template %s", clip(r.Template)).WithHint("GET /api/v2.0/retentions/metadatas lists what there is")
}

// check refuses parameters that are not the template's.
func (t Template) check(params map[string]int64) error {
	const most = 1_000_000
	for name := range params {
		if t.Unit == "" || name != t.Name {
			return errs.New(errs.Invalid, "the template %s has no parameter %s", t.Name, clip(name)).WithHint("leave it away")
		}
	}
	if t.Unit == "" {
		return nil
	}
	if n := params[t.Name]; n < 1 || n > most {
		return errs.New(errs.Invalid, "the template %s needs its number, from 1 to %d", t.Name, most).WithHint(`write "params":{%q:7}`, t.Name)
	}
	return nil
}
