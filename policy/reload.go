package policy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sealock/sealock/internal/errs"
)

// Report is what a reload found.
type Report struct {
	Changed  bool // the files were other ones than those in force
	Rules    int
	Members  int // "g" lines
	Findings []Finding
}

// Status is how the policy is doing.
type Status struct {
	Dir         string    // where it is kept
	LoadedAt    time.Time // of the policy in force
	Fingerprint string    // of the policy in force: the same on replicas that have the same policy
	Rules       int
	Members     int // "g" lines

	LastError   string    // why the last load was refused; "" when it was not
	LastErrorAt time.Time // the zero time when there was none
	Findings    []Finding // of the last load
}

// Reload loads the policy anew and puts it in force as a whole. On an error the old one stays in force; an error of
// kind Invalid or NotFound is the policy's fault, and the report's findings have all of it.
func (e *Engine) Reload(ctx context.Context) (Report, error) {
	e.reload.Lock()
	defer e.reload.Unlock()
	src, err := e.read(ctx)
	if err != nil {
		e.refused(ctx, nil, err)
		return Report{}, fmt.Errorf("loading policy: %w", err)
	}
	return e.load(ctx, src, Edit{})
}

// Try says what a reload would find, and changes nothing.
func (e *Engine) Try(ctx context.Context) (Report, error) {
	src, err := e.read(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("reading policy: %w", err)
	}
	g, findings, err := compile(src)
	report := Report{Findings: findings}
	if bad := faults(findings); err == nil && len(bad) > 0 {
		err = refusal(bad)
	}
	if err != nil {
		return report, fmt.Errorf("reading policy: %w", err)
	}
	report.Rules, report.Members, report.Changed = len(g.rules), g.members, g.sum != e.current.Load().sum
	return report, nil
}

// Replace writes a policy to its source and puts it in force, if what is kept there has the fingerprint that the caller
// has seen ("": whatever is there). Precondition: it has another one by now. Invalid: the policy has a fault, of which the
// report has all. Conflict: the source can't be written.
func (e *Engine) Replace(ctx context.Context, t Text, by Edit, seen string) (Report, error) {
	e.reload.Lock()
	defer e.reload.Unlock()
	kept, err := e.read(ctx)
	over := seen
	switch {
	case seen == "":
	case err == nil && kept.fingerprint().String() == seen:
	case seen == e.current.Load().sum.String() && e.refusedLast(kept, err):
		over = "" // nobody can have seen what was never in force
	default:
		return Report{}, errs.New(errs.Precondition, "the policy was changed since you read it").WithHint("read it again, and make your change to what is there now").Because(err)
	}
	if t.Model == "" {
		t.Model = e.current.Load().text.Model
	}
	src := textSource(t)
	_, findings, err := compile(src)
	if bad := faults(findings); err == nil && len(bad) > 0 {
		err = refusal(bad)
	}
	if err != nil {
		return Report{Findings: findings}, fmt.Errorf("reading policy: %w", err)
	}
	if err := e.source.Write(ctx, t, over, by); err != nil {
		return Report{}, err
	}
	return e.load(ctx, src, by)
}

// refusedLast reports whether what the source holds was not put in force, because it has a fault or can't be read.
func (e *Engine) refusedLast(kept source, err error) bool {
	if err != nil {
		return true
	}
	_, findings, err := compile(kept)
	return err != nil || len(faults(findings)) > 0
}

// read reads the source.
func (e *Engine) read(ctx context.Context) (source, error) {
	if err := ctx.Err(); err != nil {
		return source{}, err
	}
	t, err := e.source.Read(ctx)
	if err != nil {
		return source{}, err
	}
	return source{model: []byte(t.Model), rules: []byte(t.Rules), file: PolicyFile}, nil
}

// load puts a policy in force. The caller holds e.reload.
func (e *Engine) load(ctx context.Context, src source, by Edit) (Report, error) {
	sum := src.fingerprint()
	e.mu.Lock()
	e.tried = sum
	e.mu.Unlock()

	g, findings, err := compile(src)
	report := Report{Findings: findings}
	if bad := faults(findings); err == nil && len(bad) > 0 {
		err = refusal(bad)
	}
	if err != nil {
		e.refused(ctx, findings, err)
		return report, fmt.Errorf("loading policy: %w", err)
	}
	report.Rules, report.Members = len(g.rules), g.members
	old := e.current.Swap(g)
	report.Changed = old == nil || old.sum != sum
	e.accepted(ctx, g, findings)
	e.loaded(ctx, g.text, by)
	return report, nil
}

// refused notes and logs why a policy is not put in force.
func (e *Engine) refused(ctx context.Context, findings []Finding, err error) {
	e.mu.Lock()
	e.status.LastError, e.status.LastErrorAt, e.status.Findings = err.Error(), time.Now(), findings
	e.mu.Unlock()
	if e.current.Load() == nil {
		return // Open returns the error, and nothing else is in force
	}
	e.log.Error("policy refused, the one before stays in force", "source", e.source.String(), "error", err)
	e.logFindings(ctx, slog.LevelError, faults(findings))
}

func (e *Engine) accepted(ctx context.Context, g *generation, findings []Finding) {
	e.mu.Lock()
	e.status = Status{
		Dir: e.source.String(), LoadedAt: g.loadedAt, Fingerprint: g.sum.String(),
		Rules: len(g.rules), Members: g.members, Findings: findings,
	}
	e.mu.Unlock()
	e.log.Info("policy loaded", "source", e.source.String(), "rules", len(g.rules), "members", g.members)
	e.logFindings(ctx, slog.LevelWarn, findings)
}

// logFindings logs the first of the findings: a file that was made by a program may have a hundred thousand.
func (e *Engine) logFindings(ctx context.Context, level slog.Level, findings []Finding) {
	const most = 10
	for i, f := range findings {
		if i == most {
			e.log.Log(ctx, level, "policy has more findings, sealock policy check lists them", "more", len(findings)-most)
			return
		}
		e.log.Log(ctx, level, "policy finding", "at", f.At(), "what", f.What, "remedy", f.Remedy)
	}
}

// Status returns how the policy is doing.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

// Text returns the policy in force, which is not what the files hold when their last change was refused.
func (e *Engine) Text() Text { return e.current.Load().text }
