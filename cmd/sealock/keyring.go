package main

import (
	"log/slog"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/pki"
	"github.com/sealock/sealock/settings"
)

// clockSkew is how far the clock of a registry may be off: registries allow as much (protocol notes, finding 13).
const clockSkew = time.Minute

// openKeyRing loads the leaf keys of the data folder, or makes the first ones.
func openKeyRing(cfg settings.Config, dir dataDir, root *pki.Root, log *slog.Logger) (*auth.KeyRing, error) {
	return auth.OpenKeyRing(root, dir.keyFile(), auth.KeyRingConfig{
		Algorithm:   cfg.Token.Algorithm,
		CertLife:    cfg.Token.CertLife,
		RotateEvery: cfg.Token.RotateEvery,
		KeepRetired: cfg.Token.Life + cfg.Token.UploadGrace + 2*clockSkew, // uploads go on with tokens that have ended
		Now:         time.Now,
		Log:         log,
	})
}

// quiet is the log of commands that speak for themselves.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
