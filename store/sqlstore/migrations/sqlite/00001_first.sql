-- Times are microseconds since 1970 in UTC. Ids are never used twice (AUTOINCREMENT): what was granted to an id that is
-- gone must not come back with the next record.

-- +goose Up
CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL UNIQUE,
    email         TEXT    NOT NULL,
    real_name     TEXT    NOT NULL,
    comment       TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    sysadmin      BOOLEAN NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_sysadmin ON users (sysadmin);

CREATE TABLE projects (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    name_key   TEXT    NOT NULL,
    owner_id   INTEGER REFERENCES users (id) ON DELETE SET NULL,
    public     BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX projects_name_key ON projects (name_key, id);
CREATE INDEX projects_created ON projects (created_at, id);
CREATE INDEX projects_public ON projects (public, id);
CREATE INDEX projects_owner ON projects (owner_id);

-- user_id may be NULL: a member can be something else than a user one day.
CREATE TABLE members (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    INTEGER REFERENCES users (id) ON DELETE CASCADE,
    role       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project_id, user_id)
);
CREATE INDEX members_user ON members (user_id, project_id);

CREATE TABLE refresh_tokens (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    secret_hash  BLOB    NOT NULL,
    subject      TEXT    NOT NULL,
    subject_key  TEXT    NOT NULL,
    user_id      INTEGER REFERENCES users (id) ON DELETE CASCADE,
    service      TEXT    NOT NULL,
    client_id    TEXT    NOT NULL,
    remote       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    idle_expiry  INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
);
CREATE INDEX refresh_tokens_subject ON refresh_tokens (subject_key, seq);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);

CREATE TABLE revoked_tokens (
    jti        TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

CREATE TABLE audit_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    request_id TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    method     TEXT    NOT NULL,
    remote     TEXT    NOT NULL,
    operation  TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    jti        TEXT    NOT NULL
);
CREATE INDEX audit_log_actor ON audit_log (actor, id);
