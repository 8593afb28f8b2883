-- What people prove who they are with besides a password. users.second_factor says whether there is any that counts: it
-- is read with the user, so that a login asks for nothing more.

-- +goose Up
ALTER TABLE users ADD COLUMN second_factor BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE second_factors (
    user_id        INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    totp_secret    TEXT    NOT NULL,
    totp_since     INTEGER NOT NULL,
    totp_step      INTEGER NOT NULL,
    recovery_codes TEXT    NOT NULL,
    failures       INTEGER NOT NULL,
    failed_at      INTEGER NOT NULL
);

CREATE TABLE passkeys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    credential   BLOB    NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    record       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
);
CREATE INDEX passkeys_user ON passkeys (user_id, id);
