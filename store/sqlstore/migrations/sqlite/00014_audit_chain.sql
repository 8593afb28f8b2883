-- The audit trail as chains of hashes (docs/decisions), and the trail of a project. Most records are tokens, which belong
-- to no project: they cost the index nothing.

-- +goose Up
ALTER TABLE audit_log ADD COLUMN project TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_log ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN hash BLOB NOT NULL DEFAULT X'';
CREATE INDEX audit_log_project ON audit_log (project, id) WHERE project <> '';

CREATE TABLE audit_register (
    id        INTEGER PRIMARY KEY,
    newest    INTEGER NOT NULL,
    oldest    INTEGER NOT NULL,
    unchained INTEGER NOT NULL,
    key_id    TEXT    NOT NULL,
    signature TEXT    NOT NULL
);

CREATE TABLE audit_chains (
    id         INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    hash       TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    signature  TEXT    NOT NULL
);

CREATE TABLE audit_anchors (
    id        INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL,
    hash      TEXT    NOT NULL,
    key_id    TEXT    NOT NULL,
    signature TEXT    NOT NULL
);
