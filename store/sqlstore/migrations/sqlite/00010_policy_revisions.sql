-- What the policy was, and who changed it.

-- +goose Up
CREATE TABLE policy_revisions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    time        INTEGER NOT NULL,
    author      TEXT    NOT NULL,
    comment     TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    rules       TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL
);
