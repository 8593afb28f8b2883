-- Personal access tokens. scope is JSON, or empty for all that the user may; expires_at is 0 for never, last_used_at for
-- not yet.

-- +goose Up
CREATE TABLE personal_access_tokens (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    user_id        INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name           TEXT    NOT NULL,
    name_key       TEXT    NOT NULL,
    secret_hash    BLOB    NOT NULL,
    scope          TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    last_used_at   INTEGER NOT NULL,
    last_used_from TEXT    NOT NULL,
    UNIQUE (user_id, name_key)
);
