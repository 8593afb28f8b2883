package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

//go:embed templates
var templateFiles embed.FS

// views are the templates, each with the frame around it.
type views map[string]*template.Template

const frame = "frame"

// parts are what pages have in common: they are no pages.
func parts() []string { return []string{frame, "ask"} }

// newViews reads every file in templates: each defines "content", and the frame goes around it.
func newViews(asset func(string) (string, error)) (views, error) {
	funcs := template.FuncMap{"asset": asset, "when": when}
	around := template.New(frame).Funcs(funcs)
	for _, part := range parts() {
		if _, err := around.ParseFS(templateFiles, "templates/"+part+".html"); err != nil {
			return nil, err
		}
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := views{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if slices.Contains(parts(), name) {
			continue
		}
		copied, err := around.Clone()
		if err != nil {
			return nil, err
		}
		if all[name], err = copied.ParseFS(templateFiles, file); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// when is how pages show a time.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}

// shown is what a template gets.
type shown struct {
	Title    string
	Who      string // "" when nobody is signed in
	SignedIn bool   // and everything is passed
	CSRF     string // goes into each form as the field csrf
	Next     string // goes into forms as the field next where something came between
	Host     string
	Origin   string
	Problem  *problem
	Notice   string
	Data     any
}

// problem is what went wrong, as a person may see it.
type problem struct{ Message, Hint, RequestID string }

// write sends what a page gave back, or a page that says what went wrong.
func (p *Portal) write(ctx context.Context, v *Visit, a Answer, err error) {
	if err != nil {
		a = Answer{Page: "problem", Problem: err}
	}
	if a.To != "" {
		v.w.Header().Set("Location", a.To)
		v.w.WriteHeader(http.StatusSeeOther)
		return
	}
	status := a.Status
	var wrong *problem
	if a.Problem != nil {
		wrong, status = p.problem(ctx, v, a.Problem)
		if err != nil {
			a.Title = http.StatusText(status)
		}
	}
	if status == 0 {
		status = http.StatusOK
	}
	body, err := p.render(v, a, wrong)
	if err != nil {
		p.Log.Error("a page can't be shown", "page", a.Page, "error", err, "request_id", v.RequestID)
		http.Error(v.w, "this page can't be shown", http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) //nolint:gosec // html/template escaped it; the client is gone if this fails; net/http drops the body of a HEAD
}

func (p *Portal) render(v *Visit, a Answer, wrong *problem) ([]byte, error) {
	view, ok := p.views[a.Page]
	if !ok {
		return nil, fmt.Errorf("there is no template %q", a.Page)
	}
	var b bytes.Buffer
	err := view.ExecuteTemplate(&b, frame, shown{
		Title: a.Title, Who: v.Subject.Name, SignedIn: v.SignedIn(), CSRF: v.formToken(), Next: v.Next(),
		Host: v.Origin.Host, Origin: v.Origin.String(), Problem: wrong, Notice: a.Notice, Data: a.Data,
	})
	return b.Bytes(), err
}

// problem says what may be said of an error, and logs the rest.
func (p *Portal) problem(ctx context.Context, v *Visit, err error) (*problem, int) {
	e, status := errs.As(err), httpx.Status(err)
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden // 401 wants a challenge, which a browser would ask a password for
	}
	shown := &problem{Message: sentence(e.Message), Hint: sentence(e.Hint)}
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level, shown.RequestID = slog.LevelError, v.RequestID
		if status == http.StatusServiceUnavailable {
			level = slog.LevelWarn
		}
	}
	if e.Err != nil && !errors.Is(e.Err, ctx.Err()) {
		p.Log.Log(ctx, level, "page failed", "request_id", v.RequestID, "method", v.Request.Method,
			"path", v.Request.URL.Path, "status", status, "message", e.Message, "cause", e.Err)
	}
	if e.Kind == errs.TooMany || e.Kind == errs.Unavailable {
		after := max(e.After, time.Second)
		v.w.Header().Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
	return shown, status
}

// sentence makes a sentence of a message.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.ContainsAny(s[len(s)-1:], ".?!…") {
		s += "."
	}
	return s
}
