-- Robot accounts. The name is without the prefix of robots, which is a setting: "team+ci" of the project team, "ci" at
-- system level. Permissions are JSON that names projects by id, so that a new project does not inherit what a robot may
-- do in an old one of its name. expires_at is 0 for a robot that does not end; a secret with an empty id is none.

-- +goose Up
CREATE TABLE robots (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL,
    name_key       TEXT    NOT NULL UNIQUE,
    project_id     INTEGER REFERENCES projects (id) ON DELETE CASCADE,
    description    TEXT    NOT NULL,
    disabled       BOOLEAN NOT NULL,
    days           INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    permissions    TEXT    NOT NULL,
    creator        TEXT    NOT NULL,
    secret_id      TEXT    NOT NULL,
    secret_hash    TEXT    NOT NULL,
    old_id         TEXT    NOT NULL,
    old_hash       TEXT    NOT NULL,
    old_ends_at    INTEGER NOT NULL,
    last_used_at   INTEGER NOT NULL,
    last_used_from TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
);
CREATE INDEX robots_project ON robots (project_id, id);
CREATE INDEX robots_created ON robots (created_at, id);
