package embedded

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/sirupsen/logrus"
)

// routeLogs sends what the library logs to the process's log. The library takes its logger from nowhere but logrus's
// standard one, which nothing else here uses.
func routeLogs(ctx context.Context, log *slog.Logger) {
	std := logrus.StandardLogger()
	std.SetOutput(io.Discard)
	std.SetFormatter(noFormat{})
	std.SetLevel(level(ctx, log))
	hooks := make(logrus.LevelHooks)
	hooks.Add(logHook{log.With("component", "embedded_registry")})
	std.ReplaceHooks(hooks)
}

// level keeps the library from building lines that nobody reads. It logs several for each request, so its information
// counts as debugging here.
func level(ctx context.Context, log *slog.Logger) logrus.Level {
	if log.Enabled(ctx, slog.LevelDebug) {
		return logrus.InfoLevel
	}
	return logrus.WarnLevel
}

// noFormat saves the work of rendering lines that are discarded.
type noFormat struct{}

func (noFormat) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// logHook passes entries on to slog.
type logHook struct{ log *slog.Logger }

// Levels implements logrus.Hook.
func (logHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (h logHook) Fire(e *logrus.Entry) error {
	attrs := make([]slog.Attr, 0, 2)
	attrs = append(attrs, slog.String("line", e.Message))
	for _, key := range []string{"err.message", "err.detail", "vars.name"} {
		if v, ok := e.Data[key]; ok {
			attrs = append(attrs, slog.Any(key, v))
		}
	}
	h.log.LogAttrs(context.Background(), slogLevel(e), "registry library", attrs...)
	return nil
}

// slogLevel maps levels. What the library calls an error is mostly part of a day's work, such as a blob that a push
// looks for before it uploads it: it carries the code that the client got. The code "unknown" is a failure for real.
func slogLevel(e *logrus.Entry) slog.Level {
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel:
		return slog.LevelError
	case logrus.ErrorLevel:
		if code, told := e.Data["err.code"]; told && fmt.Sprint(code) != "unknown" {
			return slog.LevelDebug
		}
		if detail := e.Data["err.detail"]; detail != nil && strings.Contains(fmt.Sprint(detail), context.Canceled.Error()) {
			return slog.LevelDebug // the client hung up; clouds' libraries wrap it in errors of their own
		}
		return slog.LevelError
	case logrus.WarnLevel, logrus.InfoLevel, logrus.DebugLevel, logrus.TraceLevel:
	}
	return slog.LevelDebug
}
