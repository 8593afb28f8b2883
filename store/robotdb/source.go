package robotdb

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

// Robots is what a [Source] asks of a store.
type Robots interface {
	RobotByName(ctx context.Context, name string) (store.Robot, error)
	TouchRobot(ctx context.Context, id int64, at time.Time, from string) error
}

// Source authenticates robot accounts, and finds who holds a token of one.
type Source struct {
	names  Names
	robots Robots
	hasher *userdb.Hasher
	now    func() time.Time
	log    *slog.Logger
}

var (
	_ auth.Recognizer = (*Source)(nil)
	_ auth.Holders    = (*Source)(nil)
)

// New returns the robots of the store. The hasher is shared with whoever else hashes passwords, so that its limit holds
// for all of them.
func New(names Names, robots Robots, hasher *userdb.Hasher, now func() time.Time, log *slog.Logger) *Source {
	return &Source{names: names, robots: robots, hasher: hasher, now: now, log: log}
}

// Recognizes reports whether the credential has a robot's name or a robot's secret: neither is ever anybody else's.
func (s *Source) Recognizes(cred auth.Credential) bool {
	return s.Named(cred.Name) || auth.RobotSecrets().Recognizes(cred.Secret)
}

// Named reports whether a name is a robot's.
func (s *Source) Named(name string) bool {
	_, ok := s.names.Cut(name)
	return ok
}

// Authenticate returns the robot, or auth.ErrBadCredential: unknown, wrong, disabled and ended are one answer.
func (s *Source) Authenticate(ctx context.Context, cred auth.Credential) (auth.Subject, error) {
	name, ok := s.names.Cut(cred.Name)
	if !ok {
		return auth.Subject{}, auth.ErrBadCredential
	}
	r, err := s.robots.RobotByName(ctx, name)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return auth.Subject{}, err
	}
	now := s.now()
	used, ok, err := s.match(ctx, live(r, now), cred.Secret) // of an unknown robot nothing is live
	if err != nil {
		return auth.Subject{}, fmt.Errorf("checking the secret of robot %d: %w", r.ID, err)
	}
	if !ok || !able(r, now) {
		return auth.Subject{}, auth.ErrBadCredential
	}
	s.touch(ctx, r, now, cred.Remote)
	return s.subject(r, used), nil
}

// live returns the secrets of the robot that may be used: the one in force, and the old one until its end.
func live(r store.Robot, now time.Time) [2]store.RobotSecret {
	secrets := [2]store.RobotSecret{r.Secret}
	if r.Old.ID != "" && now.Before(r.Old.Ends) {
		secrets[1] = r.Old
	}
	return secrets
}

// able reports whether the robot may do anything at the time.
func able(r store.Robot, now time.Time) bool {
	return r.ID != 0 && !r.Disabled && (r.ExpiresAt.IsZero() || now.Before(r.ExpiresAt))
}

// match returns the secret that is presented. A secret of our own form costs next to nothing; any other costs the same
// when it is wrong, whatever there is to compare it with: who exists must not show in the time.
func (s *Source) match(ctx context.Context, secrets [2]store.RobotSecret, presented secret.Text) (store.RobotSecret, bool, error) {
	form := auth.RobotSecrets()
	if form.Recognizes(presented) {
		parsed, ok := form.Parse(presented)
		for _, kept := range secrets {
			if ok && matchesMade(kept, parsed) {
				return kept, true, nil
			}
		}
		return store.RobotSecret{}, false, nil
	}
	for _, kept := range secrets {
		if kept.Hash == "" || strings.HasPrefix(kept.Hash, madePrefix) {
			if err := s.hasher.Waste(ctx, presented); err != nil {
				return store.RobotSecret{}, false, err
			}
			continue
		}
		verdict, err := s.hasher.Verify(ctx, kept.Hash, presented)
		if err != nil || verdict.Match {
			return kept, verdict.Match, err
		}
	}
	return store.RobotSecret{}, false, nil
}

// touch notes the use. That it can't be noted is no reason to stop a robot that may work.
func (s *Source) touch(ctx context.Context, r store.Robot, now time.Time, from string) {
	if now.Sub(r.LastUsedAt) < time.Minute {
		return
	}
	if err := s.robots.TouchRobot(context.WithoutCancel(ctx), r.ID, now, from); err != nil {
		s.log.Warn("the use of a robot account can't be noted", "robot", s.names.Full(r.Name), "error", err)
	}
}

// Holder returns the robot of that name as it is now, if the secret that via names may be used yet.
func (s *Source) Holder(ctx context.Context, name, via string) (auth.Subject, error) {
	short, ok := s.names.Cut(name)
	if !ok {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	r, err := s.robots.RobotByName(ctx, short)
	if errs.Is(err, errs.NotFound) {
		return auth.Subject{}, auth.ErrUnknownSubject
	}
	if err != nil {
		return auth.Subject{}, err
	}
	now := s.now()
	for _, kept := range live(r, now) {
		if kept.ID != "" && via == viaOf(r.ID, kept.ID) && able(r, now) {
			return s.subject(r, kept), nil
		}
	}
	return auth.Subject{}, auth.ErrUnknownSubject
}

// viaOf names the credential in tokens, so that they end with it: a secret of the robot with the id. Another robot that
// gets the name has another id.
func viaOf(robot int64, secretID string) string {
	return "robot:" + strconv.FormatInt(robot, 10) + ":" + secretID
}

// subject is the robot. It is never a system administrator.
func (s *Source) subject(r store.Robot, used store.RobotSecret) auth.Subject {
	return auth.Subject{
		Name: s.names.Full(r.Name), Kind: auth.KindRobot, How: "robot", Via: viaOf(r.ID, used.ID), Grants: r.Permissions, Since: r.CreatedAt,
	}.EndingBy(r.ExpiresAt).EndingBy(used.Ends)
}
