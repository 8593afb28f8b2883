-- Who is signed in to the web pages, and who a user is at the provider that vouches for it. Of a session's cookie only
-- the SHA-256 is kept. pending names what has to be passed before the session counts.

-- +goose Up
CREATE TABLE sessions (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    subject      TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    method       TEXT    NOT NULL,
    pending      TEXT    NOT NULL,
    remote       TEXT    NOT NULL,
    user_agent   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    idle_expiry  INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, seq);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE external_identities (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    source     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    group_list TEXT    NOT NULL,
    sysadmin   BOOLEAN NOT NULL,
    renewal    BLOB    NOT NULL,
    ended      BOOLEAN NOT NULL,
    login_at   INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    UNIQUE (source, subject)
);
