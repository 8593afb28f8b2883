// Package store owns what is remembered: the records and the roles that a store of records plays. It holds no SQL
// (sqlstore does) and decides nothing. Every store passes the suite in storetest.
//
// Errors that callers must tell apart are of [errs.Error]'s kinds: NotFound (no such record, or none that the new one
// points at), Conflict (the name is taken), Invalid (a field is empty or too long, or can't be kept: NUL, no UTF-8; the
// order of a list is unknown), Precondition (the last system administrator would be lost: only the store can see that
// without a race). Anything else means that the store failed; Unavailable says that it may work again later.
//
// The functions given to the Update methods run inside a transaction and must not call the store; a transaction that
// lost against another one is repeated, and they are called again. What the store sets
// itself (ids, the names of others, CreatedAt, UpdatedAt) stays as it was, whatever they do to it; when they change
// nothing, nothing is stored and nobody is told.
//
// A list holds nothing while its reader works on a record: the reader may call the store, take its time, or stop. It is
// not a snapshot; what was there before and after is listed once, in the order asked for.
package store

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
)

// User is a person with a password kept here.
type User struct {
	ID           int64
	Name         string // unique, without regard to case
	Email        string
	RealName     string
	Comment      string
	PasswordHash string // argon2id in PHC form
	SysAdmin     bool
	SecondFactor bool // read only: has one that counts, so that a password alone is not enough
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// SecondFactor is what a user proves who it is with besides a password. The zero value is nothing.
type SecondFactor struct {
	TOTP     TOTP
	Passkeys []Passkey // in the order in which they came
	// RecoveryCodes are hashes of the codes that are left, in hex.
	RecoveryCodes []string
	// Failures counts the wrong codes since the last right one, FailedAt is when the last one came.
	Failures int
	FailedAt time.Time
}

// On reports whether there is any factor that counts. Recovery codes stand in for one and are none.
func (f SecondFactor) On() bool { return f.TOTP.On() || len(f.Passkeys) > 0 }

// TOTP is an app that makes one-time codes (RFC 6238).
type TOTP struct {
	Secret string    // sealed; "" for no app
	Since  time.Time // when a code of the app was first seen; zero: not yet, and so it does not count
	Step   int64     // the time step of the last code: no code of this or an earlier one is good any more
}

// On reports whether its codes count.
func (t TOTP) On() bool { return t.Secret != "" && !t.Since.IsZero() }

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID         int64
	Credential []byte // its id as the authenticator gave it, unique
	Name       string // what the user calls it
	Record     string // the public key and what else is needed to check it, in JSON
	CreatedAt  time.Time
	LastUsedAt time.Time // CreatedAt until it is used
}

// Project is the first path component of the repositories that belong to it.
type Project struct {
	ID        int64
	Name      string // unique
	OwnerID   int64  // who created it; 0 when that user is gone
	OwnerName string // read only
	Public    bool
	Metadata  Metadata
	CreatedAt time.Time
	UpdatedAt time.Time

	StorageLimit int64 // in bytes; 0 is none
}

// Role is a role of a project member, numbered as in Harbor.
type Role int

// Harbor's roles.
const (
	RoleProjectAdmin Role = 1
	RoleDeveloper    Role = 2
	RoleGuest        Role = 3
	RoleMaintainer   Role = 4
	RoleLimitedGuest Role = 5
)

// RoleNames maps each role to its name in the policy file and the API.
func RoleNames() map[Role]string {
	return map[Role]string{
		RoleProjectAdmin: "projectAdmin",
		RoleDeveloper:    "developer",
		RoleGuest:        "guest",
		RoleMaintainer:   "maintainer",
		RoleLimitedGuest: "limitedGuest",
	}
}

// ByStrength orders roles, the strongest first. Those that a policy invents come after Harbor's.
func ByStrength(a, b Role) int { return cmp.Or(strength(b)-strength(a), cmp.Compare(a, b)) }

func strength(r Role) int {
	return slices.Index([]Role{RoleLimitedGuest, RoleGuest, RoleDeveloper, RoleMaintainer, RoleProjectAdmin}, r)
}

// Member is the role of a user or of a group in a project. Each has at most one role in a project.
type Member struct {
	ID          int64
	ProjectID   int64
	ProjectName string // read only
	UserID      int64  // of a user; 0 for a group
	UserName    string // read only
	GroupID     int64  // of a group; 0 for a user
	GroupName   string // read only
	Role        Role
	Custom      string   // the name of a role that the policy file invents, whose number Role is then; "" for Harbor's
	Only        Patterns // the repositories that the role is for; "" is the project with all of them
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// RoleName returns what the role is called in the policy file.
func (m Member) RoleName() string { return cmp.Or(m.Custom, RoleNames()[m.Role]) }

// Name returns the name of the user or the group.
func (m Member) Name() string { return cmp.Or(m.UserName, m.GroupName) }

// GroupType is what kind of source a group comes from, numbered as in Harbor.
type GroupType int

// Harbor's types of groups, and our own.
const (
	GroupLocal GroupType = 0 // kept here, with its members
	GroupLDAP  GroupType = 1
	GroupHTTP  GroupType = 2 // of an external source
	GroupOIDC  GroupType = 3
)

// Group is several users that can be a member of projects together. Of a group from a source of users only the name is
// kept: the source says with each login who is in it.
type Group struct {
	ID        int64
	Name      string // for people; of groups that are kept here unique, without regard to case
	Type      GroupType
	Source    string // the source of users; "" for one that is kept here
	Key       string // what the source calls it, as in auth.Subject's Groups; set by the store for one that is kept here
	CreatedAt time.Time
	UpdatedAt time.Time
}

// UserGroups is which groups a user is in.
type UserGroups struct {
	IDs   []int64  // in ascending order
	Local []string // the names of those that are kept here
}

// Local reports whether the group is kept here.
func (g Group) Local() bool { return g.Source == "" }

// RefreshToken is a refresh token as it is kept.
type RefreshToken = auth.RefreshToken

// PersonalAccessToken is a secret that a user made for a client, as it is kept.
type PersonalAccessToken struct {
	Seq          int64  // counts up in the order of their making
	ID           string // the public part of the secret: auth.Opaque's
	UserID       int64
	UserName     string            // read only
	Name         string            // what it is for; unique among its user's, without regard to case
	SecretHash   []byte            // SHA-256 of the secret part
	Scope        *auth.Permissions // what it is good for at most; nil is all that the user may
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
	LastUsedAt   time.Time // zero: not yet
	LastUsedFrom string    // the address

	// UserAsOf is when the user's record was last changed as it was authenticated; it is not kept. Zero: not known.
	UserAsOf time.Time
}

// Alive reports whether the token may still be used.
func (t PersonalAccessToken) Alive(now time.Time) bool {
	return t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt)
}

// Via is what tokens that come from it say in auth.Subject's Via.
func (t PersonalAccessToken) Via() string { return personalVia + t.ID }

const personalVia = "pat:"

// PersonalAccessTokenID returns the id of the personal access token that a Via names. It is false where that is
// something else.
func PersonalAccessTokenID(via string) (id string, ok bool) {
	return strings.CutPrefix(via, personalVia)
}

// RevokedToken is an access token that must not be accepted any more; it can be forgotten after ExpiresAt.
type RevokedToken = auth.RevokedToken

// Robot is a robot account: a name and a secret for a program, with permissions of its own.
type Robot struct {
	ID          int64
	Name        string // without the prefix of robots: "team+ci" of the project team, "ci" at system level; unique, without regard to case
	ProjectID   int64  // the project that it belongs to and ends with; 0 at system level
	ProjectName string // read only
	Description string
	Disabled    bool
	Days        int       // for how long it was made; -1 is for ever
	ExpiresAt   time.Time // zero is never
	// Permissions name projects. A permission in a project that is gone is gone too, whoever takes the name next.
	Permissions  auth.Permissions
	Creator      string      // who made it
	Secret       RobotSecret // what it signs in with
	Old          RobotSecret // what it may sign in with besides, until that ends
	LastUsedAt   time.Time   // zero: never
	LastUsedFrom string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// RobotSecret is a secret as it is kept. The zero value is none.
type RobotSecret struct {
	ID   string    // public
	Hash string    // in a form that store/robotdb knows
	Ends time.Time // of the old one; zero for the one that is in force
}

// Filter narrows and pages a list. The zero value is everything, in the order of ids.
type Filter struct {
	Name     string      // names that contain this, without regard to case
	Exact    string      // the one name; audit records of this resource
	Subject  string      // refresh tokens and personal access tokens of this subject, audit records of this actor
	MemberID int64       // projects that are public or have this user as a member (with Public nil), or just member of (with Public set); members, refresh tokens and personal access tokens of this user
	GroupIDs []int64     // with MemberID: projects that have one of these groups as a member, too
	Key      string      // groups that their source calls so
	Role     Role        // members with this role; 0 is any
	Project  int64       // robots and labels of the project with this id
	System   bool        // robots at system level
	Public   *bool       // projects that are public, or are not
	Where    []Condition // what holds for the fields of each record; those that a list knows are its own
	After    int64       // what comes after the record with this id in the list's order (paging by key); Offset counts where the filter does not let it through, or it is gone
	Offset   int         // skip so many (paging by number, as Harbor's clients do)
	Limit    int         // at most so many; 0 is all
	Audit    AuditFilter // audit records
	Sort     string      // "name", "creation_time", "-name", … ; "" is by id, and for audit records by falling id
}

// Users keeps users. A change is visible to the next call.
type Users interface {
	CreateUser(ctx context.Context, u User) (User, error)
	User(ctx context.Context, id int64) (User, error)
	UserByName(ctx context.Context, name string) (User, error)
	ListUsers(ctx context.Context, f Filter) iter.Seq2[User, error]
	CountUsers(ctx context.Context, f Filter) (int, error)
	// UpdateUser runs fn on the stored record inside a transaction and stores what fn made of it.
	UpdateUser(ctx context.Context, id int64, fn func(*User) error) (User, error)
	// DeleteUser removes the user, its memberships, its refresh tokens and its personal access tokens; projects that it owned lose their owner.
	DeleteUser(ctx context.Context, id int64) error
}

// SecondFactors keeps the second factors of users.
type SecondFactors interface {
	// SecondFactor returns what the user has; who has nothing, or does not exist, has the zero value.
	SecondFactor(ctx context.Context, userID int64) (SecondFactor, error)
	// PasskeyOwner returns the id of the user whose passkey has the WebAuthn credential id, or NotFound.
	PasskeyOwner(ctx context.Context, credential []byte) (userID int64, err error)
	// UpdateSecondFactor runs fn on the user's second factor inside a transaction and stores what fn made of it. Passkeys
	// without an id are new. NotFound: no such user. Conflict: a passkey is kept already, whoever's it is. User.SecondFactor
	// follows; when it becomes true, the user's refresh tokens end in the same transaction.
	UpdateSecondFactor(ctx context.Context, userID int64, fn func(*SecondFactor) error) (SecondFactor, error)
}

// Projects keeps projects.
type Projects interface {
	// CreateProject stores a project and its first members in one transaction. Of a member only UserID, GroupID and Role
	// count.
	CreateProject(ctx context.Context, p Project, members ...Member) (Project, error)
	Project(ctx context.Context, id int64) (Project, error)
	ProjectByName(ctx context.Context, name string) (Project, error)
	ListProjects(ctx context.Context, f Filter) iter.Seq2[Project, error]
	CountProjects(ctx context.Context, f Filter) (int, error)
	UpdateProject(ctx context.Context, id int64, fn func(*Project) error) (Project, error)
	// DeleteProject removes the project with all that is its own.
	DeleteProject(ctx context.Context, id int64) error
	// RenameProject gives a project another name, and its repositories with it, and remembers the one that it had, so that
	// nobody else can take it. Conflict: the name is another project's, or was.
	RenameProject(ctx context.Context, id int64, name string) (Project, error)
	// ProjectByFormerName returns the project that had the name, or NotFound.
	ProjectByFormerName(ctx context.Context, name string) (Project, error)
	// FormerNames returns what a project was called, the oldest first.
	FormerNames(ctx context.Context, projectID int64) ([]string, error)
	// ProjectNames returns what a project is called, and then what it was called before, each with since when: nobody else
	// has had the name from then on.
	ProjectNames(ctx context.Context, projectID int64) ([]NamedSince, error)
	// ForgetName lets go of what a project was called, or returns NotFound.
	ForgetName(ctx context.Context, projectID int64, name string) error
}

// NamedSince is a name of a project.
type NamedSince struct {
	Name  string
	Since time.Time
}

// Members keeps who has which role where.
type Members interface {
	AddMember(ctx context.Context, m Member) (Member, error) // Conflict: has a role there already
	Member(ctx context.Context, projectID, memberID int64) (Member, error)
	ListMembers(ctx context.Context, projectID int64, f Filter) iter.Seq2[Member, error]
	CountMembers(ctx context.Context, projectID int64, f Filter) (int, error)
	UpdateMember(ctx context.Context, projectID, memberID int64, fn func(*Member) error) (Member, error)
	RemoveMember(ctx context.Context, projectID, memberID int64) error
	// MemberRole returns the role of a user in a project by index look-up, or NotFound.
	MemberRole(ctx context.Context, projectID, userID int64) (Role, error)
	// MemberRoles returns the roles that a user (0 is nobody) and the groups have in a project, each once and the
	// strongest first, by index look-ups. To have none is no error.
	MemberRoles(ctx context.Context, projectID, userID int64, groupIDs []int64) ([]MemberRole, error)
	// LimitedProjects returns the ids of the projects, in ascending order, in which a user (0 is nobody) or one of the groups has
	// a role that is for some repositories only. Of the projects alone if there are any, else of all.
	LimitedProjects(ctx context.Context, userID int64, groupIDs, projects []int64) ([]int64, error)
	// CustomRoles returns the names of the roles not of Harbor's that any member has, in their order. It costs a look-up for
	// each, however many members have it.
	CustomRoles(ctx context.Context) ([]string, error)
}

// Groups keeps groups, and the members of those that are kept here.
type Groups interface {
	CreateGroup(ctx context.Context, g Group) (Group, error)
	Group(ctx context.Context, id int64) (Group, error)
	// GroupByKey returns the group that a source calls so. For one that is kept here, key is its name.
	GroupByKey(ctx context.Context, source, key string) (Group, error)
	ListGroups(ctx context.Context, f Filter) iter.Seq2[Group, error]
	CountGroups(ctx context.Context, f Filter) (int, error)
	// UpdateGroup can change the name.
	UpdateGroup(ctx context.Context, id int64, fn func(*Group) error) (Group, error)
	// DeleteGroup removes the group with its members and its memberships in projects.
	DeleteGroup(ctx context.Context, id int64) error
	// AddGroupMember puts a user into a group that is kept here. Conflict: it is in it. Invalid: a source says who is in the group.
	AddGroupMember(ctx context.Context, groupID, userID int64) error
	RemoveGroupMember(ctx context.Context, groupID, userID int64) error
	ListGroupMembers(ctx context.Context, groupID int64, f Filter) iter.Seq2[User, error]
	CountGroupMembers(ctx context.Context, groupID int64, f Filter) (int, error)
	// UserGroups returns, by index look-ups, the groups kept here that the user is in, and those of the source that have
	// one of the keys.
	UserGroups(ctx context.Context, userID int64, source string, keys []string) (UserGroups, error)
}

// Robots keeps robot accounts. NotFound also means that a permission names a project which does not exist.
type Robots interface {
	CreateRobot(ctx context.Context, r Robot) (Robot, error)
	Robot(ctx context.Context, id int64) (Robot, error)
	RobotByName(ctx context.Context, name string) (Robot, error)
	ListRobots(ctx context.Context, f Filter) iter.Seq2[Robot, error]
	CountRobots(ctx context.Context, f Filter) (int, error)
	UpdateRobot(ctx context.Context, id int64, fn func(*Robot) error) (Robot, error)
	// TouchRobot notes a use, unless one of the minute before is noted. It is no change of the robot.
	TouchRobot(ctx context.Context, id int64, at time.Time, from string) error
	DeleteRobot(ctx context.Context, id int64) error
}

// RefreshTokens keeps refresh tokens.
type RefreshTokens interface {
	// CreateRefreshToken keeps a new token. Conflict: the id is taken, or the user is not as it was at t.UserAsOf.
	CreateRefreshToken(ctx context.Context, t RefreshToken) error
	RefreshToken(ctx context.Context, id string) (RefreshToken, error)
	ListRefreshTokens(ctx context.Context, f Filter) iter.Seq2[RefreshToken, error]
	CountRefreshTokens(ctx context.Context, f Filter) (int, error)
	// TouchRefreshToken notes a use. An earlier use never replaces a later one.
	TouchRefreshToken(ctx context.Context, id string, at time.Time) error
	DeleteRefreshToken(ctx context.Context, id string) error
	// DeleteRefreshTokensOf drops all tokens of a subject, as when its password changes. It returns how many.
	DeleteRefreshTokensOf(ctx context.Context, subject string) (int, error)
	// DropExpiredTokens forgets refresh tokens, revocations, sessions and device codes that are past their end.
	DropExpiredTokens(ctx context.Context, now time.Time) (int, error)
}

// PersonalAccessTokens keeps personal access tokens.
type PersonalAccessTokens interface {
	// CreatePersonalAccessToken keeps a new token, and clears away those of its user that have ended by its CreatedAt.
	// Conflict: the name or the id is taken, or the user is not as it was at t.UserAsOf. Precondition: the user has most
	// tokens already.
	CreatePersonalAccessToken(ctx context.Context, t PersonalAccessToken, most int) (PersonalAccessToken, error)
	PersonalAccessToken(ctx context.Context, id string) (PersonalAccessToken, error)
	ListPersonalAccessTokens(ctx context.Context, f Filter) iter.Seq2[PersonalAccessToken, error]
	CountPersonalAccessTokens(ctx context.Context, f Filter) (int, error)
	// TouchPersonalAccessToken notes a use. An earlier use never replaces a later one.
	TouchPersonalAccessToken(ctx context.Context, id string, at time.Time, from string) error
	// DeletePersonalAccessToken removes the token and the refresh tokens that came from it.
	DeletePersonalAccessToken(ctx context.Context, id string) error
}

// Revocations keeps access tokens that were revoked before their end.
type Revocations interface {
	// RevokeToken notes that a token is revoked. Doing so twice is no error.
	RevokeToken(ctx context.Context, t RevokedToken) error
	// RevokedTokens lists those that end after now.
	RevokedTokens(ctx context.Context, now time.Time) iter.Seq2[RevokedToken, error]
}

// LockKey and LoginFailures are what failed logins are counted by, and how they stand.
type (
	LockKey       = auth.LockKey
	LoginFailures = auth.LoginFailures
)

// Lockouts keeps failed logins and where accounts signed in from.
type Lockouts interface {
	auth.LockStore
	// ListLockouts lists what is locked at the time: of Filter, Subject is an account and Exact an address.
	ListLockouts(ctx context.Context, now time.Time, f Filter) iter.Seq2[LoginFailures, error]
	CountLockouts(ctx context.Context, now time.Time, f Filter) (int, error)
	// Lockout returns the failures of the key with the id, locked or not.
	Lockout(ctx context.Context, id string) (LoginFailures, error)
	// DeleteLockout forgets the failures of the key with the id.
	DeleteLockout(ctx context.Context, id string) error
}

// Audit keeps the audit trail.
type Audit interface {
	audit.Trail
	// AppendAudit stores all records in one transaction, or none, and tells each its place in a chain.
	AppendAudit(ctx context.Context, records []audit.Record) error
	// ListAudit lists records, the newest first.
	ListAudit(ctx context.Context, f Filter) iter.Seq2[audit.Record, error]
	// CountAudit counts without looking at each record: where nothing narrows the list, by the first and the last id, which
	// is a few too many where ids were left out; else up to AuditCounted.
	CountAudit(ctx context.Context, f Filter) (int, error)
	// TokenAudit returns the record of a token's issue, found by the time that its id says.
	TokenAudit(ctx context.Context, jti string) (audit.Record, error)
	// DropAudit forgets records older than before, and returns how many.
	DropAudit(ctx context.Context, before time.Time) (int, error)
}

// ChangeKind says what a [Change] is about.
type ChangeKind string

// The kinds of changes that caches must hear of.
const (
	UserChanged    ChangeKind = "user"
	ProjectChanged ChangeKind = "project"
	MemberChanged  ChangeKind = "member"
	RobotChanged   ChangeKind = "robot"
	GroupChanged   ChangeKind = "group"

	PersonalAccessTokenChanged ChangeKind = "personal access token"
)

// Change tells that a record was created, changed or removed. It is sent after the transaction has ended and before the
// method that made the change returns. A new name is told of too: a rename sends one Change with each name. The change
// that removes a user, a project or a group stands for its memberships, robots and tokens as well. That a token or a robot
// was used, or a token cleared away after its end, is not told.
type Change struct {
	Kind      ChangeKind
	UserID    int64  // UserChanged, PersonalAccessTokenChanged: whose it is; MemberChanged of a user; GroupChanged: who came or went, 0 when the group itself changed
	User      string // UserChanged: the name
	ProjectID int64  // ProjectChanged, MemberChanged
	Project   string // ProjectChanged, MemberChanged: the name
	GroupID   int64  // GroupChanged; MemberChanged of a group
	Source    string // GroupChanged: the source of the group
	GroupKey  string // GroupChanged: what the source calls it
	RobotID   int64  // RobotChanged
	Robot     string // RobotChanged: the name, without the prefix of robots
	Token     string // PersonalAccessTokenChanged: the id
}

// Store is everything that sealock remembers.
type Store interface {
	Users
	SecondFactors
	Projects
	Members
	Robots
	Groups
	RefreshTokens
	DeviceCodes
	PersonalAccessTokens
	Revocations
	Sessions
	Lockouts
	Identities
	PolicyRevisions
	Index
	Registries
	ReplicationPolicies
	WebhookPolicies
	RetentionPolicies
	ImmutableRules
	Labels
	Schedules
	Configurations
	Reindexes
	Audit

	// Subscribe calls fn after each change until cancel is called. fn must return at once and not call the store.
	Subscribe(fn func(Change)) (cancel func())
	Ping(ctx context.Context) error
	Close() error
}
