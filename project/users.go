package project

import (
	"context"
	"slices"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/store"
	"github.com/sealock/sealock/store/userdb"
)

// NewUser is what a user is made of. Whether it is a system administrator is not among it: that is an operation of its
// own, so that no request can bring it along.
type NewUser struct {
	Name     string
	Password secret.Text
	Profile
}

// Profile is what users may say about themselves.
type Profile struct {
	Email    string
	RealName string
	Comment  string
}

// UserQuery narrows a list of users.
type UserQuery struct {
	Name  string // names that contain this
	Exact string // the one name
	Paging
}

// CreateUser makes a user: of the database, with a password, or the record of a user of another source, called
// user@source, who has not signed in yet. Invalid: the name or the password breaks a rule, there is no such source, or
// there is a password for a user whose source keeps it. Conflict: the name is taken.
func (s *Service) CreateUser(ctx context.Context, c Caller, n NewUser) (u store.User, err error) {
	var hash string
	err = s.perform(ctx, c, deed{
		operation: "user.create", resource: "user:" + n.Name, what: "create users", remedy: askSystemAdmin,
		access: auth.Access{Resource: "user", Action: "create"},
		check: func(ctx context.Context) (err error) {
			if err = n.check(); err != nil {
				return err
			}
			if strings.Contains(n.Name, "@") { // no user of the database has one in the name
				return s.checkSourceUser(n)
			}
			if err = userdb.CheckName(n.Name); err != nil {
				return err
			}
			hash, err = s.hasher.Hash(ctx, n.Password)
			return err
		},
		do: func(ctx context.Context) (err error) {
			u, err = s.store.CreateUser(ctx, store.User{
				Name: n.Name, Email: n.Email, RealName: n.RealName, Comment: n.Comment, PasswordHash: hash,
			})
			return err
		},
	})
	return withoutHash(u), err
}

// checkSourceUser holds a user@source to the sources that there are. The source is not asked: it may be down, and some
// can't be asked for people who never came.
func (s *Service) checkSourceUser(n NewUser) error {
	user, source := auth.SplitSource(n.Name)
	if !slices.ContainsFunc(s.sources, func(src Source) bool { return src.Name == source }) {
		return errs.New(errs.Invalid, "there is no source %s whose users are called NAME@SOURCE", clip(source)).
			WithHint("%s; a user of the database has no @ in the name", s.sourcesHint())
	}
	if !n.Password.Empty() {
		return errs.New(errs.Invalid, "the password of %s is not kept here but by the source %s", clip(n.Name), source).
			WithHint("leave the password away")
	}
	return userdb.CheckSourceUser(user)
}

// sourcesHint names the sources besides the database.
func (s *Service) sourcesHint() string {
	if len(s.sources) == 0 {
		return "the settings name none"
	}
	names := make([]string, len(s.sources))
	for i, src := range s.sources {
		names[i] = src.Name
	}
	return "the settings name " + strings.Join(names, ", ")
}

func (p Profile) check() error {
	if p.Email != "" && (!strings.Contains(p.Email, "@") || strings.ContainsAny(p.Email, " \t\r\n<>,;")) {
		return errs.New(errs.Invalid, "%q is no e-mail address", p.Email).WithHint("use the form name@example.com, or leave it empty")
	}
	return nil // the store bounds the lengths
}

// ListUsers lists users.
func (s *Service) ListUsers(ctx context.Context, c Caller, q UserQuery) (List[store.User], error) {
	if err := s.require(ctx, c, auth.Access{Resource: "user", Action: "list"}, "list users", askSystemAdmin); err != nil {
		return List[store.User]{}, err
	}
	return s.listUsers(ctx, q)
}

func (s *Service) listUsers(ctx context.Context, q UserQuery) (List[store.User], error) {
	f := q.apply(store.Filter{Name: q.Name, Exact: q.Exact})
	total, err := s.store.CountUsers(ctx, f)
	return collect(s.store.ListUsers(ctx, f), total, err, withoutHash)
}

// SearchUsers finds users by name, for somebody who wants to add one as a member: whoever may list users finds all
// whose name contains the text; others find the one whose name it is, so that nobody can read out who there is. Of the
// users, only id and name are told.
func (s *Service) SearchUsers(ctx context.Context, c Caller, text string, p Paging) (List[store.User], error) {
	if c.Anonymous() {
		return List[store.User]{}, signIn("search users")
	}
	if text == "" {
		return List[store.User]{}, errs.New(errs.Invalid, "the search for users needs a name").WithHint("give a user name")
	}
	q := UserQuery{Exact: text, Paging: p}
	all, err := s.may(ctx, c, auth.Access{Resource: "user", Action: "list"})
	if err != nil {
		return List[store.User]{}, err
	}
	if all {
		q.Name, q.Exact = text, ""
	}
	l, err := s.listUsers(ctx, q)
	for i, u := range l.Items {
		l.Items[i] = store.User{ID: u.ID, Name: u.Name}
	}
	return l, err
}

// User returns a user: oneself, or any for whoever may read users. Who may not is refused, whether there is such a
// user or not.
func (s *Service) User(ctx context.Context, c Caller, id int64) (store.User, error) {
	if !s.self(c, id) {
		if err := s.require(ctx, c, auth.Access{Resource: "user", Action: "read"}, "see other users", askSystemAdmin); err != nil {
			return store.User{}, err
		}
	}
	u, err := s.store.User(ctx, id)
	return withoutHash(u), err
}

// CurrentUser returns the caller as a user. A caller that another source vouched for has no id and no profile here.
func (s *Service) CurrentUser(ctx context.Context, c Caller) (store.User, error) {
	if c.Anonymous() {
		return store.User{}, signIn("see an account")
	}
	if c.ID == 0 {
		return store.User{Name: c.Name, SysAdmin: c.SysAdmin}, nil
	}
	u, err := s.store.User(ctx, c.ID)
	return withoutHash(u), err
}

// UpdateProfile changes what is said about a user: oneself, or any for whoever may update users.
func (s *Service) UpdateProfile(ctx context.Context, c Caller, id int64, p Profile) error {
	return s.onUser(ctx, c, id, deed{
		operation: "user.update", what: "change other users", own: s.self(c, id),
		access: auth.Access{Resource: "user", Action: "update"},
		check:  func(context.Context) error { return p.check() },
		do: func(ctx context.Context) error {
			_, err := s.store.UpdateUser(ctx, id, func(u *store.User) error {
				u.Email, u.RealName, u.Comment = p.Email, p.RealName, p.Comment
				return nil
			})
			return err
		},
	})
}

// SetSysAdmin makes a user a system administrator, or no longer one. Precondition: it is the last one.
func (s *Service) SetSysAdmin(ctx context.Context, c Caller, id int64, admin bool) error {
	operation := "user.sysadmin.revoke"
	if admin {
		operation = "user.sysadmin.grant"
	}
	return s.onUser(ctx, c, id, deed{
		operation: operation, what: "say who is a system administrator",
		access: auth.Access{Resource: "user", Action: "update"},
		check: func(context.Context) error {
			if !c.SysAdmin {
				return refusal(c, "say who is a system administrator", askSystemAdmin)
			}
			return nil
		},
		do: func(ctx context.Context) error {
			_, err := s.store.UpdateUser(ctx, id, func(u *store.User) error {
				u.SysAdmin = admin
				return nil
			})
			return err
		},
	})
}

// SetPassword changes a password: one's own with the old one, anybody's for whoever may update users. It ends all
// refresh tokens and sessions of that user. Denied: the old password is wrong. Invalid: the new one breaks the rule.
func (s *Service) SetPassword(ctx context.Context, c Caller, id int64, old, fresh secret.Text) error {
	var hash string
	var user store.User
	own := s.self(c, id)
	return s.onUser(ctx, c, id, deed{
		operation: "user.password", what: "change the passwords of others", own: own,
		access: auth.Access{Resource: "user", Action: "update"},
		check: func(ctx context.Context) (err error) {
			if user, err = s.store.User(ctx, id); err != nil {
				return err
			}
			if user.PasswordHash == "" {
				return errs.New(errs.Precondition, "the password of user %q is not kept here", user.Name).WithHint("change it where the user comes from")
			}
			if own {
				if err := s.checkOld(ctx, user, old); err != nil {
					return err
				}
			}
			hash, err = s.hasher.Hash(ctx, fresh)
			return err
		},
		do: func(ctx context.Context) error { return s.replacePassword(ctx, user, hash) },
	})
}

func (s *Service) checkOld(ctx context.Context, u store.User, old secret.Text) error {
	verdict, err := s.hasher.Verify(ctx, u.PasswordHash, old)
	if err != nil {
		return err
	}
	if !verdict.Match {
		return errs.New(errs.Denied, "the old password is wrong").WithHint("give the password that you sign in with now")
	}
	return nil
}

// replacePassword stores the hash first: a refresh token that is made with the old password until then is dropped, and
// the store makes none for the user as it was before (store.RefreshToken.UserAsOf).
func (s *Service) replacePassword(ctx context.Context, u store.User, hash string) error {
	if _, err := s.store.UpdateUser(ctx, u.ID, func(now *store.User) error {
		now.PasswordHash = hash
		return nil
	}); err != nil {
		return err
	}
	if _, err := s.store.DeleteRefreshTokensOf(ctx, u.Name); err != nil {
		return errs.New(errs.Unavailable, "the password is changed, but logins made with the old one could not be ended").
			WithHint("change it once more, or revoke the refresh tokens").Because(err)
	}
	if _, err := s.store.DeleteSessionsOf(ctx, u.ID, ""); err != nil {
		return errs.New(errs.Unavailable, "the password is changed, but sessions that began with the old one could not be ended").
			WithHint("change it once more").Because(err)
	}
	return nil
}

// DeleteUser removes a user with its memberships and refresh tokens. Denied: oneself. Precondition: the last system
// administrator.
func (s *Service) DeleteUser(ctx context.Context, c Caller, id int64) error {
	return s.onUser(ctx, c, id, deed{
		operation: "user.delete", what: "delete users",
		access: auth.Access{Resource: "user", Action: "delete"},
		check: func(context.Context) error {
			if s.self(c, id) {
				return errs.New(errs.Denied, "nobody can delete the own account").WithHint("ask another system administrator")
			}
			return nil
		},
		do: func(ctx context.Context) error { return s.store.DeleteUser(ctx, id) },
	})
}

// SignOut ends all sessions of a user at the portal and, if wanted, the refresh tokens that clients hold: one's own, or
// anybody's for whoever may update users. Personal access tokens and the password stay.
func (s *Service) SignOut(ctx context.Context, c Caller, id int64, refreshTokens bool) error {
	return s.onUser(ctx, c, id, deed{
		operation: "user.sign_out", what: "sign out users", own: s.self(c, id),
		access: auth.Access{Resource: "user", Action: "update"},
		do: func(ctx context.Context) error {
			u, err := s.store.User(ctx, id)
			if err != nil {
				return err
			}
			if refreshTokens { // first: what they are good for is more
				if _, err := s.store.DeleteRefreshTokensOf(ctx, u.Name); err != nil {
					return err
				}
			}
			_, err = s.store.DeleteSessionsOf(ctx, id, "")
			return err
		},
	})
}

// onUser performs a deed on a user, whose name goes into the trail. Whether there is such a user shows only after the
// policy has agreed. The policy file may let others manage users; their way ends at system administrators, or it would
// be a way to everything.
func (s *Service) onUser(ctx context.Context, c Caller, id int64, d deed) error {
	u, missing := s.store.User(ctx, id)
	if missing != nil && !errs.Is(missing, errs.NotFound) {
		return missing
	}
	d.resource, d.remedy = "user:"+u.Name, askSystemAdmin
	if missing != nil {
		d.resource = "user:#" + itoa(id)
	}
	check := d.check
	d.check = func(ctx context.Context) error {
		if missing != nil {
			return missing
		}
		if u.SysAdmin && !d.own && !c.SysAdmin {
			return refusal(c, d.what+" who are system administrators", askSystemAdmin)
		}
		if check == nil {
			return nil
		}
		return check(ctx)
	}
	return s.perform(ctx, c, d)
}

// self reports whether the user is the caller. Those who have no id here are nobody's self.
func (s *Service) self(c Caller, id int64) bool { return id != 0 && c.ID == id && !c.Anonymous() }

// withoutHash takes out what never leaves the server.
func withoutHash(u store.User) store.User {
	u.PasswordHash = ""
	return u
}
