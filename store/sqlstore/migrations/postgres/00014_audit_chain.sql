-- The audit trail as chains of hashes (docs/decisions), and the trail of a project. Most records are tokens, which belong
-- to no project: they cost the index nothing.

-- +goose Up
ALTER TABLE audit_log
    ADD COLUMN project TEXT   COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN chain   BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN seq     BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN hash    BYTEA  NOT NULL DEFAULT '';
CREATE INDEX audit_log_project ON audit_log (project, id) WHERE project <> '';

CREATE TABLE audit_register (
    id        BIGINT PRIMARY KEY,
    newest    BIGINT NOT NULL,
    oldest    BIGINT NOT NULL,
    unchained BIGINT NOT NULL,
    key_id    TEXT   NOT NULL,
    signature TEXT   NOT NULL
);

CREATE TABLE audit_chains (
    id         BIGINT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    hash       TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    signature  TEXT   NOT NULL
) WITH (fillfactor = 50); -- the head of a chain changes with each batch of records: in place, where there is room

CREATE TABLE audit_anchors (
    id        BIGINT PRIMARY KEY,
    seq       BIGINT NOT NULL,
    hash      TEXT   NOT NULL,
    key_id    TEXT   NOT NULL,
    signature TEXT   NOT NULL
);
