package acme

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap/zapcore"
)

// bridge lets certmagic log to ours.
type bridge struct{ log *slog.Logger }

// level is lower than certmagic's: what it goes through step by step is for those who look for a fault, and how it ends the
// manager says itself, with what to do.
func level(l zapcore.Level) slog.Level {
	if l >= zapcore.ErrorLevel {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Enabled implements [zapcore.LevelEnabler].
func (b bridge) Enabled(l zapcore.Level) bool { return b.log.Enabled(context.Background(), level(l)) }

// With implements [zapcore.Core].
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{b.log.With(attributes(fields)...)}
}

// Check implements [zapcore.Core].
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return c.AddCore(e, b)
	}
	return c
}

// Write implements [zapcore.Core].
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	b.log.Log(context.Background(), level(e.Level), "acme: "+e.Message, attributes(fields)...) //nolint:sloglint // certmagic's words
	return nil
}

// Sync implements [zapcore.Core].
func (bridge) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	list := make([]any, 0, len(enc.Fields))
	for _, key := range slices.Sorted(maps.Keys(enc.Fields)) {
		list = append(list, slog.Any(key, enc.Fields[key]))
	}
	return list
}
