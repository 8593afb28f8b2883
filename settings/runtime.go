package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Item is a setting as Harbor's API shows it. The value is a bool, an int64, a string or an object.
type Item struct {
	Value    any
	Editable bool
}

// Runtime is what an administrator may change while the server runs, by Harbor's names. What is changed is kept in the
// store; Run sees to it that the other replicas' changes count here. It is safe for concurrent use.
type Runtime struct {
	store store.Configurations
	log   *slog.Logger
	keys  map[string]runtimeKey
	now   atomic.Pointer[map[string]any] // the values that were changed
}

// runtimeKey is one of Harbor's settings.
type runtimeKey struct {
	value any             // when nothing was changed
	where string          // where it is set, if not here
	check func(any) error // nil: any value of its type will do
	mute  bool            // never shown: a secret
}

func (k runtimeKey) editable() bool { return k.where == "" }

// NewRuntime returns the settings over what the file decides. shown are further values by Harbor's names, such as those of
// the sources of users.
func NewRuntime(ctx context.Context, st store.Configurations, cfg Config, shown map[string]any, log *slog.Logger) (*Runtime, error) {
	r := &Runtime{store: st, log: log, keys: runtimeKeys(cfg)}
	for name, value := range shown {
		if k, known := r.keys[name]; known && reflect.TypeOf(value) == reflect.TypeOf(k.value) && !k.editable() {
			k.value = value
			r.keys[name] = k
		}
	}
	return r, r.Refresh(ctx)
}

// Run reads the store at the interval until ctx ends.
func (r *Runtime) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("reading the configuration", "error", err)
			}
		}
	}
}

// Refresh reads what is kept.
func (r *Runtime) Refresh(ctx context.Context) error {
	kept, err := r.store.Configuration(ctx)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	r.use(kept)
	return nil
}

// use puts what is kept in force. What is not understood, or not to be changed any more, does not count.
func (r *Runtime) use(kept map[string]string) {
	values := map[string]any{}
	for name, text := range kept {
		k, known := r.keys[name]
		if !known || !k.editable() {
			continue
		}
		if value, err := k.parse(name, json.RawMessage(text)); err == nil {
			values[name] = value
		}
	}
	r.now.Store(&values)
}

// All returns all settings. Secrets are not among them.
func (r *Runtime) All() map[string]Item {
	items := make(map[string]Item, len(r.keys))
	for name, k := range r.keys {
		if !k.mute {
			items[name] = Item{Value: r.value(name), Editable: k.editable()}
		}
	}
	return items
}

func (r *Runtime) value(name string) any {
	if v, changed := (*r.now.Load())[name]; changed {
		return v
	}
	return r.keys[name].value
}

// Plan is a change that can be made.
type Plan struct {
	Names  []string // what is changed, in the order of names
	values map[string]any
}

// Plan checks a change. Invalid: there is no such setting, it is not set here, or it can't have the value. A setting that
// is to be what it is may be among them, as clients send back what they read.
func (r *Runtime) Plan(fields map[string]json.RawMessage) (Plan, error) {
	p := Plan{values: map[string]any{}}
	for _, name := range sortedKeys(fields) {
		k, known := r.keys[name]
		if !known {
			return Plan{}, errs.New(errs.Invalid, "there is no setting %q", cut(name)).WithHint("%s", nearest(name, r.keys))
		}
		if string(fields[name]) == "null" {
			continue
		}
		value, err := k.parse(name, fields[name])
		if err != nil {
			return Plan{}, err
		}
		switch {
		case !k.mute && reflect.DeepEqual(value, r.value(name)):
			continue
		case !k.editable():
			return Plan{}, errs.New(errs.Invalid, "%s can't be changed here", name).WithHint("%s", k.where)
		}
		p.values[name] = value
		p.Names = append(p.Names, name)
	}
	return p, nil
}

// Change makes a planned change. It counts here when Change returns.
func (r *Runtime) Change(ctx context.Context, p Plan) error {
	kept, err := r.store.UpdateConfiguration(ctx, func(kept map[string]string) error {
		for name, value := range p.values {
			text, err := json.Marshal(value)
			if err != nil {
				return fmt.Errorf("writing %s: %w", name, err)
			}
			kept[name] = string(text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.use(kept)
	return nil
}

// parse reads a value and holds it against the setting's type and rule. Clients write numbers and truth values as text,
// too.
func (k runtimeKey) parse(name string, text json.RawMessage) (any, error) {
	unfit := func() error {
		return errs.New(errs.Invalid, "%s can't have that value", name).WithHint("it is a %s", kindOf(k.value))
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, unfit()
	}
	if s, isText := v.(string); isText {
		if _, wanted := k.value.(string); !wanted && json.Unmarshal([]byte(s), &v) != nil {
			return nil, unfit()
		}
	}
	if n, isNumber := v.(float64); isNumber {
		if n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return nil, unfit()
		}
		v = int64(n)
	}
	if reflect.TypeOf(v) != reflect.TypeOf(k.value) {
		return nil, unfit()
	}
	if k.check != nil {
		return v, k.check(v)
	}
	return v, nil
}

func kindOf(v any) string {
	switch v.(type) {
	case bool:
		return "truth value: true or false"
	case int64:
		return "whole number"
	case string:
		return "text"
	}
	return "JSON object"
}

func cut(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

func (r *Runtime) truth(name string) bool   { v, _ := r.value(name).(bool); return v }
func (r *Runtime) number(name string) int64 { v, _ := r.value(name).(int64); return v }
func (r *Runtime) text(name string) string  { v, _ := r.value(name).(string); return v }

// ReadOnly reports whether nothing may be pushed or deleted.
func (r *Runtime) ReadOnly() bool { return r.truth(keyReadOnly) }

// AdminsCreateProjects reports whether system administrators alone may create projects.
func (r *Runtime) AdminsCreateProjects() bool { return r.text(keyProjectCreation) == adminOnly }

// DefaultStorage is how many bytes a new project may hold when nobody says; 0 is any number.
func (r *Runtime) DefaultStorage() int64 { return max(r.number(keyStorage), 0) }

// QuotasCount reports whether what projects may hold is enforced.
func (r *Runtime) QuotasCount() bool { return r.truth(keyQuotas) }

// Notifies reports whether webhooks are sent.
func (r *Runtime) Notifies() bool { return r.truth(keyNotifications) }

// RobotDays is for how many days a robot lives when its maker does not say; -1 is for ever.
func (r *Runtime) RobotDays() int { return int(r.number(keyRobotDays)) }

// SessionIdle is after how long without doing anything people have to sign in again.
func (r *Runtime) SessionIdle() time.Duration {
	return time.Duration(r.number(keySession)) * time.Minute
}

// Banner is what everybody is told.
func (r *Runtime) Banner() string { return r.text(keyBanner) }

// AuthMode is what Harbor would call where users come from; primary, whether clients should go there at once.
func (r *Runtime) AuthMode() string { return r.text("auth_mode") }

// ProviderName is what the OpenID Connect provider is called; "" for none.
func (r *Runtime) ProviderName() string { return r.text("oidc_name") }

// Names lists all settings, in the order of names.
func (r *Runtime) Names() []string { return slices.Sorted(maps.Keys(r.keys)) }
