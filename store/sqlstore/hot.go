package sqlstore

import (
	"context"
	"database/sql"
)

// hotQueries are prepared once: they are asked for each token that is not cached, or change a row for each token.
type hotQueries struct {
	userByName    *sql.Stmt
	projectByName *sql.Stmt
	memberRole    *sql.Stmt
	groupsOf      *sql.Stmt
	robotByName   *sql.Stmt
	refreshToken  *sql.Stmt
	touchToken    *sql.Stmt
	personalToken *sql.Stmt
	touchPersonal *sql.Stmt
	moveHead      *sql.Stmt
	appendAudit   map[int]*sql.Stmt // by the number of rows
}

const (
	userColumns    = "t.id, t.name, t.email, t.real_name, t.comment, t.password_hash, t.sysadmin, t.second_factor, t.created_at, t.updated_at"
	projectColumns = "t.id, t.name, t.owner_id, o.name, t.public, t.created_at, t.updated_at, t.metadata, t.storage_limit"
	robotColumns   = "t.id, t.name, t.project_id, p.name, t.description, t.disabled, t.days, t.expires_at, t.permissions, t.creator, " +
		"t.secret_id, t.secret_hash, t.old_id, t.old_hash, t.old_ends_at, t.last_used_at, t.last_used_from, t.created_at, t.updated_at"
	tokenColumns = "t.seq, t.id, t.secret_hash, t.subject, t.user_id, t.via, t.service, t.client_id, t.remote, " +
		"t.created_at, t.last_used_at, t.idle_expiry, t.expires_at"
	personalColumns = "t.seq, t.id, t.user_id, t.name, t.secret_hash, t.scope, t.created_at, t.expires_at, t.last_used_at, t.last_used_from, u.name"
)

// What is asked for each token of somebody in groups. It is not prepared: the number of groups differs.
const (
	rolesOfGroups = "SELECT role, role_name, repositories FROM members WHERE project_id = ? AND group_id IN (?)"
	groupsByKey   = "SELECT id FROM user_groups WHERE source = ? AND group_key IN (?)"
)

// hotQuery is a query, where it runs, and where it is kept when it is prepared.
type hotQuery struct {
	db   *sql.DB
	stmt **sql.Stmt
	sql  string
}

func (h *hotQueries) queries(p pools) []hotQuery {
	return []hotQuery{
		{p.read, &h.userByName, "SELECT " + userColumns + " FROM users AS t WHERE t.name_key = ?"},
		{p.read, &h.projectByName, "SELECT " + projectColumns + " FROM projects AS t LEFT JOIN users AS o ON o.id = t.owner_id WHERE t.name = ?"},
		{p.read, &h.memberRole, "SELECT role, role_name, repositories FROM members WHERE project_id = ? AND user_id = ?"},
		{p.read, &h.groupsOf, "SELECT g.id, g.name FROM group_members AS t JOIN user_groups AS g ON g.id = t.group_id WHERE t.user_id = ? ORDER BY t.group_id"},
		{p.read, &h.robotByName, "SELECT " + robotColumns + " FROM robots AS t LEFT JOIN projects AS p ON p.id = t.project_id WHERE t.name_key = ?"},
		{p.read, &h.refreshToken, "SELECT " + tokenColumns + " FROM refresh_tokens AS t WHERE t.id = ?"},
		{p.write, &h.touchToken, "UPDATE refresh_tokens SET last_used_at = ? WHERE id = ? AND last_used_at < ?"},
		{p.read, &h.personalToken, "SELECT " + personalColumns + " FROM personal_access_tokens AS t JOIN users AS u ON u.id = t.user_id WHERE t.id = ?"},
		{p.write, &h.touchPersonal, "UPDATE personal_access_tokens SET last_used_at = ?, last_used_from = ? WHERE id = ? AND last_used_at < ?"},
		{p.write, &h.moveHead, moveHead},
	}
}

func (h *hotQueries) prepare(ctx context.Context, p pools, d dialect) error {
	for _, q := range h.queries(p) {
		stmt, err := q.db.PrepareContext(ctx, d.rebind(q.sql)) //nolint:sqlclosecheck // close does
		if err != nil {
			return err
		}
		*q.stmt = stmt
	}
	return h.prepareAudit(ctx, p, d)
}

func (h *hotQueries) close() error {
	all := []*sql.Stmt{
		h.userByName, h.projectByName, h.memberRole, h.groupsOf, h.robotByName, h.refreshToken, h.touchToken, h.personalToken, h.touchPersonal, h.moveHead,
	}
	for _, stmt := range h.appendAudit {
		all = append(all, stmt)
	}
	var first error
	for _, stmt := range all {
		if stmt != nil {
			first = firstError(first, stmt.Close())
		}
	}
	return first
}
