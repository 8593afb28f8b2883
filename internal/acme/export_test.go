package acme

import (
	"log/slog"

	"go.uber.org/zap"
)

// For tests.
var (
	Reason     = reason
	ListenHost = listenHost
	Port       = port
	NewStorage = newStorage
	ErrClosed  = errClosed
)

// ProblemPrefix is for tests.
const ProblemPrefix = problemPrefix

// End ends a storage.
func (s *storage) End() { s.close() }

// Bridged returns certmagic's kind of log over ours.
func Bridged(log *slog.Logger) *zap.Logger { return zap.New(bridge{log}) }
